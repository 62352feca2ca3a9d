// The rules of following a compacted topic, in one place: when a reader may go on from where it was, and when it must
// start over. They keep true that whoever follows them misses no delete: a null can be read for as long as the brokers
// keep it, and not a day longer.

import { AppError } from "../errors.ts";
import type { TopicExtent } from "../ports.ts";
import { districtTopics } from "../topics.ts";

const dayMs = 24 * 60 * 60 * 1000;
// The same for every compacted topic.
const { minLagMs, tombstoneMs } = districtTopics.roster.kept;

/** The longest time since a reader last knew itself at the end, after which it may still go on. */
export const longestAwayMs = minLagMs + tombstoneMs - dayMs;
/** How long a range holds all that was written into it; a day less than compaction leaves it alone. */
export const wholeForMs = minLagMs - dayMs;

/** A place in a log: the offset to be read next, and in which topic of the name. */
export type Place = { readonly generation: string; readonly next: number };

/** How far a reader is. It is stored with what was read up to it, in one transaction. */
export type Position = Place & {
  /** When the reader last knew itself at the end; while it starts over, when it began. Epoch milliseconds. */
  readonly atEnd: number;
  /** Counts the times it started over: what is applied belongs to the round of its position. */
  readonly round: number;
  /** While it starts over, the end that was taken first: what is not of this round by then is swept. Otherwise null. */
  readonly sweepAt: number | null;
};

/** new: nothing was read yet. generation: the topic was made again. outside: the log does not hold the place. away: for too long. */
export type StartOver = "new" | "generation" | "outside" | "away";

/** Why a reader must start over; null: it may go on. An unfinished start over goes on like anything else. */
export function startOverReason(
  position: Position | null,
  { generation, start, end }: TopicExtent,
  now: number,
): StartOver | null {
  if (position === null) return "new";
  if (position.generation !== generation) return "generation";
  if (position.next < start || Math.max(position.next, position.sweepAt ?? 0) > end) return "outside";
  return now - position.atEnd > longestAwayMs ? "away" : null;
}

/** A range that a changeset published, and when the log took the changeset in. */
export type PublishedRange = { readonly generation: string; readonly from: number; readonly appendedAt: number };

/**
 * Whether a changeset's range can be applied to what is held up to a place, so that the result is what the changeset
 * left. Otherwise (a gap, another topic, records that compaction may have taken) all is made again from the topic.
 */
export function continues({ generation, next }: Place, range: PublishedRange, now: number): boolean {
  return generation === range.generation && next === range.from && now - range.appendedAt < wholeForMs;
}

/**
 * Compaction alone never moves a topic's start: where it has moved, entities are gone that are still published, and a
 * fold would take them for never published.
 * @throws AppError `log.beginning-lost`.
 */
export function refuseLostBeginning(topic: string, { start }: TopicExtent): void {
  if (start === 0) return;
  const message = `the compacted topic ${topic} begins at offset ${start}: what stood before it was deleted`;
  throw new AppError("log.beginning-lost", { message, details: { topic, start } });
}

const goneCodes: ReadonlySet<string> = new Set(["log.range-expired", "log.generation"]);

/** Whether what was to be read is no longer there, so that the place must be judged anew. */
export function isRangeGone(thrown: unknown): boolean {
  return thrown instanceof AppError && goneCodes.has(thrown.code);
}
