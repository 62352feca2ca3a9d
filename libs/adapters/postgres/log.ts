// The log in PostgreSQL: for trial, tests and small installations, behind the same port as Kafka.
// It keeps true: offsets come from the topic's head row, locked until commit, so offset order is commit order and a
// reader never meets a gap that is filled later; what one transaction appends is seen whole or not at all; a range is
// read whole or fails.

import type { Knex } from "knex";
import { assert } from "../../domain/assert.ts";
import { AppError } from "../../errors.ts";
import type {
  EventLog,
  Lease,
  LogRange,
  NewRecord,
  StoredRecord,
  TopicExtent,
  TopicWriter,
  Transaction,
} from "../../ports.ts";
import type { Codec } from "../registry/codec.ts";
import { decodeBlock, encodeBlocks } from "./batch.ts";
import type { Block } from "./batch.ts";
import { databaseFailure } from "./database.ts";
import type { Database } from "./database.ts";
import { checkLease } from "./leases.ts";
import { appendChannel, AppendListener } from "./listener.ts";

/** The PostgreSQL log, with what only a log that we keep ourselves needs. */
export interface PostgresLog extends EventLog {
  /** Drops what lies before an offset; the topic's start moves there. Twice changes nothing. */
  deleteBefore(topic: string, offset: number): Promise<void>;
  /** Drops batches appended longer ago than the age. */
  deleteOlder(topic: string, ageMs: number): Promise<void>;
  /** Ends the listening connection; the database stays open. */
  close(): Promise<void>;
}

/** Rows of a query by knex's raw builder. */
type Rows<Row> = { readonly rows: readonly Row[] };
type ExtentRow = { readonly generation: string; readonly start_offset: number; readonly next_offset: number };
type PageRow = {
  readonly generation: string;
  readonly start_offset: number;
  readonly first_offset: number | null;
  readonly end_offset: number | null;
  readonly appended_at: number;
  readonly bytes: Buffer;
};
/** What an append got: its first offset and the database's time. */
type Appended = { readonly from: number; readonly to: number };

// A page is what a scan holds in memory: at most so many blocks, each at most about a megabyte before compression.
const pageBlocks = 8;
const blocksPerInsert = 16;
const nowMs = "(extract(epoch from clock_timestamp()) * 1000)::bigint";
const writerKey = '["writer"]';

/**
 * @param options.database migrated.
 * @param options.codec knows rollcall.log.Writer.
 */
export function postgresLog(options: { readonly database: Database; readonly codec: Codec }): PostgresLog {
  return new TableLog(options.database, options.codec);
}

class TableLog implements PostgresLog {
  readonly description = "a log in PostgreSQL, for one machine";
  readonly #sql: Knex;
  readonly #codec: Codec;
  readonly #listener: AppendListener;

  constructor(database: Database, codec: Codec) {
    this.#sql = database.sql;
    this.#codec = codec;
    this.#listener = new AppendListener(database.url);
  }

  async createTopic(topic: string): Promise<TopicExtent> {
    await this.#sql.raw("insert into log_topics (name) values (?) on conflict (name) do nothing", [topic]);
    return (await this.extent(topic)) ?? this.createTopic(topic);
  }

