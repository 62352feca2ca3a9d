// Keeps the log in PostgreSQL as libs/topics.ts says: old records of control and transport topics go, compacted topics
// are compacted. On Kafka the brokers do this, but for what kafka-upkeep.ts does. On either, finished work, what
// happened on the SFTP server, and old files of landing are forgotten.

import { setTimeout as sleep } from "node:timers/promises";

import { compact } from "../adapters/postgres/compact.ts";
import type { Database } from "../adapters/postgres/database.ts";
import { forgetDropHistory } from "../adapters/postgres/drop-retention.ts";
import type { PostgresLog } from "../adapters/postgres/log.ts";
import { parseDistrictId } from "../domain/ids.ts";
import { controlTopics, districtTopic, districtTopicKinds, districtTopics, type TopicDescription } from "../topics.ts";
import { keepKafka } from "./kafka-upkeep.ts";
import { keepLandingSmall } from "./landing-retention.ts";
import type { Ports } from "./open.ts";

const firstMs = 60_000;
const everyMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;
const doneWorkMs = 30 * dayMs;
const dropHistoryMs = 90 * dayMs;

/** Once soon, then every hour, until the signal is aborted. */
export async function keepHouse(system: Ports, signal: AbortSignal): Promise<void> {
  for (let pauseMs = firstMs; await slept(pauseMs, signal); pauseMs = everyMs) await tidyUp(system, signal);
}

/** @returns false when the signal was aborted meanwhile. */
async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
  return !signal.aborted;
}

/** One round over all topics. */
export async function tidyUp(system: Ports, signal: AbortSignal): Promise<void> {
  const { postgresLog } = system;
  if (postgresLog === null) await keepKafka(system, signal);
  else await keepLog({ log: postgresLog, database: system.database, signal });
  await system.inbox.prune(doneWorkMs);
  await forgetDropHistory(system.sql, dropHistoryMs);
  await keepLandingSmall(system, signal);
}

type Kept = { readonly log: PostgresLog; readonly database: Database };

async function keepLog({ signal, ...kept }: Kept & { readonly signal: AbortSignal }): Promise<void> {
  const rows: readonly { readonly id: string }[] = await kept.database.sql("districts").select("id");
  for (const topic of Object.values(controlTopics)) await keep(kept, topic.name, topic);
  for (const district of rows.flatMap(({ id }) => parseDistrictId(id) ?? [])) {
    if (signal.aborted) return;
    for (const kind of districtTopicKinds) await keep(kept, districtTopic(kind, district), districtTopics[kind]);
  }
}

async function keep({ log, database }: Kept, topic: string, { kept }: TopicDescription): Promise<void> {
  if ((await log.extent(topic)) === null) return;
  if (kept.policy === "delete") await log.deleteOlder(topic, kept.retentionMs);
  else await compact(database, topic, { olderThanMs: kept.minLagMs, tombstonesOlderThanMs: kept.tombstoneMs });
}
