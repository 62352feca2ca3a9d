// What lies in the folder of a source, by its rows.

import { basename } from "node:path";
import type { Knex } from "knex";

import type { DropFile } from "../../domain/drop.ts";
import { isLitter, knownNames, nearestName } from "../oneroster/file-names.ts";
import type { Source } from "../postgres/sources.ts";
import { placeOf, type SourceKey } from "./place.ts";
import { whereSource } from "./rows.ts";

/** A row, and what its name says. */
export type LyingFile = DropFile & {
  readonly district: string;
  readonly source: string;
  readonly identity: string | null;
  /** When it became as it is. */
  readonly stillSince: Date;
};

type Row = Pick<LyingFile, "district" | "source" | "path" | "state" | "identity" | "bytes"> & {
  readonly still_since: Date;
  readonly still_ms: number;
};

/** Of one source, or of all. */
export async function lyingFiles(sql: Knex, key?: SourceKey): Promise<readonly LyingFile[]> {
  const rows: readonly Row[] = await sql("drop_files")
    .where(key === undefined ? {} : whereSource(key))
    .orderBy(["district", "source", "path"])
    .select("district", "source", "path", "state", "identity", "bytes", "still_since")
    .select(sql.raw("cast(extract(epoch from clock_timestamp() - still_since) * 1000 as float8) as still_ms"));
  return rows.map(({ still_since: stillSince, still_ms: stillMs, ...row }) => ({
    ...row,
    ...kindOf(basename(row.path)),
    stillSince,
    stillMs,
  }));
}

function kindOf(name: string): Pick<DropFile, "kind" | "suggestion"> {
  if (knownNames.has(name)) return { kind: "known", suggestion: null };
  if (name.toLowerCase().endsWith(".zip")) return { kind: "zip", suggestion: null };
  if (isLitter(name)) return { kind: "litter", suggestion: null };
  return { kind: "other", suggestion: nearestName(name) };
}

export function keyOf({ district, id }: Pick<Source, "district" | "id">): SourceKey {
  return { district, source: id };
}

/** Where on this machine the root of the source is. */
export function rootOf(root: string, source: Source): string {
  return source.settings.folder ?? placeOf(root, keyOf(source)).files;
}

/** The path of a name in a folder of the source. */
export function pathIn(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}
