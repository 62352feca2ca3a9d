// The inbox: control records become rows of work, and the rows are worked off one district at a time.
// It keeps true: a record becomes work exactly once, however often it is pumped and wherever that breaks off, because
// rows and position move in one transaction by compare-and-set, and a sender's repeat is known by its number; what cannot
// be followed any more (records that are gone on either side of the position) is an error, never taken for nothing new; a
// district's work is done in the order of its arrival, and one that stopped keeps the later ones waiting.
//
//   (record) --pump--> waiting --finish--> done
//                      waiting --stop--> stopped --resume--> waiting

import type { Knex } from "knex";
import { assert } from "../../domain/assert.ts";
import { AppError } from "../../errors.ts";
import { isKeyedByDistrict } from "../../topics.ts";
import type { EventLog, StoredRecord, TopicExtent } from "../../ports.ts";
import { databaseFailure } from "./database.ts";
import { mayHaveMissedNulls, namingPosition, positionOf, readFrom, skipTo, startingOver } from "./inbox-positions.ts";
import type { PositionName, Skipped } from "./inbox-positions.ts";

/** A control record as work. `value` and `key` are its bytes; `attempts` counts this one. */
export type WorkItem = {
  readonly id: number;
  readonly consumer: string;
  readonly topic: string;
  readonly district: string;
  readonly generation: string;
  readonly offset: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  readonly headers: Readonly<Record<string, string>>;
  /** When the log appended it, epoch milliseconds. */
  readonly appendedAt: number;
  readonly attempts: number;
};

/** Work that waits for a person. Without a district: the record's key could not be read. */
export type StoppedWork = {
  readonly id: number;
  readonly topic: string;
  readonly district: string | null;
  readonly offset: number;
  readonly reason: string;
  readonly attempts: number;
};

/** What a pump did. */
export type Pumped = {
  readonly copied: number;
  /** Topics that were made again since the last time, or of which nulls may have been missed: read from their beginning. */
  readonly restarted: readonly string[];
};

export type Inbox = {
  /**
   * Copies what is new on the consumer's topics. Topics that do not exist yet are skipped.
   * Several may pump at once: each record is copied by one of them.
   * A consumer that was away from a compacted topic for longer than its nulls are kept starts over; `held` says which
   * things it has a state of, by the first text of their keys: those that the topic no longer has become work with a null.
   * @throws AppError `inbox.gap` when records between the position and the topic's start are no longer kept,
   * `inbox.ahead` when the topic ends before the position. The other topics are read all the same.
   */
  pump(options: {
    readonly consumer: string;
    readonly topics: readonly string[];
    readonly held?: () => Promise<readonly string[]>;
  }): Promise<Pumped>;
  /** Moves a consumer that is stuck on a topic. @throws AppError `usage` for what is not there, `log.unknown-topic`. */
  skip(options: PositionName & { readonly to: number | "start" | "end" }): Promise<Skipped>;
  /** Districts whose next work is waiting, the one that waits longest first. */
  waitingDistricts(consumer: string): Promise<readonly string[]>;
  /** The district's next work, counted as an attempt; null when there is none or it is stopped. Call it under a lease. */
  nextWork(consumer: string, district: string): Promise<WorkItem | null>;
  /** The district's next work, in its order, up to the first that is stopped; at most so many. Call it under a lease. */
  nextWorks(consumer: string, district: string, limit: number): Promise<readonly WorkItem[]>;
  /**
   * Marks work done within the transaction of its effects.
   * @throws AppError `work.not-waiting` when it is done already: the effects were applied before.
   */
  finish(sql: Knex.Transaction, id: number): Promise<void>;
  /** Stops waiting work with a reason, which holds no person's data. @throws AppError `work.not-waiting`. */
  stop(id: number, reason: string): Promise<void>;
  /** Lets stopped work wait again. @throws AppError `work.not-waiting` when it is not stopped. */
  resume(id: number): Promise<void>;
  stopped(consumer: string): Promise<readonly StoppedWork[]>;
  /** Forgets work that was done longer ago than the age. */
  prune(ageMs: number): Promise<number>;
};

