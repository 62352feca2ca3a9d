// Reads the sets that were taken, of one source, in their order, each to its end.
// It keeps true that a set becomes one delivery at most, however often reading it begins again; that one which cannot be
// read keeps no later one waiting; and that one is skipped only for a newer one that says all that it does, in bulk.

import { join } from "node:path";

import { type DropSet, endSet, setFolder, takenSets } from "../../libs/adapters/drops/sets.ts";
import { readManifest } from "../../libs/adapters/drops/facts.ts";
import { openSet } from "../../libs/adapters/oneroster/set-reader.ts";
import type { Source } from "../../libs/adapters/postgres/sources.ts";
import { nextMoment } from "../../libs/adapters/schedule.ts";
import { replaces, type TakenSet } from "../../libs/domain/drop.ts";
import { isAppError } from "../../libs/errors.ts";
import {
  type DeliveryRow,
  findDelivery,
  type IngestContext,
  readHanded,
  receiveDropped,
  refuseUnread,
} from "../../libs/ingest/deliver.ts";
import { failureOf, type Failures } from "./failures.ts";

export type DropWork = IngestContext & {
  readonly failures: Failures;
  /** The folder of all drops. */
  readonly root: string;
};

/** Whether a taken set may be read now, or has to wait for the source's window (A048). */
export function isDue({ settings }: Source, set: Pick<DropSet, "complete_at">, at: WindowTime): boolean {
  if (settings.window === null) return true;
  const opens = nextMoment({ pattern: settings.window, timeZone: at.timeZone }, set.complete_at.getTime());
  return opens !== null && opens <= at.now;
}

export type WindowTime = { readonly timeZone: string; readonly now: number };

export type Reading = {
  readonly source: Source;
  readonly timeZone: string;
  readonly signal: AbortSignal;
  /** After each set that came to its end. */
  readonly ended: () => Promise<void>;
};

/** Reads what is due. Call it under the lease of the source's drops. */
export async function readSets(work: DropWork, reading: Reading): Promise<void> {
  const { source, signal } = reading;
  while (!signal.aborted && !work.failures.isPaused(nameOf(source))) {
    const at = { timeZone: reading.timeZone, now: work.clock.now() };
    const [set, ...newer] = (await takenSets(work.sql, source)).filter((each) => isDue(source, each, at));
    if (set === undefined) return;
    const other = set.delivery === null ? await replacement(work, source, { set, newer }) : null;
    if (other === null) await readSet(work, reading, set);
    else await end(work, source, { set, state: "refused", reason: skipped(other) });
    await reading.ended();
  }
}

/** Under which failures of the source are known. */
export function nameOf({ district, id }: Source): string {
  return `drops ${district} ${id}`;
}

function skipped({ complete_at: at }: DropSet): string {
  return `a newer set, complete since ${at.toISOString()}, has all of its files and was read in its place`;
}

/** The newest set that makes another one needless, or null. */
async function replacement(
  work: DropWork,
  source: Source,
  { set, newer }: { readonly set: DropSet; readonly newer: readonly DropSet[] },
): Promise<DropSet | null> {
  if (newer.length === 0) return null;
  const older = await contentsOf(work, source, set);
  for (const candidate of newer.toReversed()) {
    const contents = older === null ? null : await contentsOf(work, source, candidate);
    if (older !== null && contents !== null && replaces(contents, older)) return candidate;
  }
  return null;
}

/** null when it cannot be read. */
async function contentsOf(work: DropWork, source: Source, set: DropSet): Promise<TakenSet | null> {
  try {
    const opened = await openSet(pathOf(work, source, set));
    try {
      const entry = opened.entries.find(({ name }) => name === "manifest.csv");
      const manifest = entry === undefined ? null : await readManifest(await entry.open(), entry.bytes);
      return { manifest, names: new Set(opened.entries.map(({ name }) => name.slice(0, -".csv".length))) };
    } finally {
      opened.close();
    }
  } catch (error) {
    if (isAppError(error, "set.unreadable")) return null;
    throw error;
  }
}

/** A zip is a set by itself. */
function pathOf({ root }: DropWork, source: Source, { id, files }: DropSet): string {
  const folder = setFolder(root, source, id);
  const [only] = files;
  return files.length === 1 && only !== undefined && only.name.toLowerCase().endsWith(".zip")
    ? join(folder, only.name)
    : folder;
}

async function readSet(work: DropWork, { source, signal }: Reading, set: DropSet): Promise<void> {
  const { district } = source;
  let row: DeliveryRow | null = null;
  try {
    const path = pathOf(work, source, set);
    row =
      set.delivery === null
        ? await receiveDropped(work, { district, source: source.id, path, set: set.id })
        : await findDelivery(work.sql, set.delivery);
    if (row === null) return await end(work, source, { set, state: "same", reason: null });
    // What a crash cut short may have been read by whoever looks for such.
    if (row.state === "received") await readHanded(work, { row, path, signal });
    await end(work, source, { set, state: "delivered", reason: null });
    work.failures.forget(nameOf(source));
  } catch (error) {
    // The district left meanwhile, and its sets with it.
    if (isAppError(error, "delivery.unknown", "district.unknown")) return;
    const failed = failureOf(error, signal);
    if (failed === null) return;
    if (failed.retryable) {
      await work.failures.add(nameOf(source), { district, delivery: row?.id ?? null, error: failed });
    } else if (row === null) {
      work.logger.warn({ district, source: source.id, set: set.id, err: failed }, "set refused");
      await end(work, source, { set, state: "refused", reason: failed.message });
    } else {
      await refuseUnread(work, row.id, `${failed.code}: ${failed.message}`);
      await work.failures.add(nameOf(source), { district, delivery: row.id, error: failed });
      work.failures.forget(nameOf(source));
      await end(work, source, { set, state: "delivered", reason: null });
    }
  }
}

async function end(
  { sql, root, clock, logger }: DropWork,
  source: Source,
  {
    set,
    ...how
  }: { readonly set: DropSet; readonly state: "delivered" | "same" | "refused"; readonly reason: string | null },
): Promise<void> {
  await endSet(sql, { ...how, root, source, id: set.id, now: clock.now() });
  logger.info({ district: source.district, source: source.id, set: set.id, outcome: how.state }, "set ended");
}
