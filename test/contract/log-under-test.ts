// What the contract suite of the log works with: two logs over one store, as two processes would have, and short ways to
// write, read and take leases.

import { randomUUID } from "node:crypto";
import type { Database } from "../../libs/adapters/postgres/database.ts";
import { takeLease } from "../../libs/adapters/postgres/leases.ts";
import type { Codec } from "../../libs/adapters/registry/codec.ts";
import { isAppError } from "../../libs/errors.ts";
import type { ErrorCode } from "../../libs/errors.ts";
import type { EventLog, Lease, LogRange, NewRecord, StoredRecord } from "../../libs/ports.ts";
import type { Teardown } from "../support/teardown.ts";

/** Two logs over one store, the database of leases and work, and the codec that reads what they write. */
export type LogUnderTest = {
  readonly log: EventLog;
  readonly other: EventLog;
  readonly database: Database;
  readonly codec: Codec;
  /** Makes the topic forget what lies before the offset, as retention does. */
  readonly expire: (topic: string, before: number) => Promise<void>;
  /** Compacts what stands in the topic now; a null is old enough at once. The log may append records of its own to it. */
  readonly compact?: (topic: string) => Promise<void>;
  /**
   * A transaction of more than one batch of this log may be seen in part for a moment. It is whole in the end, and
   * nothing else comes between its parts.
   */
  readonly showsParts?: true;
  /** What a process of its own needs beside the database's URL to open this log. */
  readonly environment?: Readonly<Record<string, string>>;
};

export type MakeLog = (t: Teardown) => Promise<LogUnderTest>;

const leaseMs = 60_000;
/** The topic of most tests, and the name of its lease. */
export const topic = "roster.springfield";

/** Every record of a topic, or of the range that is given. */
export async function readAll(
  log: EventLog,
  name: string,
  range: Partial<LogRange> = {},
): Promise<readonly StoredRecord[]> {
  const extent = await log.extent(name);
  if (extent === null) throw new Error(`there is no topic ${name}`);
  const records: StoredRecord[] = [];
  const whole = { topic: name, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of log.scan({ ...whole, ...range })) records.push(...batch);
  return records;
}

/** The code of the AppError with which a promise fails. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "resolved"> {
  try {
    await promise;
    return "resolved";
  } catch (thrown) {
    if (isAppError(thrown)) return thrown.code;
    throw thrown;
  }
}

/** The lease of a topic under a holder of its own. */
export async function leaseOf(database: Database, ttlMs = leaseMs): Promise<Lease> {
  const lease = await takeLease(database.sql, { name: topic, holder: randomUUID(), ttlMs });
  if (lease === null) throw new Error("the lease is held by someone else");
  return lease;
}

/** Makes whoever holds the lease lose it, as time would. */
export async function lapse(database: Database): Promise<void> {
  await database.sql("leases").where({ name: topic }).update({ expires_at: "-infinity" });
}

// Headers that a log adds by itself: the number that tells a repeat, and the generation of the topic.
const logHeaders: ReadonlySet<string> = new Set(["outbox", "generation"]);

/** The headers with which a record was written. */
export function headersOf(record: StoredRecord): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(record.headers()).filter(([name]) => !logHeaders.has(name)));
}

export function keysOf(records: readonly StoredRecord[]): readonly string[] {
  return records.map((record) => Buffer.from(record.key).toString("utf8"));
}

export function record(key: string, value: string | null = key): NewRecord {
  return { key, value: value === null ? null : Buffer.from(value) };
}

/** Records whose keys count from 0. */
export function numbered(count: number, prefix = ""): readonly NewRecord[] {
  return Array.from({ length: count }, (_, i) => record(`${prefix}${i}`));
}
