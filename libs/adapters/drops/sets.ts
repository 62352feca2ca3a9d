// Sets that were taken: put aside in a folder of their own, each with a row.
// It keeps true that a set is taken whole or not at all, and only as it was judged under the source's lock; that after a
// crash every file is either in a set with a row or back where it lay; and that a set is recorded once.
//
//   folder ──take──▶ sets/<id>/ with a row ──read──▶ ended, its folder deleted
//     ▲                   │
//     └── mend, when there is no row
//
// Where files are copied, not moved, they gather in sets/<id>.copy; sets/<id>.copied says so until the row is there.

import { createWriteStream, existsSync } from "node:fs";
import { lstat, open, readdir, rename, rm, unlink, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Knex } from "knex";

import { type CompleteSet, judgeDrop } from "../../domain/drop.ts";
import { AppError } from "../../errors.ts";
import type { Source } from "../postgres/sources.ts";
import { keyOf, type LyingFile, lyingFiles, rootOf } from "./contents.ts";
import { FileRefusal } from "../sftp/district-files.ts";
import { type Facts, factsKey } from "./facts.ts";
import { answered, folderWithin, identityWithin, openWithin, placeWithin } from "./foreign.ts";
import { makeFolder, placeOf } from "./place.ts";
import { syncFolder } from "../sync-folder.ts";
import { lockSource, whereSource } from "./rows.ts";

export type SetFile = { readonly name: string; readonly bytes: number; readonly receivedAt: string };

/** A row of `drop_sets`. */
export type DropSet = {
  readonly id: string;
  readonly state: "taken" | "delivered" | "same" | "refused" | "superseded";
  readonly files: readonly SetFile[];
  readonly complete_at: Date;
  readonly delivery: string | null;
};

export type Taking = {
  readonly root: string;
  readonly source: Source;
  readonly facts: Facts;
  readonly manifestOptional: boolean;
  /** Epoch milliseconds, as it is told. */
  readonly now: number;
};

/** The folder to which a district was told to upload is there before its first file. @throws AppError `source.folder`. */
export async function makeRoom(root: string, source: Source): Promise<void> {
  if (source.kind !== "sftp" || source.settings.path === "/") return;
  const folder = join(rootOf(root, source), source.settings.path);
  await inFolder(() => makeFolder(folder));
}

/** Where the files of a set are. */
export function setFolder(root: string, source: Source, id: string): string {
  return join(placeOf(root, keyOf(source)).sets, id);
}

/**
 * Takes the first whole set. Call it under the lease of the source's drops.
 * @returns whether there was one.
 * @throws AppError `source.folder`, `source.unknown` when the source is gone or disabled.
 */
export async function takeSet(sql: Knex, taking: Taking): Promise<boolean> {
  return inFolder(() => take(sql, taking));
}

async function take(sql: Knex, taking: Taking): Promise<boolean> {
  const { root, source } = taking;
  const id = randomUUID();
  const { sets } = placeOf(root, keyOf(source));
  await makeFolder(sets);
  const isCopied = source.kind === "folder" && (source.settings.readOnly || !(await isOneDisk(root, source)));
  const copied = isCopied ? await copySet(sql, taking, id) : null;
  if (isCopied && copied === null) return false;
  const taken = await sql.transaction(async (trx) => {
    await lockSource(trx, keyOf(source));
    const set = await firstSet(trx, taking);
    if (set === null || (copied !== null && copied !== signature(set))) return false;
    if (copied === null) await moveFiles(taking, id, set);
    else await nameCopy(setFolder(root, source, id));
    await record(trx, { taking, id, set, isCopied });
    return true;
  });
  if (isCopied) await clearCopy(setFolder(root, source, id));
  if (taken && isCopied) await deleteOriginals(sql, taking);
  return taken;
}

/** The rename of a file between two disks is a copy, which takes its time. */
async function isOneDisk(root: string, source: Source): Promise<boolean> {
  const { sets } = placeOf(root, keyOf(source));
  const folder = rootOf(root, source);
  const there = await answered(folder, async () => lstat(await folderWithin(folder, source.settings.path)));
  return (await lstat(sets)).dev === there.dev;
}

type JudgedSet = { readonly kind: CompleteSet["kind"]; readonly files: readonly LyingFile[] };

