// Reads a bounded range of a topic without a consumer group: fetch after fetch from the leader, the next one under way
// while this one is read.
// It keeps true that a range is read to its end or fails, whatever compaction took out of it, and that all of it comes
// from one topic: its id is asked for after each fetch and before anything of it is handed out.

import { setTimeout as sleep } from "node:timers/promises";
import { assert } from "../../domain/assert.ts";
import { AppError, isAppError } from "../../errors.ts";
import type { LogRange, StoredRecord } from "../../ports.ts";
import type { KafkaCluster } from "./cluster.ts";
import { decodeBatches } from "./record-batch.ts";
import { fetchFrom } from "./requests.ts";
import type { Fetched } from "./requests.ts";
import { failureOf } from "./shim.ts";

// Small ranges cost what they hold; long ones are read in fetches that a batch of ours always fits in.
const firstFetchBytes = 256 * 1024;
const fetchBytes = 1024 * 1024;
const fetchWaitMs = 250;
/**
 * How long the position may stand still, or the log end below the range. A leader that was just elected catches up, and
 * what it takes for a broker that died to be noticed and replaced must not be told as a loss.
 */
const longestStallMs = 45_000;
const stallPauseMs = 50;

/** A range, and the name of its topic on the brokers. */
export type KafkaRange = LogRange & {
  readonly name: string;
  /** How long the position may stand still before the range is told to be short. */
  readonly stallMs?: number;
};

/** @throws AppError `log.generation`, `log.range-expired`, `log.range-short`; never fewer records without an error. */
export async function* readRange(cluster: KafkaCluster, range: KafkaRange): AsyncGenerator<readonly StoredRecord[]> {
  assert(range.from <= range.to, "a range ends where it begins or later");
  let stalledSince: number | null = null;
  let position = range.from;
  let next = position < range.to ? fetched(cluster, range, { offset: position, maxBytes: firstFetchBytes }) : null;
  // Under way while the range is checked; its failure is told only if the check says nothing.
  next?.catch(() => {});
  await checkRange(cluster, range);
  while (next !== null) {
    const { highWatermark, set } = await next;
    const batches = [...decodeBatches(set, { from: position, to: range.to })];
    const before = position;
    position = batches.at(-1)?.next ?? position;
    assert(position >= before, "a fetch never leads back");
    const isDone = position >= range.to;
    if (position > before) stalledSince = null;
    else stalledSince = await stalled(range, { since: stalledSince, position, highWatermark });
    next = isDone ? null : fetched(cluster, range, { offset: position, maxBytes: fetchBytes });
    // If the reader leaves early, the failure of what is under way is nobody's.
    next?.catch(() => {});
    for (const { records } of batches) if (records.length > 0) yield records;
  }
}

async function checkRange(cluster: KafkaCluster, range: KafkaRange): Promise<void> {
  const { topic, name, generation, from, to, stallMs = longestStallMs } = range;
  const details = { topic, from, to };
  const [place, starts, ends] = await Promise.all([
    cluster.place(name),
    cluster.offsets([name], "start").catch(nothing),
    cluster.offsets([name], "end").catch(nothing),
  ]);
  if (place?.id !== generation) throw new AppError("log.generation", { details });
  const start = starts.get(name) ?? 0;
  if (from < start) throw new AppError("log.range-expired", { details: { ...details, start } });
  let end = ends.get(name) ?? 0;
  for (const since = performance.now(); to > end; await sleep(stallPauseMs)) {
    if (performance.now() - since > stallMs) throw new AppError("log.range-short", { details: { ...details, end } });
    end = (await cluster.offsets([name], "end")).get(name) ?? 0;
  }
}

/** No offsets, when the topic went between two questions. */
function nothing(thrown: unknown): ReadonlyMap<string, number> {
  if (isAppError(thrown)) return new Map();
  throw thrown;
}

type Place = { readonly offset: number; readonly maxBytes: number };

async function fetched(cluster: KafkaCluster, range: KafkaRange, { offset, maxBytes }: Place): Promise<Fetched> {
  const { topic, name, generation, from, to, stallMs = longestStallMs } = range;
  const details = { topic, from, to };
  for (const since = performance.now(); ; await sleep(stallPauseMs)) {
    const answer = await answered(cluster, name, { offset, maxBytes });
    const place = await cluster.place(name);
    if (place?.id !== generation) throw new AppError("log.generation", { details });
    if (typeof answer !== "string") return answer;
    const start = (await cluster.offsets([name], "start")).get(name) ?? 0;
    if (offset < start) throw new AppError("log.range-expired", { details: { ...details, start } });
    // The topic is there and the offset is not, or the leader does not know the topic yet.
    if (performance.now() - since > stallMs) throw new AppError("log.range-short", { details });
  }
}

/** What was fetched, or why there is nothing at that place. */
async function answered(
  cluster: KafkaCluster,
  name: string,
  { offset, maxBytes }: Place,
): Promise<Fetched | "topic" | "offset"> {
  try {
    return await cluster.toLeader(name, fetchFrom(name, { offset, maxBytes, maxWaitMs: fetchWaitMs }), isNowhere);
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === "log.unknown-topic") return "topic";
    if (!isNowhere(thrown)) throw thrown;
    return failureOf(thrown)?.type === "OFFSET_OUT_OF_RANGE" ? "offset" : "topic";
  }
}

/** Whether the broker says that the topic, or the offset in it, is not there. */
function isNowhere(thrown: unknown): boolean {
  const type = failureOf(thrown)?.type;
  return type === "OFFSET_OUT_OF_RANGE" || type === "UNKNOWN_TOPIC_OR_PARTITION";
}

type Stall = { readonly since: number | null; readonly position: number; readonly highWatermark: number };

/** @returns since when the position stands still. @throws AppError `log.range-short` when that is too long. */
async function stalled(range: KafkaRange, { since, position, highWatermark }: Stall): Promise<number> {
  const { topic, from, to, stallMs = longestStallMs } = range;
  const start = since ?? performance.now();
  if (performance.now() - start > stallMs)
    throw new AppError("log.range-short", { details: { topic, from, to, position, end: highWatermark } });
  await sleep(stallPauseMs);
  return start;
}
