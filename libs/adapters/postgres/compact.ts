// Compaction: what a compacted topic may forget, forgotten. Kafka does it by itself; the log in PostgreSQL does it here.
// It keeps true: of every key the last record stays, unless it is a null that is old enough; offsets, order and times of
// what stays do not change; what is younger than the lag is not touched, so for that long every change can be read.

import type { Knex } from "knex";
import { assert } from "../../domain/assert.ts";
import type { Fingerprint } from "../../domain/fingerprint.ts";
import { fingerprint } from "../../domain/fingerprint.ts";
import { grown, KeyTable, lengthFor } from "../../domain/key-table.ts";
import { AppError } from "../../errors.ts";
import type { StoredRecord } from "../../ports.ts";
import { decodeBlock, encodeKept } from "./batch.ts";
import type { Database } from "./database.ts";

/** Ages in milliseconds by the log's clock. A null goes when it is as old as both. */
export type CompactionAges = { readonly olderThanMs: number; readonly tombstonesOlderThanMs: number };

/** How many records there were in what was old enough, and how many of them went. */
export type Compacted = { readonly seen: number; readonly dropped: number };

type BlockRow = {
  readonly first_offset: number;
  readonly end_offset: number;
  readonly appended_at: number;
  readonly bytes: Buffer;
};
type HeadRow = { readonly id: number; readonly start: number; readonly end: number | null; readonly now: number };
type Stretch = { readonly topicId: number; readonly from: number; readonly to: number };

const blocksPerRead = 8;

/**
 * One pass over a topic. Readers and writers go on meanwhile; of two passes at once the second does nothing.
 * Memory: about 35 bytes per different key of what is old enough.
 * @throws AppError `log.unknown-topic`.
 */
export async function compact(database: Database, topic: string, ages: CompactionAges): Promise<Compacted> {
  const { sql } = database;
  return sql.transaction(async (turn) => {
    const head = await stretchOf(turn, topic, ages);
    if (head.end === null) return { seen: 0, dropped: 0 };
    const { rows } = await turn.raw<{ readonly rows: readonly { readonly got: boolean }[] }>(
      "select pg_try_advisory_xact_lock(7265014, hashtext(?)) as got",
      [topic],
    );
    if (rows[0]?.got !== true) return { seen: 0, dropped: 0 };
    const stretch = { topicId: head.id, from: head.start, to: head.end };
    const last = await lastOffsets(sql, stretch);
    const nullsBefore = head.now - ages.tombstonesOlderThanMs;
    const stays = (record: StoredRecord): boolean =>
      last.of(record.key) === record.offset && (record.value !== null || record.timestamp > nullsBefore);
    return rewrite(sql, stretch, stays);
  });
}

async function stretchOf(sql: Knex, topic: string, { olderThanMs }: CompactionAges): Promise<HeadRow> {
  const { rows } = await sql.raw<{ readonly rows: readonly HeadRow[] }>(
    `select t.id, t.start_offset as start, n.now,
       (select max(end_offset) from log_batches where topic_id = t.id and appended_at <= n.now - cast(:olderThanMs as bigint)) as end
     from log_topics t, (select (extract(epoch from clock_timestamp()) * 1000)::bigint as now) n where t.name = :topic`,
    { topic, olderThanMs },
  );
  const [head] = rows;
  if (head === undefined) throw new AppError("log.unknown-topic", { details: { topic } });
  return head;
}

async function* blocks(sql: Knex, { topicId, from, to }: Stretch): AsyncGenerator<BlockRow> {
  let after = -1;
  for (;;) {
    const { rows } = await sql.raw<{ readonly rows: readonly BlockRow[] }>(
      `select first_offset, end_offset, appended_at, bytes from log_batches
       where topic_id = :topicId and first_offset > :after and end_offset > :from and first_offset < :to
       order by first_offset limit :blocksPerRead`,
      { topicId, after, from, to, blocksPerRead },
    );
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.first_offset;
  }
}

function recordsOf(block: BlockRow): readonly StoredRecord[] {
  const place = { first: block.first_offset, appendedAt: block.appended_at };
  return decodeBlock(block.bytes, place, { from: block.first_offset, to: block.end_offset });
}

/** The last offset of every key, by the key's fingerprint: no object per key. */
class LastOffsets {
  readonly #keys = new KeyTable();
  readonly #fingerprint: Fingerprint = new Uint32Array(4);
  #offsets = new Float64Array(1024);

  set(key: Uint8Array, offset: number): void {
    fingerprint(key, 0, key.length, this.#fingerprint);
    const entry = this.#keys.insert(this.#fingerprint);
    const length = lengthFor(entry, this.#offsets.length);
    if (length !== this.#offsets.length) this.#offsets = grown(this.#offsets, length);
    this.#offsets[entry] = offset;
  }

  of(key: Uint8Array): number {
    fingerprint(key, 0, key.length, this.#fingerprint);
    const entry = this.#keys.find(this.#fingerprint);
    assert(entry !== -1, "a key of the stretch was seen");
    return this.#offsets[entry] ?? -1;
  }
}

async function lastOffsets(sql: Knex, stretch: Stretch): Promise<LastOffsets> {
  const last = new LastOffsets();
  for await (const block of blocks(sql, stretch)) {
    for (const record of recordsOf(block)) last.set(record.key, record.offset);
  }
  return last;
}

async function rewrite(sql: Knex, stretch: Stretch, stays: (record: StoredRecord) => boolean): Promise<Compacted> {
  let seen = 0;
  let dropped = 0;
  for await (const block of blocks(sql, stretch)) {
    const records = recordsOf(block);
    const kept = records.filter(stays);
    seen += records.length;
    dropped += records.length - kept.length;
    if (kept.length === records.length) continue;
    const place = { topic_id: stretch.topicId, first_offset: block.first_offset };
    if (kept.length === 0) await sql("log_batches").where(place).delete();
    else await sql("log_batches").where(place).update(shrunk(kept, block.first_offset));
  }
  return { seen, dropped };
}

/** The block with what is kept of it; its first and end offset stay, since a range may begin or end in the gap. */
function shrunk(kept: readonly StoredRecord[], first: number): { readonly records: number; readonly bytes: Buffer } {
  return encodeKept(
    kept.map((record) => ({ offset: record.offset, key: record.key, value: record.value, headers: record.headers() })),
    first,
  );
}
