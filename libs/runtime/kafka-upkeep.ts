// What the brokers do not do by themselves for the topics on Kafka.
// It keeps true that what was deleted also goes from a topic on which nothing is written any more: brokers never compact the
// segment that is written to, so once a week each compacted topic gets a record that readers skip, and that begins another.
// And that a topic whose settings others have changed is told, in the log and in the health answer.

import { randomUUID } from "node:crypto";

import type { Knex } from "knex";

import { holdLease, renewLease, takeLease, weekLease } from "../adapters/postgres/leases.ts";
import { type DistrictId, parseDistrictId } from "../domain/ids.ts";
import { AppError } from "../errors.ts";
import type { Lease } from "../ports.ts";
import { controlTopics, districtTopic, type TopicDescription } from "../topics.ts";
import type { Ports } from "./open.ts";

const weekMs = 7 * 24 * 60 * 60_000;
const turnMs = 60_000;
const writerLeaseMs = 15_000;
const writerKey = '["writer"]';

/** One round. What a broker keeps from being done is told, and done in a later round. */
export async function keepKafka(system: Ports, signal: AbortSignal): Promise<void> {
  await tellingFailure(system, () => system.lookAtTopics());
  for (const topic of await dueTopics(system)) {
    if (signal.aborted) return;
    await tellingFailure(system, () => oncePerWeek(system, topic));
  }
}

/** The services go on without any of this: a failure of it is no failure of theirs. */
async function tellingFailure({ logger }: Ports, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (err) {
    if (!(err instanceof AppError) || err.code.startsWith("database.")) throw err;
    logger.warn({ err, remedy: err.remedy }, "keeping the topics on Kafka failed, it is tried again in an hour");
  }
}

/** A compacted topic. `lease` is of who works on it, and of who would remove it; null: a shared topic. */
type Compacted = { readonly name: string; readonly lease: string | null; readonly isOutbox: boolean };

/** Compacted topics that had no record from here for a week. */
async function dueTopics({ sql }: Ports): Promise<readonly Compacted[]> {
  const known: readonly string[] = await sql("leases").whereRaw("expires_at > clock_timestamp()").pluck("name");
  const had = new Set(known);
  const ids: readonly string[] = await sql("districts").orderBy("id").pluck("id");
  const shared = Object.values(controlTopics).filter(({ kept }: TopicDescription) => kept.policy === "compact");
  const all: readonly Compacted[] = [
    ...shared.map(({ name }) => ({ name, lease: null, isOutbox: true })),
    ...ids.flatMap((id) => parseDistrictId(id) ?? []).flatMap(topicsOf),
  ];
  return all.filter(({ name }) => !had.has(weekLease(name)));
}

function topicsOf(id: DistrictId): readonly Compacted[] {
  const roster = districtTopic("roster", id);
  return [
    { name: roster, lease: roster, isOutbox: false },
    { name: districtTopic("registrations", id), lease: `registration.${id}`, isOutbox: true },
    { name: districtTopic("teacherRosters", id), lease: `rosters.${id}`, isOutbox: true },
  ];
}

/** The week is a lease: of several processes one writes, and the database knows when the next record is due. */
async function oncePerWeek(system: Ports, topic: Compacted): Promise<void> {
  const { sql } = system;
  const week = await takeLease(sql, { name: weekLease(topic.name), holder: randomUUID(), ttlMs: turnMs });
  if (week === null) return;
  let isWritten = false;
  try {
    isWritten = await alone(sql, topic, (lease) => write(system, topic, lease));
  } finally {
    if (isWritten) await renewLease(sql, week, weekMs);
    else await sql("leases").where(week).delete();
  }
}

/** @returns false where somebody works on the topic: then it is not silent. */
async function alone(
  sql: Knex,
  { lease: name }: Compacted,
  work: (lease: Lease | null) => Promise<boolean>,
): Promise<boolean> {
  if (name === null) return work(null);
  const held = await holdLease(sql, { name, holder: randomUUID(), ttlMs: writerLeaseMs });
  if (held === null) return false;
  try {
    return await work(held.lease);
  } finally {
    await held.release();
  }
}

/** @returns false where there is no topic, or nothing on it. */
async function write({ log, codec, clock }: Ports, topic: Compacted, lease: Lease | null): Promise<boolean> {
  const extent = await log.extent(topic.name);
  if (extent === null || extent.end === 0) return false;
  if (!topic.isOutbox && lease !== null) {
    // To open it is to write that record.
    await log.openWriter(topic.name, lease);
    return true;
  }
  const { generation } = extent;
  const epoch = lease?.epoch ?? 0;
  const value = codec.encoder("rollcall.log.Writer").encode({ generation, epoch, at: clock.now() });
  await log.transaction(async (tx) => {
    tx.append(topic.name, [{ key: writerKey, value }]);
    await Promise.resolve();
  });
  return true;
}
