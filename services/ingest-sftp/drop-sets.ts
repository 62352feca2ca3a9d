// Reads the sets that were taken, of one source, in their order, each to its end.
// It keeps true that a set becomes one delivery at most, however often reading it begins again; that one whose files are
// not those that were taken becomes none; that one which is no set keeps no later one waiting, while nothing else ends
// one; that one is skipped only for a newer one that says all that it does, in bulk, and was accepted; and that none is
// received once a newer one was accepted.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { type DropSet, endSet, setFolder, takenSets } from "../../libs/adapters/drops/sets.ts";
import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import type { SetFault } from "../../libs/adapters/oneroster/unreadable.ts";
import type { Source } from "../../libs/adapters/postgres/sources.ts";
import { nextMoment } from "../../libs/adapters/schedule.ts";
import { baseFiles, replaces, type TakenSet } from "../../libs/domain/drop.ts";
import { AppError, isAppError } from "../../libs/errors.ts";
import {
  type DeliveryRow,
  findDelivery,
  type IngestContext,
  readDelivery,
  readHanded,
  receiveDropped,
  refuseUnread,
} from "../../libs/ingest/deliver.ts";
import { localTime } from "../../libs/ingest/district-report.ts";
import { failureOf, type Failures } from "./failures.ts";
import { contentsOf, lackOf } from "./set-contents.ts";

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
};

/** Reads what is due. Call it under {@link readingLease}; beside it sets may be taken. */
export async function readSets(work: DropWork, reading: Reading): Promise<void> {
  const { source, signal } = reading;
  while (!signal.aborted && !work.failures.isPaused(nameOf(source))) {
    const next = await nextOf(work, reading);
    if (next === null) return;
    const { set, needless } = next;
    if (needless !== null) await end(work, source, { set, state: "superseded", reason: needless });
    else if (!(await readSet(work, reading, set))) return;
  }
}

/** A set that is read now, or that is `needless`, for the reason given. */
type Next = { readonly set: DropSet; readonly needless: string | null };

async function nextOf(work: DropWork, { source, timeZone }: Reading): Promise<Next | null> {
  const taken = await takenSets(work.sql, source);
  // What became a delivery is read to its end first: whatever is received later would come after it.
  const begun = taken.find(({ delivery }) => delivery !== null);
  if (begun !== undefined) return { set: begun, needless: null };
  const at = { timeZone, now: work.clock.now() };
  const due = taken.filter((each) => isDue(source, each, at));
  const [set] = due;
  if (set === undefined) return null;
  const accepted = await acceptedAfter(work, set);
  if (accepted !== null) return { set, needless: skipped(accepted, { timeZone, isWhole: true }) };
  if (due.length === 1) return { set, needless: null };
  const known: Known[] = [];
  for (const each of due) known.push(await knownOf(work, source, each));
  return firstOf(known, timeZone);
}

/** The newest set after one that was read before it and accepted, or was the same as what had been. */
async function acceptedAfter({ sql }: DropWork, { id }: DropSet): Promise<Pick<DropSet, "complete_at"> | null> {
  const newer: Pick<DropSet, "complete_at"> | undefined = await sql("drop_sets as newer")
    .join("drop_sets as older", { "older.district": "newer.district", "older.source": "newer.source" })
    .leftJoin("deliveries", { "deliveries.id": "newer.delivery" })
    .where({ "older.id": id })
    .whereRaw("newer.taken_at > older.taken_at")
    .whereRaw("(newer.state = 'same' or (newer.state = 'delivered' and deliveries.state = 'accepted'))")
    .orderBy("newer.taken_at", "desc")
    .first("newer.complete_at");
  return newer ?? null;
}

type Known = {
  readonly set: DropSet;
  /** Whether its files are as they were taken. */
  readonly isWhole: boolean;
  /** null when it cannot be read. */
  readonly says: TakenSet | null;
};

async function knownOf(work: DropWork, source: Source, set: DropSet): Promise<Known> {
  const isWhole = await isAsTaken(work, source, set);
  return { set, isWhole, says: isWhole ? await contentsOf(pathOf(work, source, set)) : namesOf(set) };
}

/**
 * The newest that says all that those before it do, or else the oldest: if the newest is refused, they are still there.
 * One whose files were lost cannot be read whatever becomes of the newer one.
 */
function firstOf(known: readonly Known[], timeZone: string): Next | null {
  const [oldest, ...later] = known;
  if (oldest === undefined) return null;
  const isOver = (newer: Known, older: Known): boolean =>
    newer.isWhole && newer.says !== null && older.says !== null && replaces(newer.says, older.says);
  const overLost = oldest.isWhole ? undefined : later.findLast((newer) => isOver(newer, oldest));
  if (overLost !== undefined) return { set: oldest.set, needless: skipped(overLost.set, { timeZone, isWhole: false }) };
  const newest = known.findLast((newer, at) => at > 0 && known.slice(0, at).every((older) => isOver(newer, older)));
  return { set: (newest ?? oldest).set, needless: null };
}

/** Under which failures of reading the source's sets are known. */
export function nameOf({ district, id }: Source): string {
  return `drops ${district} ${id}`;
}

function skipped(
  { complete_at: at }: Pick<DropSet, "complete_at">,
  { timeZone, isWhole }: { readonly timeZone: string; readonly isWhole: boolean },
): string {
  const newer = `a newer set, complete since ${localTime(at.toISOString(), timeZone)},`;
  return isWhole
    ? `${newer} has all of its files and was read in its place`
    : `files of it were lost here before they were read; ${newer} has all of them`;
}

