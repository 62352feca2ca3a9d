// The settings of every topic on Kafka, whole: the old call that changes settings resets whatever it is not told.
// It keeps true that libs/topics.ts alone says how a topic is kept, and that record times are the brokers'.

import { largestRecord } from "./record-batch.ts";
import { allTopics } from "../../topics.ts";
import type { TopicDescription } from "../../topics.ts";

/** With it the limit of a batch is what brokers have by default. */
const batchRoom = 48_588;

/** Programs of ours, by the names under which libs/topics.ts lists writers. */
const ourWriters: ReadonlySet<string> = new Set([
  "ingest-sftp",
  "ingest-api",
  "diff",
  "rosters",
  "registration",
  "ops",
]);

/** The description of a topic by its name; null for one that is not the system's. */
export function describedTopic(topic: string): TopicDescription | null {
  const matches = (name: string): boolean => {
    const [kind = "", district] = name.split("<district>");
    return district === undefined ? name === topic : topic.startsWith(kind) && topic.length > kind.length;
  };
  return allTopics.find((each) => each.name === topic) ?? allTopics.find((each) => matches(each.name)) ?? null;
}

/** Whether others than our programs may write to the topic; so also for one that we do not know. */
export function hasForeignWriters(topic: string): boolean {
  return describedTopic(topic)?.writers.some((writer) => !ourWriters.has(writer)) ?? true;
}

/**
 * All settings of a topic, by its name without a prefix.
 * @param options.replicas copies of each record; one may be down while writing goes on.
 */
export function topicSettings(
  topic: string,
  { replicas = 1 }: { readonly replicas?: number } = {},
): Readonly<Record<string, string>> {
  const always = {
    "message.timestamp.type": "LogAppendTime",
    "min.insync.replicas": String(Math.max(1, replicas - 1)),
    // A batch of one record of the largest size, whatever the brokers' own limit is.
    "max.message.bytes": String(largestRecord + batchRoom),
    // Other producers may compress in ways that we do not read; then the brokers convert. Those before 4.0 refuse to hand
    // out a topic of zstd to the version of requests in which we ask.
    ...(hasForeignWriters(topic) ? { "compression.type": "gzip" } : {}),
  };
  const kept = describedTopic(topic)?.kept;
  // By age alone: brokers may have a limit on bytes as their default.
  const byAge = { "cleanup.policy": "delete", "retention.bytes": "-1" };
  if (kept === undefined) return { ...always, ...byAge };
  if (kept.policy === "delete") return { ...always, ...byAge, "retention.ms": String(kept.retentionMs) };
  return {
    ...always,
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": String(kept.minLagMs),
    "max.compaction.lag.ms": String(kept.maxLagMs),
    "delete.retention.ms": String(kept.tombstoneMs),
  };
}