/** The set as rows and files are now; null when there is none, or files are not as their rows say. */
async function firstSet(sql: Knex, { root, source, facts, manifestOptional }: Taking): Promise<JudgedSet | null> {
  const files = await lyingFiles(sql, keyOf(source));
  if (factsKey(source, files) !== facts.of) return null;
  const [set] = judgeDrop({ files, settings: source.settings, manifestOptional, ...facts }).complete;
  if (set === undefined) return null;
  const paths = new Set(set.files.map(({ path }) => path));
  const own = files.filter(({ path }) => paths.has(path));
  for (const { path, identity } of own) if ((await identityWithin(root, source, path)) !== identity) return null;
  return { kind: set.kind, files: own };
}

function signature({ files }: JudgedSet): string {
  return JSON.stringify(files.map(({ path, identity }) => [path, identity]));
}

/** What was moved is durable where it is when it resolves, so that no row names a file that a crash puts elsewhere. */
async function moveFiles({ root, source }: Taking, id: string, { files }: JudgedSet): Promise<void> {
  const folder = setFolder(root, source, id);
  await makeFolder(folder);
  for (const { path } of files) await rename(await placeWithin(root, source, path), join(folder, basename(path)));
  await syncFolder(folder);
  await syncFolder(await folderWithin(rootOf(root, source), source.settings.path));
}

async function nameCopy(folder: string): Promise<void> {
  await rename(`${folder}.copy`, folder);
  await syncFolder(dirname(folder));
}

/** The mark goes last: what has it and no row lies where it was copied from, too. */
async function clearCopy(folder: string): Promise<void> {
  for (const ending of [".copy", ".copied"]) await rm(`${folder}${ending}`, { recursive: true, force: true });
}

/** Copies what seems to be a whole set. @returns what was copied. */
async function copySet(sql: Knex, taking: Taking, id: string): Promise<string | null> {
  const { root, source } = taking;
  const set = await firstSet(sql, taking);
  if (set === null) return null;
  const own = setFolder(root, source, id);
  await writeFile(`${own}.copied`, "");
  const folder = `${own}.copy`;
  await makeFolder(folder);
  for (const { path } of set.files) {
    const to = join(folder, basename(path));
    const from = await openWithin(root, source, path);
    await pipeline(from.createReadStream({ highWaterMark: copyBytes }), createWriteStream(to, { mode: 0o600 }));
    await syncFile(to);
  }
  await syncFolder(folder);
  return signature(set);
}

const copyBytes = 1 << 20;

async function syncFile(place: string): Promise<void> {
  const file = await open(place, "r+");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function record(
  trx: Knex.Transaction,
  about: { readonly taking: Taking; readonly id: string; readonly set: JudgedSet; readonly isCopied: boolean },
): Promise<void> {
  const { taking, id, set, isCopied } = about;
  const key = whereSource(keyOf(taking.source));
  const files = set.files.map(({ path, bytes, stillSince }): SetFile => {
    return { name: basename(path), bytes, receivedAt: stillSince.toISOString() };
  });
  // Sets are read in the order in which they were taken, which another clock might not tell.
  const times = { complete_at: new Date(taking.now), taken_at: trx.raw("clock_timestamp()") };
  await trx("drop_sets").insert({ id, ...key, state: "taken", files: JSON.stringify(files), ...times });
  const rows = trx("drop_files")
    .where(key)
    .whereIn(
      "path",
      set.files.map(({ path }) => path),
    );
  if (isCopied) await rows.update({ state: "taken" });
  else await rows.delete();
}

/** Of a folder that is not only read: what was copied goes, unless it was written anew meanwhile. */
async function deleteOriginals(sql: Knex, { root, source }: Pick<Taking, "root" | "source">): Promise<void> {
  if (source.kind !== "folder" || source.settings.readOnly) return;
  const key = keyOf(source);
  for (const { path, state, identity } of await lyingFiles(sql, key)) {
    if (state !== "taken") continue;
    const isThere = (await identityWithin(root, source, path)) === identity;
    if (isThere) await unlink(await placeWithin(root, source, path));
    await sql("drop_files")
      .where({ ...whereSource(key), path, identity, state })
      .delete();
  }
}

/** The sets of a source that are taken and not ended, oldest first. */
export async function takenSets(sql: Knex, source: Source): Promise<readonly DropSet[]> {
  return sql("drop_sets")
    .where({ ...whereSource(keyOf(source)), state: "taken" })
    .orderBy("taken_at")
    .select("id", "state", "files", "complete_at", "delivery");
}

/** Ends a set and deletes its files. */
export async function endSet(
  sql: Knex,
  about: {
    readonly root: string;
    readonly source: Source;
    readonly id: string;
    readonly state: Exclude<DropSet["state"], "taken">;
    readonly reason: string | null;
    readonly now: number;
  },
): Promise<void> {
  const { id, state, reason, now, root, source } = about;
  await sql("drop_sets")
    .where({ id, state: "taken" })
    .update({ state, reason, ended_at: new Date(now) });
  await inFolder(() => rm(setFolder(root, source, id), { recursive: true, force: true }));
}

/**
 * Brings rows and files together after a crash. Call it under the lease of the source's drops.
 * A set without a row goes back, unless a newer file of the name is there; a file that was renamed is known by what it
 * is; one that is another than its row says, or that has no row, was never closed.
 * @throws AppError `source.folder`, `source.unknown` when the source is gone or disabled.
 */
export async function mend(sql: Knex, root: string, source: Source): Promise<void> {
  await inFolder(() => mendAll(sql, root, source));
}

/** Errors of the file system name a path; those of the database do not. */
async function inFolder<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FileRefusal) throw new AppError("source.unknown", { cause });
    if (cause instanceof Error && "path" in cause && "syscall" in cause) throw new AppError("source.folder", { cause });
    throw cause;
  }
}

