// Opens a set as it was delivered: a folder or a zip with CSV files at its root.
// It keeps true: nothing outside the folder or zip is ever opened; no entry is held whole in memory; what is not one
// file of OneRoster under its exact name is noted and left alone; an archive that cannot be trusted is refused; a stream
// does nothing, and so cannot fail, before it is read; a name that a stranger chose is told with its unprintable
// characters escaped.

import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";

import type { PullRecord } from "../../domain/api/pulled.ts";
import { isLitter, knownNames, nearestName, printable } from "./file-names.ts";
import { unreadable } from "./unreadable.ts";
import { type Archive, openArchive, type ZipLimits } from "./zip-archive.ts";

/** One file of the set. `open` may be called again: each call reads from the beginning. */
export type SetEntry = {
  /** Exact name, such as `users.csv`. */
  readonly name: string;
  /** Uncompressed size. */
  readonly bytes: number;
  open(): Promise<Readable>;
};

/**
 * What was seen beside the files of the standard; names are printable. `suggestion` is the name that was probably meant.
 * All that operating systems left behind is one note, for nobody can do anything about a single one of those files.
 */
export type SetNote =
  | { readonly code: "pkg.litter" }
  | { readonly code: "zip.root"; readonly file: string }
  | { readonly code: "pkg.unknown_file"; readonly file: string; readonly suggestion: string | null };

export type DeliveredSet = {
  readonly entries: readonly SetEntry[];
  /** Names of all files beside the entries that look like data, for telling other formats by name. */
  readonly otherNames: readonly string[];
  readonly notes: readonly SetNote[];
  /** What is known of the pull, for a set of pages: its entries are collections. */
  readonly pull?: PullRecord;
  /** Releases the archive; called twice it changes nothing. */
  close(): void;
};

export type SetLimits = ZipLimits;

export const defaultSetLimits: SetLimits = { entries: 1_000, entryBytes: 16e9, totalBytes: 32e9, ratio: 250 };

/**
 * Opens the folder or zip at a path.
 * @throws AppError `set.unreadable` when there is neither, or the zip cannot be trusted; its detail `fault` is a SetFault;
 * `set.io` when the machine failed.
 */
export async function openSet(path: string, limits: SetLimits = defaultSetLimits): Promise<DeliveredSet> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadable("set.missing", "there is no such file or folder, or it may not be read", cause);
  });
  if (found.isDirectory()) return openFolder(path);
  if (found.isFile()) return openZip(path, limits);
  throw unreadable("set.kind", "the path is neither a folder nor a zip file");
}

async function openFolder(path: string): Promise<DeliveredSet> {
  const listed = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable("folder.denied", "the folder may not be read", cause);
  });
  const names = listed.filter((entry) => entry.isFile()).map((entry) => entry.name);
  const entries: SetEntry[] = [];
  for (const name of names.filter((candidate) => knownNames.has(candidate)).toSorted()) {
    const file = join(path, name);
    const { size } = await stat(file).catch((cause: unknown) => {
      throw unreadable("file.denied", `the file ${name} may not be read`, cause);
    });
    entries.push({ name, bytes: size, open: () => Promise.resolve(streamOf(folderBytes(file, name))) });
  }
  const others = listed.filter((entry) => !(entry.isFile() && knownNames.has(entry.name))).map((entry) => entry.name);
  return { entries, ...besideOf(others), close: () => undefined };
}

/**
 * A stream over bytes that are not asked for before it is read. One that began by itself could fail while whoever
 * opened it still prepares a place for the bytes, and an error that nobody listens for ends the process.
 */
function streamOf(bytes: AsyncGenerator<Uint8Array, void, undefined>): Readable {
  return Readable.from(bytes, { objectMode: false });
}

/** The bytes of a file; fails with `set.unreadable` when they cannot be read. */
async function* folderBytes(path: string, name: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes: Buffer = chunk;
      yield bytes;
    }
  } catch (cause) {
    throw unreadable("file.denied", `the file ${name} may not be read, or not to its end`, cause);
  }
}

/** What is said of the files beside those of the standard. */
function besideOf(paths: readonly string[]): Pick<DeliveredSet, "otherNames" | "notes"> {
  const told = paths.filter((path) => !isLitter(path));
  const litter: SetNote[] = told.length < paths.length ? [{ code: "pkg.litter" }] : [];
  return {
    otherNames: told.map((path) => printable(basename(path))),
    notes: [...told.toSorted().map(noteOn), ...litter],
  };
}

function noteOn(file: string): SetNote {
  const name = basename(file);
  // A link or folder may have the right name; then there is nothing to suggest.
  const suggestion = knownNames.has(name) ? null : nearestName(name);
  return { code: "pkg.unknown_file", file: printable(file), suggestion };
}

async function openZip(path: string, limits: SetLimits): Promise<DeliveredSet> {
  const archive = await openArchive(path, limits);
  try {
    return setOf(archive);
  } catch (error) {
    archive.close();
    throw error;
  }
}

function setOf({ files, close }: Archive): DeliveredSet {
  const known = files.filter(({ path }) => !isLitter(path) && knownNames.has(basename(path)));
  const folders = new Set(known.map(({ path }) => path.slice(0, -basename(path).length)));
  const [folder = ""] = folders;
  if (folders.size > 1 || folder.split("/").length > 2) {
    const sentence = "the zip has its CSV files in several or nested folders, so that it is not clear which are meant";
    throw unreadable("zip.folders", sentence);
  }
  const root: SetNote[] = folder === "" ? [] : [{ code: "zip.root", file: printable(folder) }];
  const { otherNames, notes } = besideOf(files.filter((file) => !known.includes(file)).map(({ path }) => path));
  const entries = known.map(({ path, bytes, read }) => ({
    name: basename(path),
    bytes,
    open: () => Promise.resolve(streamOf(read())),
  }));
  return {
    entries: entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    otherNames,
    notes: [...root, ...notes],
    close,
  };
}
