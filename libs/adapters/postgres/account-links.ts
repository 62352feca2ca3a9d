// Links of accounts into a district that has left. The account is its product's and stays; that its owner signs in there
// as this or that subject goes.
// It keeps true that the topic `accounts` holds each account's whole state: what is taken from it is the link alone.

import type { Knex } from "knex";

import { AppError } from "../../errors.ts";
import type { Clock, EventLog } from "../../ports.ts";
import type { Account } from "../../records.ts";
import { controlKey, controlTopics } from "../../topics.ts";
import type { RecordCodec } from "../registry/record-codec.ts";

export type LinkPorts = {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly records: RecordCodec;
  readonly clock: Clock;
};

const topic = controlTopics.accounts.name;
const pageRows = 1000;

/** Says of every account that is linked into the district that it is linked to nobody. Twice changes nothing. */
export async function unlinkAccounts(ports: LinkPorts, district: string): Promise<void> {
  const linked = await linkedOnTopic(ports, district);
  for await (const { record } of storedRecords(ports.sql)) {
    const account = accountIn(ports.records, record);
    if (account?.link?.district === district) linked.set(controlKey(account.account), account);
  }
  for (const account of linked.values()) await unlink(ports, account, district);
  await forgetWork(ports, district);
}

/** Accounts whose newest state on the topic has a link into the district, whoever wrote it, by key. */
async function linkedOnTopic({ log, records }: LinkPorts, district: string): Promise<Map<string, Account>> {
  const linked = new Map<string, Account>();
  const extent = await log.extent(topic);
  if (extent === null) return linked;
  const { generation, start: from, end: to } = extent;
  for await (const batch of log.scan({ topic, generation, from, to })) {
    for (const { key, value } of batch) {
      const account = value === null ? null : accountIn(records, value);
      const name = Buffer.from(key).toString();
      if (account?.link?.district === district) linked.set(name, account);
      else linked.delete(name);
    }
  }
  return linked;
}

/** @returns null for bytes that are no account's: whoever takes accounts in tells of them. */
function accountIn(records: RecordCodec, bytes: Uint8Array): Account | null {
  try {
    return records.decode("rollcall.control.Account", bytes);
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

async function* storedRecords(sql: Knex): AsyncGenerator<{ readonly account: string; readonly record: Buffer }> {
  for (let after = ""; ;) {
    const rows: readonly { readonly account: string; readonly record: Buffer }[] = await sql("account_records")
      .where("account", ">", after)
      .orderBy("account")
      .limit(pageRows)
      .select("account", "record");
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.account;
  }
}

/** Changes to one account take turns with those that come over HTTP. */
async function unlink({ log, records, clock }: LinkPorts, found: Account, district: string): Promise<void> {
  const { account } = found;
  await log.transaction(async (tx) => {
    const key = controlKey(account);
    await tx.sql.raw("select pg_advisory_xact_lock(hashtextextended(?, 0))", [controlKey("account", account)]);
    const row: { readonly record: Buffer } | undefined = await tx
      .sql("account_records")
      .where({ account })
      .first("record");
    const before = row === undefined ? found : records.decode("rollcall.control.Account", row.record);
    if (before.link?.district !== district) return;
    const value = records.encode("rollcall.control.Account", { ...before, link: null, at: clock.now() });
    await tx
      .sql("account_records")
      .where({ account })
      .update({ record: Buffer.from(value) });
    tx.append(topic, [{ key, value }]);
  });
}

/** Work on accounts that is done keeps its record for a while. What still waits is dropped by whoever takes it in. */
async function forgetWork({ sql, records }: LinkPorts, district: string): Promise<void> {
  for (let after = 0; ;) {
    const rows: readonly { readonly id: number; readonly value: Buffer | null }[] = await sql("work")
      .where({ topic })
      .where("id", ">", after)
      .orderBy("id")
      .limit(pageRows)
      .select("id", "value");
    const last = rows.at(-1);
    if (last === undefined) return;
    const ids = rows.flatMap(({ id, value }) =>
      value !== null && accountIn(records, value)?.link?.district === district ? [id] : [],
    );
    await sql("work").whereIn("id", ids).whereNot({ state: "waiting" }).delete();
    after = last.id;
  }
}
