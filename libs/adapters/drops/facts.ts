// What must be read of loose files to judge whether they are a whole set: their manifest, and whether users.csv names roles.
// It keeps true that facts belong to the files as they were read: of others nothing is known; and that files which cannot
// be read for long are told, and not waited for.

import type { Readable } from "node:stream";

import { type ManifestResult, type ManifestRow, parseManifest } from "../../domain/manifest.ts";
import { AppError, isAppError } from "../../errors.ts";
import { CsvReading } from "../oneroster/csv.ts";
import type { Source } from "../postgres/sources.ts";
import { type LyingFile, pathIn, rootOf } from "./contents.ts";
import { answered, openWithin } from "./foreign.ts";

export type Facts = {
  /** Tells the files that were read from others. */
  readonly of: string;
  readonly manifest: ManifestResult | null;
  readonly hasRoleColumn: boolean | null;
};

/** Manifests have two dozen rows. */
const manifestBytesMost = 1_000_000;

const tooLarge: ManifestResult = {
  outcome: "refused",
  refusal: "manifest.csv is larger than a manifest can be.",
  findings: [],
};

/** What says that a file is gone, or another thing by now. */
const changed: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ESTALE"]);

/**
 * Reads them, unless what was read last is of the same files.
 * @returns null when one of them has changed since it was seen.
 * @throws AppError `source.folder` when they may or can not be read.
 */
export async function factsOf(
  root: string,
  {
    source,
    files,
    last,
  }: { readonly source: Source; readonly files: readonly LyingFile[]; readonly last: Facts | null },
): Promise<Facts | null> {
  const of = factsKey(source, files);
  if (last?.of === of) return last;
  const [manifest, users] = factFiles(source, files);
  const open = async ({ path }: LyingFile): Promise<Readable> =>
    (await openWithin(root, source, path)).createReadStream();
  const read = async (): Promise<Facts> => ({
    of,
    manifest: manifest === null ? null : await readManifest(await open(manifest), manifest.bytes),
    hasRoleColumn: users === null ? null : await readHasRole(await open(users)),
  });
  try {
    return await (source.kind === "folder" ? answered(rootOf(root, source), read) : read());
  } catch (cause) {
    if (isAppError(cause)) throw cause;
    if (cause instanceof Error && "code" in cause && changed.has(cause.code)) return null;
    throw new AppError("source.folder", {
      message: "reading a file in the folder of a source, which this user may or can not read",
      cause,
    });
  }
}

/** Of the files that facts are read from, as they are now. */
export function factsKey(source: Source, files: readonly LyingFile[]): string {
  const found = factFiles(source, files).map((file) => file && `${file.identity} ${file.stillSince.getTime()}`);
  return JSON.stringify(found);
}

function factFiles(
  { settings }: Source,
  files: readonly LyingFile[],
): readonly [manifest: LyingFile | null, users: LyingFile | null] {
  const closed = (name: string): LyingFile | null =>
    files.find(({ state, path }) => state === "closed" && path === pathIn(settings.path, name)) ?? null;
  return [closed("manifest.csv"), closed("users.csv")];
}

/** What a manifest says. @throws what the stream throws. */
export async function readManifest(content: Readable, bytes: number): Promise<ManifestResult> {
  if (bytes > manifestBytesMost) {
    content.destroy();
    return tooLarge;
  }
  const rows: ManifestRow[] = [];
  for await (const batch of new CsvReading(content).batches())
    for (const row of batch) rows.push({ line: row.line, cells: row.fault === null ? row.cells : null });
  return parseManifest(rows);
}

/** Whether users.csv names its users' roles itself. @throws what the stream throws. */
export async function readHasRole(content: Readable): Promise<boolean> {
  try {
    for await (const batch of new CsvReading(content).batches())
      return (batch[0]?.cells ?? []).some((cell) => cell.trim().toLowerCase() === "role");
    return false;
  } finally {
    content.destroy();
  }
}
