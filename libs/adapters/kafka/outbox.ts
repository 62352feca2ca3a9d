// The outbox: what transactions appended, in PostgreSQL until the brokers have it.
// It keeps true that records of a topic get growing numbers in the order of the commits, because the topic's row stays
// locked until commit; and that a row goes only after its records were acknowledged, under the lease of the one sender.

import type { Knex } from "knex";
import { AppError } from "../../errors.ts";
import type { Lease, NewRecord, StoredRecord } from "../../ports.ts";
import { decodeBlock, encodeBlocks } from "../postgres/batch.ts";
import { appendChannel } from "../postgres/listener.ts";
import { largestRecord } from "./record-batch.ts";

/** What is announced when a transaction left something to send. */
export const outboxNotice = "outbox";
/** The header by which a repeat is recognised: the record's number in its topic's outbox. */
export const outboxHeader = "outbox";

type Rows<Row> = { readonly rows: readonly Row[] };

const blocksPerInsert = 16;
const blocksPerRead = 16;
// What a record takes beside its key, value and headers, at most, and the headers that the sender adds.
const overheadBytes = 160;
const nowMicros = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";

/** Lets a topic have an outbox. Twice changes nothing. */
export async function addOutboxTopic(sql: Knex, topic: string): Promise<void> {
  await sql.raw("insert into outbox_topics (topic) values (?) on conflict (topic) do nothing", [topic]);
}

/** Removes the topic's outbox and what was not sent of it. */
export async function removeOutboxTopic(sql: Knex, topic: string): Promise<void> {
  await sql("outbox_topics").where({ topic }).delete();
}

/** @throws AppError `log.record-too-large` naming its place in the list. */
export function assertSendable(records: readonly NewRecord[]): void {
  for (const [index, { key, value, headers = {} }] of records.entries()) {
    let bytes = overheadBytes + Buffer.byteLength(key) + (value?.length ?? 0);
    for (const [name, text] of Object.entries(headers)) bytes += 10 + Buffer.byteLength(name) + Buffer.byteLength(text);
    if (bytes > largestRecord) throw new AppError("log.record-too-large", { details: { index, bytes } });
  }
}

/**
 * Puts records into the topic's outbox, which stays locked until the transaction ends.
 * @returns the number of the last one; null when the topic has no outbox.
 */
export async function putInOutbox(
  sql: Knex.Transaction,
  topic: string,
  records: readonly NewRecord[],
): Promise<number | null> {
  const blocks = encodeBlocks(records);
  let last: number | null = null;
  for (let i = 0; i < blocks.length; i += blocksPerInsert) {
    let count = 0;
    const values = blocks.slice(i, i + blocksPerInsert).map((block) => {
      const start = count;
      count += block.records;
      return [start, block.records, block.bytes] as const;
    });
    const { rows } = await sql.raw<Rows<{ readonly last: number }>>(
      `with head as (
         update outbox_topics set next_seq = greatest(next_seq, ${nowMicros}) + ? where topic = ?
         returning topic, next_seq - ? as first, next_seq - 1 as last
       ), written as (
         insert into outbox (topic, seq, records, bytes)
         select head.topic, head.first + b.start, b.records, b.bytes
         from head, (values ${values.map(() => "(?::bigint, ?::integer, ?::bytea)").join(", ")}) as b (start, records, bytes))
       select last, pg_notify(?, ?)::text from head`,
      [count, topic, count, ...values.flat(), appendChannel, outboxNotice],
    );
    const [row] = rows;
    if (row === undefined) return null;
    last = row.last;
  }
  return last;
}

/** Topics that have something to send. */
export async function waitingTopics(sql: Knex): Promise<readonly string[]> {
  const { rows } = await sql.raw<Rows<{ readonly topic: string }>>("select distinct topic from outbox order by topic");
  return rows.map(({ topic }) => topic);
}

/** Blocks of a topic's outbox, the first committed first. */
export type Waiting = {
  readonly seqs: readonly number[];
  readonly last: number;
  readonly records: readonly StoredRecord[];
};

/** The next records to send; their offsets are their numbers. Null when there are none. */
export async function nextWaiting(sql: Knex, topic: string): Promise<Waiting | null> {
  type Row = { readonly seq: number; readonly records: number; readonly bytes: Buffer };
  const { rows } = await sql.raw<Rows<Row>>(
    "select seq, records, bytes from outbox where topic = ? order by seq limit ?",
    [topic, blocksPerRead],
  );
  if (rows.length === 0) return null;
  const records = rows.flatMap(({ seq, records: count, bytes }) =>
    decodeBlock(bytes, { first: seq, appendedAt: 0 }, { from: seq, to: seq + count }),
  );
  return { seqs: rows.map(({ seq }) => seq), last: records.at(-1)?.offset ?? 0, records };
}

/**
 * Forgets what was acknowledged and announces the topic to readers.
 * @throws AppError `lease.lost`: the lease is gone, and nothing is forgotten; or some of the rows were, by somebody else.
 */
export async function forgetSent(
  sql: Knex,
  { topic, seqs, lease }: { readonly topic: string; readonly seqs: readonly number[]; readonly lease: Lease },
): Promise<void> {
  const { name, holder, epoch } = lease;
  // One statement, so one round trip; the lease cannot change hands before it is committed.
  const { rows } = await sql.raw<Rows<{ readonly forgotten: number }>>(
    `with held as (
       select 1 from leases where name = ? and holder = ? and epoch = ? and expires_at > clock_timestamp() for share
     ), gone as (
       delete from outbox where topic = ? and seq = any (?::bigint[]) and exists (select 1 from held)
       returning 1)
     select (select count(*) from gone) as forgotten, pg_notify(?, ?)::text from held`,
    [name, holder, epoch, topic, [...seqs], appendChannel, topic],
  );
  if (rows[0]?.forgotten !== seqs.length) throw new AppError("lease.lost", { details: { lease: name, epoch } });
}

/** Whether the topic's outbox holds nothing up to a number, or nothing at all. */
export async function isSent(sql: Knex, topic: string, seq: number = Number.MAX_SAFE_INTEGER): Promise<boolean> {
  const { rows } = await sql.raw<Rows<unknown>>("select 1 from outbox where topic = ? and seq <= ? limit 1", [
    topic,
    seq,
  ]);
  return rows.length === 0;
}
