// Where a consumer of the inbox stands on a topic, and what moves it beside the reading: a topic that was made again, a
// consumer that was away for longer than deletions can be seen, and a person who gives up on what cannot be read.
// It keeps true that a position is moved from where it was seen or not at all, and that none is moved in silence.

import type { Knex } from "knex";
import { AppError } from "../../errors.ts";
import type { TopicExtent } from "../../ports.ts";
import { allTopics } from "../../topics.ts";

export type PositionName = { readonly consumer: string; readonly topic: string };

export type Position = {
  readonly generation: string;
  readonly next_offset: number;
  /** How long ago the consumer last knew itself at the end, milliseconds; null: never yet. */
  readonly away_ms: number | null;
};

/** A move that a person asked for. */
export type Skipped = { readonly from: number; readonly to: number };

const dayMs = 24 * 60 * 60_000;
const startOverLock = 7_265_018;

/** An error of reading a topic, with who reads it: the reader knows the offsets alone. */
export function namingPosition(thrown: unknown, name: PositionName): unknown {
  if (!(thrown instanceof AppError) || thrown.retryable) return thrown;
  const { consumer, topic } = name;
  const { code, message, details } = thrown;
  return new AppError(code, { message, cause: thrown, details: { ...details, consumer, topic } });
}

export async function positionOf(sql: Knex, { consumer, topic }: PositionName): Promise<Position | null> {
  const { rows } = await sql.raw<{ readonly rows: readonly Position[] }>(
    `select generation, next_offset, (extract(epoch from clock_timestamp() - at_end_at) * 1000)::bigint as away_ms
     from inbox_positions where consumer = ? and topic = ?`,
    [consumer, topic],
  );
  return rows[0] ?? null;
}

/** The offset to read on from; of a topic that is new to the consumer, or was made again, its beginning. */
export async function readFrom(
  sql: Knex,
  { consumer, topic }: PositionName,
  { extent, before }: { readonly extent: TopicExtent; readonly before: Position | null },
): Promise<number> {
  if (before?.generation === extent.generation) return before.next_offset;
  // A new consumer begins with what there is; only a following one can miss something.
  const start = { consumer, topic, generation: extent.generation, next_offset: extent.start };
  if (before === null) await sql("inbox_positions").insert(start).onConflict(["consumer", "topic"]).ignore();
  else await sql("inbox_positions").where({ consumer, topic, generation: before.generation }).update(start);
  return extent.start;
}

/** Whether a null of a compacted topic may have come and gone since the consumer was last at its end. */
export function mayHaveMissedNulls(topic: string, away: number | null): boolean {
  const kept = allTopics.find(({ name }) => name === topic)?.kept;
  if (kept === undefined || kept.policy === "delete" || away === null) return false;
  return away > kept.minLagMs + kept.tombstoneMs - dayMs;
}

/**
 * Lets the consumer begin the topic again, alone, while the work runs: all that it did is forgotten first, so that it
 * does everything once more in its order.
 * @returns null when another process is at it, or has done it already.
 */
export async function startingOver<T>(
  sql: Knex,
  name: PositionName,
  { extent, work }: { readonly extent: TopicExtent; readonly work: () => Promise<T> },
): Promise<T | null> {
  const { consumer, topic } = name;
  const { generation } = extent;
  return sql.transaction(async (turn) => {
    const { rows } = await turn.raw<{ readonly rows: readonly { readonly mine: boolean }[] }>(
      "select pg_try_advisory_xact_lock(?, hashtext(?)) as mine",
      [startOverLock, `${consumer} ${topic}`],
    );
    const now = await positionOf(turn, name);
    if (rows[0]?.mine !== true || !mayHaveMissedNulls(topic, now?.away_ms ?? null)) return null;
    await sql.transaction(async (trx) => {
      await trx("inbox_positions").where({ consumer, topic, generation }).update({ next_offset: extent.start });
      await trx("work").where({ consumer, topic, state: "done" }).delete();
    });
    return work();
  });
}

/**
 * Moves the consumer to an offset of the topic as it is now, because a person gives up on what lies between.
 * @throws AppError `usage` when the topic does not reach there, or nobody of that name reads it.
 */
export async function skipTo(
  sql: Knex,
  name: PositionName,
  { extent, to }: { readonly extent: TopicExtent; readonly to: number },
): Promise<Skipped> {
  const { consumer, topic } = name;
  const { generation, start, end } = extent;
  if (to < start || to > end)
    throw new AppError("usage", { message: `${topic} reaches from ${start} to ${end}: there is no ${to}` });
  const before = await positionOf(sql, name);
  if (before === null) throw new AppError("usage", { message: `nobody called ${consumer} reads ${topic}` });
  const from = before.next_offset;
  await sql.transaction(async (trx) => {
    const moved = await trx("inbox_positions")
      .where({ consumer, topic, generation: before.generation, next_offset: from })
      .update({ generation, next_offset: to });
    if (moved === 0) throw new AppError("usage", { message: `${consumer} has read on meanwhile: it is not stuck` });
    // Of a log that lost records: other records have their offsets now, and must not be taken for what was read before.
    if (from > end)
      await trx("work")
        .where({ consumer, topic, generation })
        .where("offset", ">=", to)
        .update({ offset: trx.raw("-1 - id") });
  });
  return { from, to };
}