  async extent(topic: string): Promise<TopicExtent | null> {
    const { rows } = await this.#sql.raw<Rows<ExtentRow>>(
      "select generation, start_offset, next_offset from log_topics where name = ?",
      [topic],
    );
    const [row] = rows;
    return row === undefined ? null : { generation: row.generation, start: row.start_offset, end: row.next_offset };
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#sql("log_topics").where({ name: topic }).delete();
  }

  async *scan({ topic, generation, from, to }: LogRange): AsyncGenerator<readonly StoredRecord[]> {
    assert(from <= to, "a range ends where it begins or later");
    await this.#checkRange({ topic, generation, from, to });
    let next = this.#page({ topic, generation, from, to });
    for (;;) {
      const page = await next;
      const last = page.at(-1)?.end_offset ?? null;
      const isLast = last === null || page.length < pageBlocks;
      // The next page is fetched while this one is decoded; if the reader leaves early, its failure is nobody's.
      if (!isLast) (next = this.#page({ topic, generation, from, to }, last)).catch(() => {});
      for (const { first_offset: first, appended_at: appendedAt, bytes } of page) {
        if (first === null) continue;
        const records = decodeBlock(bytes, { first, appendedAt }, { from, to });
        if (records.length > 0) yield records;
      }
      if (isLast) return;
    }
  }

  async #checkRange({ topic, generation, from, to }: LogRange): Promise<void> {
    const extent = await this.extent(topic);
    const details = { topic, from, to };
    if (extent === null || extent.generation !== generation) throw new AppError("log.generation", { details });
    if (from < extent.start) throw new AppError("log.range-expired", { details: { ...details, start: extent.start } });
    if (to > extent.end) throw new AppError("log.range-short", { details: { ...details, end: extent.end } });
  }

  /** Blocks of the range from the end of one already read; the head comes with them, so that each page is checked as it is read. */
  async #page({ topic, generation, from, to }: LogRange, after: number | null = null): Promise<readonly PageRow[]> {
    // As text: this driver decodes every column as UTF-8, so what it calls binary is broken. Hex costs little beside zstd.
    const { rows } = await this.#sql.raw<Rows<PageRow>>(
      `select t.generation, t.start_offset, b.first_offset, b.end_offset, b.appended_at, b.bytes
       from log_topics t
       left join lateral (
         select first_offset, end_offset, appended_at, bytes from log_batches
         where topic_id = t.id and first_offset < :to and first_offset >= case
           when cast(:after as bigint) is not null then cast(:after as bigint)
           else coalesce((select max(first_offset) from log_batches where topic_id = t.id and first_offset <= :from), 0) end
         order by first_offset limit :pageBlocks
       ) b on true
       where t.name = :topic and t.generation = :generation
       order by b.first_offset`,
      { topic, generation, from, to, after, pageBlocks },
    );
    const details = { topic, from, to };
    const [head] = rows;
    if (head === undefined) throw new AppError("log.generation", { details });
    const position = after ?? from;
    if (head.start_offset > position)
      throw new AppError("log.range-expired", { details: { ...details, start: head.start_offset } });
    return rows;
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#transact(async (sql) => {
      const buffered = new BufferedTransaction(sql);
      const result = await work(buffered);
      for (const [topic, records] of buffered.close()) await append(sql, topic, records);
      return result;
    });
  }

  async #transact<T>(work: (sql: Knex.Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.#sql.transaction(work);
    } catch (cause) {
      throw databaseFailure(cause);
    }
  }

  async openWriter(topic: string, lease: Lease): Promise<TopicWriter> {
    return this.#transact(async (sql) => {
      await checkLease(sql, lease).catch((cause: unknown) => {
        throw fenced(topic, lease, cause);
      });
      const { rows } = await sql.raw<
        Rows<{ readonly generation: string; readonly writer: number; readonly at: number }>
      >(`update log_topics set writer = writer + 1 where name = ? returning generation, writer, ${nowMs} as at`, [
        topic,
      ]);
      const [head] = rows;
      if (head === undefined) throw new AppError("log.unknown-topic", { details: { topic } });
      const { generation, writer, at } = head;
      const value = this.#codec.encoder("rollcall.log.Writer").encode({ generation, epoch: lease.epoch, at });
      const { from } = await append(sql, topic, [{ key: writerKey, value, headers: { generation } }]);
      return {
        generation,
        barrier: from,
        append: (records) => this.#appendAsWriter(records, { topic, generation, writer, lease }),
      };
    });
  }

  async #appendAsWriter(records: readonly NewRecord[], right: WriterRight): Promise<Appended> {
    return this.#transact((sql) => append(sql, right.topic, records, right));
  }

  async waitForAppend(topics: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#listener.wait(topics, timeoutMs, signal);
  }

  async deleteBefore(topic: string, offset: number): Promise<void> {
    await this.#transact(async (sql) => {
      const { rows } = await sql.raw<Rows<{ readonly id: number; readonly start_offset: number }>>(
        `update log_topics set start_offset = least(next_offset, greatest(start_offset, cast(:offset as bigint)))
         where name = :topic returning id, start_offset`,
        { topic, offset },
      );
      const [head] = rows;
      if (head === undefined) throw new AppError("log.unknown-topic", { details: { topic } });
      await sql.raw("delete from log_batches where topic_id = ? and end_offset <= ?", [head.id, head.start_offset]);
    });
  }

  async deleteOlder(topic: string, ageMs: number): Promise<void> {
    const { rows } = await this.#sql.raw<Rows<{ readonly before: number | null }>>(
      `select max(end_offset) as before from log_batches
       where topic_id = (select id from log_topics where name = ?) and appended_at <= ${nowMs} - ?`,
      [topic, ageMs],
    );
    const before = rows[0]?.before ?? null;
    if (before !== null) await this.deleteBefore(topic, before);
  }

  async close(): Promise<void> {
    await this.#listener.close();
  }
}

