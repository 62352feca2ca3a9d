// Tells people something by a notice, in a transaction with whatever it is about.
// It keeps true that a notice names no person, and when it is told once: not again until what it says is another.

import type { Knex } from "knex";

import type { Codec } from "../adapters/registry/codec.ts";
import { recordCodec } from "../adapters/registry/record-codec.ts";
import type { Clock, EventLog, Transaction } from "../ports.ts";
import { controlKey, controlTopics } from "../topics.ts";

/** What is told, beside when. `since`: epoch milliseconds. */
export type Notice = {
  readonly district: string;
  readonly code: string;
  readonly severity: "info" | "warning" | "error";
  /** In words, ids only. */
  readonly message: string;
  readonly remedy: string;
  readonly since: number;
};

export type NoticeContext = { readonly codec: Codec; readonly clock: Clock; readonly log: EventLog };

/** Appends the notice to the transaction. */
export function appendNotice(tx: Transaction, { codec, clock }: Omit<NoticeContext, "log">, notice: Notice): void {
  const value = recordCodec(codec).encode("rollcall.control.Notice", { ...notice, at: clock.now() });
  tx.append(controlTopics.notices.name, [{ key: controlKey(notice.district, notice.code), value }]);
}

/**
 * Tells it if the check says so, in one transaction.
 * @param isNew notes that it is told; false: it was told before.
 * @returns whether it was told now.
 */
export async function tellIf(
  context: NoticeContext,
  notice: Notice,
  isNew: (sql: Knex.Transaction) => Promise<boolean>,
): Promise<boolean> {
  return context.log.transaction(async (tx) => {
    if (!(await isNew(tx.sql))) return false;
    appendNotice(tx, context, notice);
    return true;
  });
}
