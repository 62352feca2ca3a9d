// Sets that were taken: put aside in a folder of their own, each with a row.
// It keeps true that a set is taken whole or not at all, and only as it was judged under the source's lock; that after a
// crash every file is either in a set with a row or back where it lay; and that a set is recorded once.
//
//   folder ──take──▶ sets/<id>/ with a row ──read──▶ ended, its folder deleted
//     ▲                   │
//     └── mend, when there is no row

import { constants, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { copyFile, mkdir, open, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { basename, join } from "node:path";
import type { Knex } from "knex";

import { type CompleteSet, judgeDrop } from "../../domain/drop.ts";
import { AppError } from "../../errors.ts";
import type { Source } from "../postgres/sources.ts";
import { keyOf, type LyingFile, lyingFiles, rootOf } from "./contents.ts";
import { FileRefusal } from "../sftp/district-files.ts";
import { type Facts, factsKey } from "./facts.ts";
import { placeOf, syncFolderOf } from "./place.ts";
import { identityOf, lockSource, watchedIdentityOf, whereSource } from "./rows.ts";

export type SetFile = { readonly name: string; readonly bytes: number; readonly receivedAt: string };

/** A row of `drop_sets`. */
export type DropSet = {
  readonly id: string;
  readonly state: "taken" | "delivered" | "same" | "refused";
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
  await inFolder(() => mkdir(folder, { recursive: true, mode: 0o700 }));
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
  const isCopied = source.kind === "folder" && (source.settings.readOnly || !isOneDisk(root, source));
  const copied = isCopied ? await copySet(sql, taking, id) : null;
  if (isCopied && copied === null) return false;
  const taken = await sql.transaction(async (trx) => {
    await lockSource(trx, keyOf(source));
    const set = await firstSet(trx, taking);
    if (set === null || (copied !== null && copied !== signature(set))) return false;
    const folder = setFolder(root, source, id);
    if (copied === null) moveFiles(rootOf(root, source), folder, set);
    else renameSync(`${folder}.copy`, folder);
    await syncFolderOf(folder);
    await record(trx, { taking, id, set, isCopied });
    return true;
  });
  if (isCopied) await rm(`${setFolder(root, source, id)}.copy`, { recursive: true, force: true });
  if (taken && isCopied) await deleteOriginals(sql, taking);
  return taken;
}

/** The rename of a file between two disks is a copy, which takes its time. */
function isOneDisk(root: string, source: Source): boolean {
  const { sets } = placeOf(root, keyOf(source));
  mkdirSync(sets, { recursive: true, mode: 0o700 });
  return lstatSync(sets).dev === lstatSync(rootOf(root, source)).dev;
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
  const folder = rootOf(root, source);
  return own.every((file) => identityAt(source, join(folder, file.path)) === file.identity)
    ? { kind: set.kind, files: own }
    : null;
}

/** null when there is no file. */
function identityAt(source: Source, place: string): string | null {
  const found = lstatSync(place, { bigint: true, throwIfNoEntry: false });
  if (found?.isFile() !== true) return null;
  return source.kind === "folder" ? watchedIdentityOf(found) : identityOf(found);
}

function signature({ files }: JudgedSet): string {
  return JSON.stringify(files.map(({ path, identity }) => [path, identity]));
}

function moveFiles(from: string, folder: string, { files }: JudgedSet): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const { path } of files) renameSync(join(from, path), join(folder, basename(path)));
}

/** Copies what seems to be a whole set. @returns what was copied. */
async function copySet(sql: Knex, taking: Taking, id: string): Promise<string | null> {
  const { root, source } = taking;
  const set = await firstSet(sql, taking);
  if (set === null) return null;
  const folder = `${setFolder(root, source, id)}.copy`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const { path } of set.files) {
    const to = join(folder, basename(path));
    await copyFile(join(rootOf(root, source), path), to, constants.COPYFILE_FICLONE);
    await syncFile(to);
  }
  return signature(set);
}

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
    const place = join(rootOf(root, source), path);
    if (identityAt(source, place) === identity) unlinkSync(place);
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
    readonly state: "delivered" | "same" | "refused";
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
    const { sets } = placeOf(root, keyOf(source));
    for (const name of existsSync(sets) ? readdirSync(sets) : []) {
      const folder = join(sets, name);
      if (!states.has(name) && !name.endsWith(".copy"))
        putBack(folder, join(rootOf(root, source), source.settings.path));
      if (states.get(name) !== "taken") await rm(folder, { recursive: true, force: true });
    }
    if (source.kind !== "folder") await mendRows(trx, root, source);
  });
}

function putBack(folder: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder))
    if (!existsSync(join(to, name))) renameSync(join(folder, name), join(to, name));
}

async function mendRows(trx: Knex.Transaction, root: string, source: Source): Promise<void> {
  const key = whereSource(keyOf(source));
  const folder = rootOf(root, source);
  const rows = await lyingFiles(trx, keyOf(source));
  if (rows.length > 0 && !existsSync(folder)) throw new AppError("source.folder", { details: { ...key } });
  const known = new Set(rows.map(({ path }) => path));
  const unknown = filesIn(folder).filter((path) => !known.has(path));
  for (const { path, identity, state } of rows) {
    if (state === "open") continue;
    const found = identityAt(source, join(folder, path));
    if (found !== null && (found === identity || state === "torn")) continue;
    const renamed =
      found === null ? unknown.findIndex((each) => identityAt(source, join(folder, each)) === identity) : -1;
    const row = trx("drop_files").where({ ...key, path });
    if (renamed >= 0) await row.update({ path: unknown.splice(renamed, 1)[0] });
    else if (found === null) await row.delete();
    else await row.update({ state: "torn" });
  }
  for (const path of unknown) {
    const bytes = lstatSync(join(folder, path)).size;
    await trx("drop_files").insert({ ...key, path, state: "torn", bytes, still_since: trx.fn.now() });
  }
}

/** Paths of all files below a folder, from it. */
function filesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `/${join(entry.parentPath, entry.name).slice(folder.length + 1)}`);
}