type StoppedRow = StoppedWork & { readonly consumer: string; readonly state: string };
type WorkRow = {
  readonly id: number;
  readonly consumer: string;
  readonly topic: string;
  readonly district: string;
  readonly generation: string;
  readonly offset: number;
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly appended_at: Date;
  readonly attempts: number;
};

const recordsPerInsert = 500;
const unreadableKey = "the record's key names no district";

/**
 * @param options.log where the control topics are.
 * @param options.sql where the work is.
 * @param options.tell hears of each topic that a consumer reads again from its beginning.
 */
export function openInbox(options: {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly tell?: (restarted: AppError) => void;
}): Inbox {
  const { log, sql, tell } = options;
  return {
    pump: async ({ consumer, topics, held = () => Promise.resolve([]) }) => {
      let copied = 0;
      const restarted: string[] = [];
      const failures: unknown[] = [];
      for (const topic of topics) {
        try {
          const done = await pumpTopic({ log, sql, consumer, topic, held });
          copied += done.copied;
          if (done.isRestarted) restarted.push(topic);
        } catch (thrown) {
          failures.push(namingPosition(thrown, { consumer, topic }));
        }
      }
      for (const topic of restarted) tell?.(new AppError("inbox.restarted", { details: { consumer, topic } }));
      if (failures.length > 0) throw failures[0];
      return { copied, restarted };
    },
    skip: async ({ consumer, topic, to }) => {
      const extent = await log.extent(topic);
      if (extent === null) throw new AppError("log.unknown-topic", { details: { topic } });
      return skipTo(sql, { consumer, topic }, { extent, to: typeof to === "number" ? to : extent[to] });
    },
    waitingDistricts: (consumer) => waitingDistricts(sql, consumer),
    nextWork: async (consumer, district) => (await nextWorks(sql, { consumer, district, limit: 1 }))[0] ?? null,
    nextWorks: (consumer, district, limit) => nextWorks(sql, { consumer, district, limit }),
    finish: (trx, id) =>
      move(trx, { id, from: "waiting", changes: { state: "done", reason: null, finished_at: trx.fn.now() } }),
    stop: (id, reason) => move(sql, { id, from: "waiting", changes: { state: "stopped", reason } }),
    resume: (id) => move(sql, { id, from: "stopped", changes: { state: "waiting", reason: null } }),
    stopped: (consumer) =>
      sql<StoppedRow>("work")
        .where({ consumer, state: "stopped" })
        .orderBy("id")
        .select("id", "topic", "district", "offset", "reason", "attempts"),
    prune: (ageMs) =>
      sql("work")
        .where({ state: "done" })
        .whereRaw("finished_at < clock_timestamp() - ? * interval '1 millisecond'", [ageMs])
        .delete(),
  };
}

type Following = PositionName & {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly held: () => Promise<readonly string[]>;
};
type PumpedTopic = { readonly copied: number; readonly isRestarted: boolean };

async function pumpTopic(following: Following): Promise<PumpedTopic> {
  const { log, sql, consumer, topic } = following;
  const extent = await log.extent(topic);
  if (extent === null) return { copied: 0, isRestarted: false };
  const before = await positionOf(sql, following);
  const isRestarted = before !== null && before.generation !== extent.generation;
  if (!isRestarted && mayHaveMissedNulls(topic, before?.away_ms ?? null)) return startOver(following, extent);
  const from = await readFrom(sql, following, { extent, before });
  if (from < extent.start) {
    throw new AppError("inbox.gap", { details: { consumer, topic, from, start: extent.start } });
  }
  if (from > extent.end) {
    // Someone else has read on since the extent was asked for; if not, the log has lost what was read.
    const now = await log.extent(topic);
    if (now?.generation === extent.generation && from > now.end)
      throw new AppError("inbox.ahead", { details: { consumer, topic, from, end: now.end } });
    return { copied: 0, isRestarted };
  }
  const { copied, isWhole } = await copyRange(following, { from, extent });
  if (isWhole) await arrive(sql, following, extent);
  return { copied, isRestarted };
}

