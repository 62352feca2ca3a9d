// A folder that another server fills: what it did there is seen by looking.
// It keeps true that a file counts as still only since it was last seen to differ, by the database's clock.

import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Knex } from "knex";

import { AppError } from "../../errors.ts";
import type { Source } from "../postgres/sources.ts";
import { keyOf, type LyingFile, pathIn, rootOf } from "./contents.ts";
import { watchedIdentityOf, whereSource } from "./rows.ts";

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
  for (const { path, identity, bytes } of listFolder(rootOf(root, source), source.settings.path)) {
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
  for (const { path, identity } of gone.values())
    await sql("drop_files")
      .where({ ...key, path, identity })
      .delete();
  return differs || gone.size > 0;
}

type Found = { readonly path: string; readonly identity: string; readonly bytes: number };

const filesMost = 1_000;

function listFolder(root: string, path: string): readonly Found[] {
  const folder = join(root, path);
  try {
    return readdirSync(folder)
      .slice(0, filesMost)
      .flatMap((name) => {
        const about = lstatSync(join(folder, name), { bigint: true, throwIfNoEntry: false });
        if (about?.isFile() !== true) return [];
        const identity = watchedIdentityOf(about);
        return [{ path: pathIn(path, name), identity, bytes: Number(about.size) }];
      });
  } catch (cause) {
    throw new AppError("source.folder", { cause });
  }
}
