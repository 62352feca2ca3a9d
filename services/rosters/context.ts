// What the work on one district needs: the ports, and the district whose lease is held.

import { randomUUID } from "node:crypto";

import type { Knex } from "knex";
import type { Logger } from "pino";

import type { Inbox } from "../../libs/adapters/postgres/inbox.ts";
import { checkLease, type HeldLease, holdLease } from "../../libs/adapters/postgres/leases.ts";
import { lockDistrict } from "../../libs/adapters/postgres/people.ts";
import type { ChangeCodec } from "../../libs/adapters/registry/change-codec.ts";
import type { RecordCodec } from "../../libs/adapters/registry/record-codec.ts";
import type { DistrictId } from "../../libs/domain/ids.ts";
import type { AppError } from "../../libs/errors.ts";
import type { Clock, EventLog, Lease, Transaction } from "../../libs/ports.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";

export const consumer = "rosters";

export type RostersContext = {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly changes: ChangeCodec;
  readonly records: RecordCodec;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly inbox: Inbox;
};

/** A district while its lease is held. */
export type HeldDistrict = { readonly id: DistrictId; readonly lease: Lease };

const leaseMs = 15_000;

/** The right to write a district's rosters; null when another process has it. */
export function holdRosters(sql: Knex, district: DistrictId): Promise<HeldLease | null> {
  return holdLease(sql, { name: `rosters.${district}`, holder: randomUUID(), ttlMs: leaseMs });
}

/** Says to people, with the transaction, what one of them must do. */
export function appendNotice(
  { clock, records }: Pick<RostersContext, "clock" | "records">,
  tx: Transaction,
  { district, error }: { readonly district: DistrictId; readonly error: AppError },
): void {
  const at = clock.now();
  const { code, message, remedy } = error;
  const notice = { district, code, severity: "error", message, remedy, since: at, at };
  const value = records.encode("rollcall.control.Notice", notice);
  tx.append(controlTopics.notices.name, [{ key: controlKey(district, code), value }]);
}

/**
 * The last step of a transaction: from here on nobody else changes what is judged by. Not sooner, because logins wait
 * for this row, and because a lease that is locked cannot be renewed.
 * @throws AppError `lease.lost`.
 */
export async function fence(tx: Transaction, { id, lease }: HeldDistrict): Promise<void> {
  await lockDistrict(tx.sql, id);
  await checkLease(tx.sql, lease);
}