/** Says that the consumer is at the end. @returns false when it is somewhere else by now. */
async function arrive(sql: Knex, { consumer, topic }: PositionName, extent: TopicExtent): Promise<boolean> {
  const { generation, end } = extent;
  const moved: number = await sql("inbox_positions")
    .where({ consumer, topic, generation, next_offset: end })
    .update({ at_end_at: sql.fn.now() });
  return moved > 0;
}

type Range = {
  readonly from: number;
  readonly extent: TopicExtent;
  readonly see?: (record: StoredRecord) => void;
};

/** Copies to the end of the extent. `isWhole` is false when somebody else moved the position: the rest is theirs. */
async function copyRange(
  following: Following,
  { from, extent, see }: Range,
): Promise<{ readonly copied: number; readonly isWhole: boolean }> {
  const { log, sql, consumer, topic } = following;
  const { generation, end } = extent;
  let expected = from;
  let copied = 0;
  for await (const records of log.scan({ topic, generation, from, to: end })) {
    const last = records.at(-1);
    if (last === undefined) continue;
    if (see !== undefined) for (const record of records) see(record);
    const added = await copy(following, { records, generation, expected, next: last.offset + 1 });
    if (added === null) return { copied, isWhole: false };
    copied += added;
    expected = last.offset + 1;
  }
  const moved: number = await sql("inbox_positions")
    .where({ consumer, topic, generation, next_offset: expected })
    .update({ next_offset: end });
  return { copied, isWhole: moved > 0 };
}

/** Everything again, and a null for each thing of which the consumer has a state and the topic nothing. */
async function startOver(following: Following, extent: TopicExtent): Promise<PumpedTopic> {
  const { sql, consumer, topic } = following;
  const { generation, start } = extent;
  const work = async (): Promise<PumpedTopic> => {
    const held = new Set(await following.held());
    const see = ({ key, value }: StoredRecord): void => {
      const [name] = keyParts(key) ?? [];
      if (name !== undefined && value !== null) held.delete(name);
    };
    const { copied, isWhole } = await copyRange(following, { from: start, extent, see });
    await sql.transaction(async (trx) => {
      if (!isWhole || !(await arrive(trx, following, extent))) return;
      // Before all that has one, so that each has an offset of its own.
      const first: number =
        (await trx("work").where({ consumer, topic, generation }).min("offset as at").first())?.at ?? 0;
      const swept = [...held].map((district, index) =>
        nullWork({ consumer, topic, generation, district }, Math.min(0, first) - 1 - index),
      );
      for (let i = 0; i < swept.length; i += recordsPerInsert)
        await trx("work").insert(swept.slice(i, i + recordsPerInsert));
    });
    return { copied: copied + held.size, isRestarted: true };
  };
  return (await startingOver(sql, following, { extent, work })) ?? { copied: 0, isRestarted: false };
}

function nullWork(origin: Origin, offset: number): NewWork {
  const key = Buffer.from(JSON.stringify([origin.district]));
  return { ...origin, key, value: null, offset, headers: "{}", appended_at: new Date(), state: "waiting" };
}

type Copied = {
  readonly records: readonly StoredRecord[];
  readonly generation: string;
  /** Where the position must still be. */
  readonly expected: number;
  readonly next: number;
};

/** Copies records and moves the position in one transaction. @returns null when the position is not where it was. */
async function copy(
  { sql, consumer, topic }: Following,
  { records, generation, expected, next }: Copied,
): Promise<number | null> {
  const rows = records.flatMap((record) => {
    const parts = keyParts(record.key);
    if (parts?.[0] === "writer" && parts.length === 1) return [];
    return [workRow(record, { consumer, topic, generation, district: parts?.[0] ?? null })];
  });
  try {
    return await sql.transaction(async (trx) => {
      const moved = await trx("inbox_positions")
        .where({ consumer, topic, generation, next_offset: expected })
        .update({ next_offset: next });
      if (moved === 0) return null;
      let copied = 0;
      const kept = isKeyedByDistrict(topic) ? await withoutStones(trx, rows) : rows;
      for (let i = 0; i < kept.length; i += recordsPerInsert) {
        const part = kept.slice(i, i + recordsPerInsert);
        const inserted: readonly unknown[] = await trx("work")
          .insert(part)
          // A sender's repeat, or what is read again after the position was moved back.
          .onConflict()
          .ignore()
          .returning("id");
        copied += inserted.length;
      }
      return copied;
    });
  } catch (cause) {
    throw databaseFailure(cause);
  }
}