/** Of files that were lost their names are known; of a zip, those that a set must have. */
function namesOf(set: DropSet): TakenSet {
  if (zipOf(set) !== null) return { manifest: null, names: new Set(baseFiles) };
  const names = set.files
    .filter(({ name }) => name !== "manifest.csv")
    .map(({ name }) => name.slice(0, -".csv".length));
  return { manifest: null, names: new Set(names) };
}

/** Whether the files of a set are there, each with the bytes that it had. */
async function isAsTaken({ root }: DropWork, source: Source, { id, files }: DropSet): Promise<boolean> {
  const folder = setFolder(root, source, id);
  const failed = (cause: unknown): never => {
    throw new AppError("set.io", { cause, details: { set: id } });
  };
  const isMissing = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  const names = await readdir(folder).catch((cause: unknown) => (isMissing(cause) ? [] : failed(cause)));
  if (names.length !== files.length) return false;
  for (const { name, bytes } of files) {
    const found = await stat(join(folder, name)).catch((cause: unknown) => (isMissing(cause) ? null : failed(cause)));
    if (found?.isFile() !== true || found.size !== bytes) return false;
  }
  return true;
}

function pathOf({ root }: DropWork, source: Source, set: DropSet): string {
  const folder = setFolder(root, source, set.id);
  const zip = zipOf(set);
  return zip === null ? folder : join(folder, zip);
}

/** The name of the zip that is the set by itself; null for loose files. */
function zipOf({ files }: DropSet): string | null {
  const [only] = files;
  return files.length === 1 && only?.name.toLowerCase().endsWith(".zip") === true ? only.name : null;
}

/** @returns whether it came to its end. */
async function readSet(work: DropWork, reading: Reading, set: DropSet): Promise<boolean> {
  const { source, signal } = reading;
  let row: DeliveryRow | null = null;
  try {
    const path = pathOf(work, source, set);
    const isWhole = await isAsTaken(work, source, set);
    const lack = set.delivery === null && isWhole ? await lackOfZip(work, source, set) : null;
    if (lack !== null) {
      await end(work, source, { set, state: "refused", reason: lack });
      return true;
    }
    row = set.delivery === null ? await receiveWhole(work, source, { set, path, isWhole }) : null;
    if (set.delivery !== null) row = await findDelivery(work.sql, set.delivery);
    if (row === null) await end(work, source, { set, state: "same", reason: null });
    else {
      // What a crash cut short may have been read by whoever looks for such.
      if (row.state === "received" && isWhole) await readHanded(work, { row, path, signal });
      else if (row.state === "received") await readDelivery(work, { id: row.id, signal });
      await end(work, source, { set, state: "delivered", reason: null });
    }
    work.failures.forget(nameOf(source));
    return true;
  } catch (error) {
    return failed(work, reading, { set, row, error });
  }
}

/** Loose files were judged when they were taken. @throws AppError `district.unknown`. */
async function lackOfZip(work: DropWork, source: Source, set: DropSet): Promise<string | null> {
  if (zipOf(set) === null) return null;
  const district = await districtOf(work.sql, source.district);
  if (district === null) throw new AppError("district.unknown", { message: `there is no district ${source.district}` });
  const { manifestOptional } = district.policy;
  return lackOf(pathOf(work, source, set), { settings: source.settings, manifestOptional });
}

/** @throws AppError `set.incomplete` when half a set would be received. */
async function receiveWhole(
  work: DropWork,
  { district, id }: Source,
  { set, path, isWhole }: { readonly set: DropSet; readonly path: string; readonly isWhole: boolean },
): Promise<DeliveryRow | null> {
  if (!isWhole) throw new AppError("set.incomplete", { details: { district, source: id, set: set.id } });
  return receiveDropped(work, { district, source: id, path, set: set.id });
}

/** What is wrong with the set itself ends it; everything else leaves it for later. @returns whether it came to its end. */
async function failed(
  work: DropWork,
  { source, signal }: Reading,
  { set, row, error }: { readonly set: DropSet; readonly row: DeliveryRow | null; readonly error: unknown },
): Promise<boolean> {
  const { district } = source;
  // The district is leaving, and its sets with it.
  if (isAppError(error, "delivery.unknown", "district.unknown")) return false;
  const failure = failureOf(error, signal);
  if (failure === null) return false;
  if (failure.retryable || isOwnFault(failure) || (row === null && failure.code !== "set.unreadable")) {
    await work.failures.add(nameOf(source), { district, delivery: row?.id ?? null, error: failure });
    return false;
  }
  if (row === null) {
    work.logger.warn({ district, source: source.id, set: set.id, err: failure }, "set refused");
    await end(work, source, { set, state: "refused", reason: failure.message });
  } else {
    await refuseUnread(work, row.id, `${failure.code}: ${failure.message}`);
    await work.failures.add(nameOf(source), { district, delivery: row.id, error: failure });
    work.failures.forget(nameOf(source));
    await end(work, source, { set, state: "delivered", reason: null });
  }
  return true;
}

/** Of a set that lies in our own folder: that it is not there or may not be read is no fault of whoever uploaded it. */
const ownFaults: readonly SetFault[] = ["set.missing", "set.kind", "folder.denied", "file.denied"];

function isOwnFault({ code, details }: AppError): boolean {
  return code === "set.unreadable" && ownFaults.some((fault) => fault === details["fault"]);
}

async function end(
  { sql, root, clock, logger }: DropWork,
  source: Source,
  {
    set,
    ...how
  }: { readonly set: DropSet; readonly state: Exclude<DropSet["state"], "taken">; readonly reason: string | null },
): Promise<void> {
  await endSet(sql, { ...how, root, source, id: set.id, now: clock.now() });
  logger.info({ district: source.district, source: source.id, set: set.id, outcome: how.state }, "set ended");
}
