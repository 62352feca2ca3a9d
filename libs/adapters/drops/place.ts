// Where the files of a source lie: its own folder for each, with what its client sees, what it is told, and the sets that
// were put aside to be read.
//
//   <root>/<district>/<source>/files/    what the client sees as /
//                              reports/  what the client sees as /reports, and may only read
//                              sets/     a folder for each set that was taken
//
// It keeps true that a path of a client never leads out of its folder, nor through a link.

import { lstatSync, type Stats } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { DistrictId, SourceId } from "../../domain/ids.ts";
import { AppError } from "../../errors.ts";
import { FileRefusal, largestFile, type RefusalCode } from "../sftp/district-files.ts";
import { syncFolder } from "../sync-folder.ts";

export type SourceKey = { readonly district: DistrictId; readonly source: SourceId };

export type Place = { readonly files: string; readonly reports: string; readonly sets: string };

export function placeOf(root: string, { district, source }: SourceKey): Place {
  const own = join(root, district, source);
  return { files: join(own, "files"), reports: join(own, "reports"), sets: join(own, "sets") };
}

/** Under it one process at a time works on what lies there. */
export function sourceLease({ district, source }: SourceKey): string {
  return `drops.${district}.${source}`;
}

/** Deletes all files of a district. Twice changes nothing. @throws AppError `landing.io`. */
export async function deleteDrops(root: string, district: DistrictId): Promise<void> {
  await rm(join(root, district), { recursive: true, force: true }).catch((cause: unknown) => {
    throw new AppError("landing.io", { message: "deleting the folders of a district's sources", cause });
  });
}

/** Lengths in bytes and counts, none of which an honest client comes near. */
export type DropLimits = {
  readonly nameBytes: number;
  readonly depth: number;
  readonly files: number;
  readonly folders: number;
  readonly fileBytes: number;
  /** Of all files of a source, those of sets that are not read yet too. */
  readonly sourceBytes: number;
  /** How far behind a file's end a client may write: some send a few parts at once. */
  readonly gapBytes: number;
};

export const defaultDropLimits: DropLimits = {
  nameBytes: 255,
  depth: 8,
  files: 1_000,
  folders: 100,
  fileBytes: largestFile,
  sourceBytes: 64e9,
  gapBytes: 1 << 26,
};

export const reportsPath = "/reports";

export function isReports(path: string): boolean {
  return path === reportsPath || path.startsWith(`${reportsPath}/`);
}

/**
 * The place of a client's path on this machine. What is there, if anything, may still be a link.
 * @throws FileRefusal `missing` when a folder on the way is not there, `forbidden` when the path is none of a client's.
 */
export function pathWithin(root: string, path: string, limits: DropLimits = defaultDropLimits): string {
  const parts = path.split("/").filter((part) => part !== "");
  if (!path.startsWith("/") || parts.some((part) => part === "." || part === ".." || part.includes("\0")))
    throw new FileRefusal("forbidden", "the path is not within your folder");
  if (parts.length > limits.depth || parts.some((part) => Buffer.byteLength(part) > limits.nameBytes))
    throw new FileRefusal("forbidden", "the path is too long");
  let place = root;
  for (const part of parts.slice(0, -1)) {
    place = join(place, part);
    if (!statOf(place)?.isDirectory()) throw new FileRefusal("missing", "there is no such folder");
  }
  return join(place, parts.at(-1) ?? "");
}

/** Of the place itself, never of what it links to; undefined when there is nothing. */
export function statOf(place: string): Stats | undefined {
  return lstatSync(place, { throwIfNoEntry: false });
}

const codes: Readonly<Record<string, RefusalCode>> = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  EEXIST: "exists",
  ENOTEMPTY: "not-empty",
  EISDIR: "is-folder",
  ENOSPC: "full",
  EDQUOT: "full",
  EFBIG: "full",
  EACCES: "forbidden",
  EPERM: "forbidden",
  EROFS: "forbidden",
  ELOOP: "forbidden",
};

const words: Readonly<Record<RefusalCode, string>> = {
  missing: "there is no such file or folder",
  forbidden: "this is not allowed",
  exists: "it exists already",
  "not-empty": "the folder is not empty",
  "is-folder": "it is a folder",
  full: "there is no room for it",
  busy: "it is in use",
  failed: "it could not be done now; try again later",
};

/** What a client is told of an error; nothing of this machine. */
export function refusalOf(error: unknown): FileRefusal {
  if (error instanceof FileRefusal) return error;
  const system = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const code = codes[system] ?? "failed";
  return new FileRefusal(code, words[code], { cause: error });
}

/** Makes a folder and those above it, each durable when it resolves. One that is there is made. */
export async function makeFolder(place: string): Promise<void> {
  const first = await mkdir(place, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = place; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}