/** Keeps what is appended until the work is done, topic by topic. */
export class BufferedTransaction implements Transaction {
  readonly sql: Knex.Transaction;
  readonly #topics = new Map<string, NewRecord[]>();
  #isOpen = true;

  constructor(sql: Knex.Transaction) {
    this.sql = sql;
  }

  append(topic: string, records: readonly NewRecord[]): void {
    assert(this.#isOpen, "a transaction is appended to while its work runs");
    const buffered = this.#topics.get(topic) ?? [];
    for (const record of records) buffered.push(record);
    this.#topics.set(topic, buffered);
  }

  /** What was appended, topics in the order of their names: who locks in one order does not deadlock. */
  close(): readonly (readonly [string, readonly NewRecord[]])[] {
    this.#isOpen = false;
    return [...this.#topics].toSorted(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** What a writer must still have for its append to be accepted. */
type WriterRight = {
  readonly topic: string;
  readonly generation: string;
  readonly writer: number;
  readonly lease: Lease;
};

/** Appends in the caller's transaction, which from here on holds the topic's head. */
async function append(
  sql: Knex.Transaction,
  topic: string,
  records: readonly NewRecord[],
  right: WriterRight | null = null,
): Promise<Appended> {
  const blocks = encodeBlocks(records);
  let from: number | undefined;
  let to: number | undefined;
  // Also without blocks: an empty append tells a writer whether it is fenced.
  for (let i = 0; i === 0 || i < blocks.length; i += blocksPerInsert) {
    const part = await appendBlocks(sql, topic, blocks.slice(i, i + blocksPerInsert), right);
    from ??= part.from;
    to = part.to;
  }
  assert(from !== undefined && to === from + records.length, "the head stays locked between the parts of an append");
  return { from, to };
}

async function appendBlocks(
  sql: Knex.Transaction,
  topic: string,
  blocks: readonly Block[],
  right: WriterRight | null,
): Promise<Appended> {
  let records = 0;
  const values = blocks.map((block) => {
    const start = records;
    records += block.records;
    return [start, block.records, block.bytes];
  });
  const { rows } = await sql.raw<Rows<{ readonly first: number }>>(appendStatement(values.length, right !== null), [
    ...(right === null ? [] : rightBindings(right)),
    records,
    topic,
    ...(right === null ? [] : [right.generation, right.writer]),
    records,
    ...values.flat(),
    appendChannel,
    topic,
  ]);
  const [row] = rows;
  if (row !== undefined) return { from: row.first, to: row.first + records };
  throw right === null ? new AppError("log.unknown-topic", { details: { topic } }) : fenced(topic, right.lease);
}

function rightBindings({ lease }: WriterRight): readonly (string | number)[] {
  return [lease.name, lease.holder, lease.epoch];
}

/** One round trip: checks the right (the lease cannot change hands until commit), takes the offsets, writes, announces. */
function appendStatement(blocks: number, isWriter: boolean): string {
  const lease = `lease as (
    select 1 from leases where name = ? and holder = ? and epoch = ? and expires_at > clock_timestamp() for share), `;
  const check = "and generation = ? and writer = ? and exists (select 1 from lease)";
  const insert = `, written as (
    insert into log_batches (topic_id, first_offset, end_offset, records, appended_at, bytes)
    select head.id, head.first + b.start, head.first + b.start + b.records, b.records, ${nowMs}, b.bytes
    from head, (values ${Array.from({ length: blocks }, () => "(?::bigint, ?::integer, ?::bytea)").join(", ")}) as b (start, records, bytes))`;
  return `with ${isWriter ? lease : ""}head as (
    update log_topics set next_offset = next_offset + ? where name = ? ${isWriter ? check : ""}
    returning id, next_offset - ? as first)${blocks === 0 ? "" : insert}
    select first, pg_notify(?, ?)::text from head`;
}

function fenced(topic: string, lease: Lease, cause?: unknown): AppError {
  const details = { topic, lease: lease.name, epoch: lease.epoch };
  return new AppError("log.writer-fenced", cause === undefined ? { details } : { cause, details });
}