type Origin = {
  readonly consumer: string;
  readonly topic: string;
  readonly generation: string;
  readonly district: string | null;
};

/**
 * What comes for a district that has left is dropped here, so that no service meets it. A stone that is being made is
 * waited for (`lock table` in removal.ts): what was copied before it is deleted after it.
 */
async function withoutStones(trx: Knex.Transaction, rows: readonly NewWork[]): Promise<readonly NewWork[]> {
  const districts = [...new Set(rows.flatMap(({ district }) => district ?? []))];
  const stones = new Set<string | null>(await trx("stones").whereIn("id", districts).pluck<string[]>("id"));
  return stones.size === 0 ? rows : rows.filter(({ district }) => !stones.has(district));
}

/** A row of `work` to be. */
type NewWork = { readonly district: string | null; readonly [column: string]: unknown };

function workRow(record: StoredRecord, { consumer, topic, generation, district }: Origin): NewWork {
  return {
    consumer,
    topic,
    district,
    generation,
    offset: record.offset,
    key: Buffer.from(record.key),
    value: record.value === null ? null : Buffer.from(record.value),
    headers: JSON.stringify(record.headers()),
    outbox_seq: outboxSeq(record),
    appended_at: new Date(record.timestamp),
    // A key without a district can be ordered after nothing: it must be seen, not skipped.
    state: district === null ? "stopped" : "waiting",
    reason: district === null ? unreadableKey : null,
  };
}

/** The number by which a sender's repeat is known; null when the record was not sent from an outbox of ours. */
function outboxSeq(record: StoredRecord): number | null {
  const number = Number(record.header("outbox") ?? "none");
  return Number.isSafeInteger(number) ? number : null;
}

/** The texts of a key, which is a JSON array of them; null when it is something else. The first one is the district. */
function keyParts(key: Uint8Array): readonly string[] | null {
  try {
    const parts: unknown = JSON.parse(Buffer.from(key).toString("utf8"));
    if (!Array.isArray(parts) || parts.length === 0) return null;
    const texts = parts.filter((part) => typeof part === "string");
    // PostgreSQL's text does not take U+0000: such a record would keep all later ones from being copied.
    return texts.length === parts.length && !texts.some((text) => text.includes("\0")) ? texts : null;
  } catch {
    return null;
  }
}

async function waitingDistricts(sql: Knex, consumer: string): Promise<readonly string[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly { readonly district: string }[] }>(
    `select district from (
       select distinct on (district) district, id, state from work
       where consumer = ? and state <> 'done' and district is not null
       order by district, id
     ) first where state = 'waiting' order by id`,
    [consumer],
  );
  return rows.map((row) => row.district);
}

async function nextWorks(
  sql: Knex,
  about: { readonly consumer: string; readonly district: string; readonly limit: number },
): Promise<readonly WorkItem[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly WorkRow[] }>(
    `with next as (
       select id, state from work where consumer = :consumer and district = :district and state <> 'done'
       order by id limit :limit
     ), taken as (
       update work set attempts = attempts + 1
       where id in (select id from next) and state = 'waiting'
         and id < all (select id from next where state = 'stopped')
       returning id, consumer, topic, district, generation, "offset", key, value, headers, appended_at, attempts
     ) select * from taken order by id`,
    about,
  );
  return rows.map(({ appended_at: appendedAt, ...rest }) => ({ ...rest, appendedAt: appendedAt.getTime() }));
}

type Move = { readonly id: number; readonly from: "waiting" | "stopped"; readonly changes: object };

async function move(sql: Knex, { id, from, changes }: Move): Promise<void> {
  const moved: unknown = await sql("work").where({ id, state: from }).update(changes);
  assert(typeof moved === "number", "an update counts its rows");
  if (moved === 0) throw new AppError("work.not-waiting", { details: { work: id } });
}
