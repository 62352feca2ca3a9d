// A folder that another server fills: what it did there is seen by looking.
// It keeps true that a file counts as still only since it was last seen to differ, by the database's clock; and that what
// was taken stays known while its disk is away, so that an old set does not come back as a new one.

import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Knex } from "knex";

import { AppError, isAppError } from "../../errors.ts";
import type { Source } from "../postgres/sources.ts";
import { keyOf, type LyingFile, pathIn, rootOf } from "./contents.ts";
import { answered, folderWithin } from "./foreign.ts";
import { refusalOf } from "./place.ts";
import { watchedIdentityOf, whereSource } from "./rows.ts";

/** After it a file that was taken and is not there is forgotten, if others that were taken are there. */
const rememberedMs = 90 * 86_400_000;

/**
 * Sees what another server did to the folder that it fills. A file that differs from what was seen last has been still
 * since now.
 * @param files what was seen last.
 * @returns whether anything differs.
 * @throws AppError `source.folder`.
 */
export async function observe(
  sql: Knex,
  root: string,
  { source, files }: { readonly source: Source; readonly files: readonly LyingFile[] },
): Promise<boolean> {
  const key = whereSource(keyOf(source));
  const gone = new Map(files.map((file) => [file.path, file]));
  let differs = false;
  for (const { path, identity, bytes } of await listFolder(root, source)) {
    const seen = gone.get(path);
    gone.delete(path);
    if (seen?.identity === identity) continue;
    differs = true;
    const state = { state: "closed", identity, bytes, still_since: sql.raw("clock_timestamp()") };
    await sql("drop_files")
      .insert({ ...key, path, ...state })
      .onConflict(["district", "source", "path"])
      .merge(state)
      .whereRaw("drop_files.identity is distinct from excluded.identity");
  }
  const forgotten = [...gone.values()].filter((file) => isForgotten(file, { files, gone }));
  for (const { path, identity } of forgotten)
    await sql("drop_files")
      .where({ ...key, path, identity })
      .delete();
  return differs || forgotten.length > 0;
}

/** An empty folder may be a disk that is away: that nothing lies there says nothing of what was taken. */
function isForgotten(
  { state, stillMs }: LyingFile,
  { files, gone }: { readonly files: readonly LyingFile[]; readonly gone: ReadonlyMap<string, LyingFile> },
): boolean {
  if (state !== "taken") return true;
  return stillMs > rememberedMs && files.some((file) => file.state === "taken" && !gone.has(file.path));
}

type Found = { readonly path: string; readonly identity: string; readonly bytes: number };

type Listed = { readonly folder: string; readonly path: string; readonly name: string };

const filesMost = 10_000;
const filesAtOnce = 64;

async function listFolder(root: string, source: Source): Promise<readonly Found[]> {
  const { path } = source.settings;
  const look = async (): Promise<readonly Found[]> => {
    const folder = await folderWithin(rootOf(root, source), path);
    const names = await readdir(folder);
    if (names.length > filesMost) throw tooMany();
    const found: Found[] = [];
    for (let at = 0; at < names.length; at += filesAtOnce) {
      const some = names.slice(at, at + filesAtOnce);
      found.push(...(await Promise.all(some.map((name) => lookAt({ folder, path, name })))).flat());
    }
    return found;
  };
  try {
    return await answered(rootOf(root, source), look);
  } catch (cause) {
    throw isAppError(cause, "source.folder") ? cause : new AppError("source.folder", { cause });
  }
}

function tooMany(): AppError {
  return new AppError("source.folder", {
    message: `looking into the folder of a source, which has more than ${filesMost} files: clear away old ones`,
  });
}

async function lookAt({ folder, path, name }: Listed): Promise<readonly Found[]> {
  // It may have gone since the folder was listed.
  const about = await lstat(join(folder, name), { bigint: true }).catch((error: unknown) => {
    if (refusalOf(error).code === "missing") return null;
    throw error;
  });
  if (about?.isFile() !== true) return [];
  return [{ path: pathIn(path, name), identity: watchedIdentityOf(about), bytes: Number(about.size) }];
}