async function mendAll(sql: Knex, root: string, source: Source): Promise<void> {
  if (source.kind === "folder") await deleteOriginals(sql, { root, source });
  await sql.transaction(async (trx) => {
    await lockSource(trx, keyOf(source));
    const rows: readonly { readonly id: string; readonly state: string }[] = await trx("drop_sets")
      .where(whereSource(keyOf(source)))
      .select("id", "state");
    const states = new Map(rows.map(({ id, state }) => [id, state]));
    await mendSets(root, source, states);
    if (source.kind !== "folder") await mendRows(trx, root, source);
  });
}

async function mendSets(root: string, source: Source, states: ReadonlyMap<string, string>): Promise<void> {
  const { sets } = placeOf(root, keyOf(source));
  const names = new Set(existsSync(sets) ? await readdir(sets) : []);
  // A mark comes after the set that it is of.
  for (const name of [...names].toSorted()) {
    if (states.get(name) === "taken") continue;
    const isMoved = !name.includes(".") && !names.has(`${name}.copied`);
    if (isMoved && !states.has(name)) await putBack(root, source, join(sets, name));
    await rm(join(sets, name), { recursive: true, force: true });
  }
}

async function putBack(root: string, source: Source, folder: string): Promise<void> {
  if (source.kind !== "folder") await makeFolder(join(rootOf(root, source), source.settings.path));
  const to = await folderWithin(rootOf(root, source), source.settings.path);
  const newer = new Set(await readdir(to));
  for (const name of await readdir(folder)) if (!newer.has(name)) await rename(join(folder, name), join(to, name));
  await syncFolder(to);
}

async function mendRows(trx: Knex.Transaction, root: string, source: Source): Promise<void> {
  const key = whereSource(keyOf(source));
  const folder = rootOf(root, source);
  const rows = await lyingFiles(trx, keyOf(source));
  if (rows.length > 0 && !existsSync(folder)) throw new AppError("source.folder", { details: { ...key } });
  const known = new Set(rows.map(({ path }) => path));
  const unknown = (await filesIn(folder)).filter((path) => !known.has(path));
  for (const { path, identity, state } of rows) {
    if (state === "open") continue;
    const found = await identityWithin(root, source, path);
    const row = trx("drop_files").where({ ...key, path });
    if (found !== null && state === "torn") await row.update({ bytes: await bytesOf(join(folder, path)) });
    if (found !== null && (found === identity || state === "torn")) continue;
    const renamed = found === null ? await indexOf(unknown, { root, source, identity }) : -1;
    if (renamed >= 0) await row.update({ path: unknown.splice(renamed, 1)[0] });
    else if (found === null) await row.delete();
    else await row.update({ state: "torn" });
  }
  for (const path of unknown) {
    const bytes = await bytesOf(join(folder, path));
    await trx("drop_files").insert({ ...key, path, state: "torn", bytes, still_since: trx.fn.now() });
  }
}

async function bytesOf(place: string): Promise<number> {
  return (await lstat(place)).size;
}

/** The place in the list of the path at which the file with the identity lies; -1 when there is none. */
async function indexOf(
  paths: readonly string[],
  { root, source, identity }: { readonly root: string; readonly source: Source; readonly identity: string | null },
): Promise<number> {
  for (const [index, path] of paths.entries())
    if ((await identityWithin(root, source, path)) === identity) return index;
  return -1;
}

/** Paths of all files below a folder, from it. */
async function filesIn(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  return (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => `/${join(entry.parentPath, entry.name).slice(folder.length + 1)}`);
}
