// Opens a set as it was delivered: a folder or a zip with CSV files at its root.
// It keeps true: nothing outside the folder or zip is ever opened; no entry is held whole in memory; what is not one
// file of OneRoster under its exact name is noted and left alone; an archive that cannot be trusted is refused; a stream
// does nothing, and so cannot fail, before it is read; a name that a stranger chose is told with its unprintable
// characters escaped.

import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";

import { type Entry, openPromise, type ZipFile } from "yauzl";

import { AppError } from "../../errors.ts";
import { isLitter, knownNames, nearestName, printable } from "./file-names.ts";

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
  /** Releases the archive; called twice it changes nothing. */
  close(): void;
};

export type SetLimits = {
  readonly entries: number;
  readonly entryBytes: number;
  readonly totalBytes: number;
  /** Uncompressed to compressed size of one entry larger than a megabyte; roster CSV reaches about thirty. */
  readonly ratio: number;
};

export const defaultSetLimits: SetLimits = { entries: 1_000, entryBytes: 16e9, totalBytes: 32e9, ratio: 250 };

/**
 * Opens the folder or zip at a path.
 * @throws AppError `set.unreadable` when there is neither, or the zip cannot be trusted: encrypted, names that are
 * absolute, climb, occur twice or lie in more than one folder, links, sizes above the limits.
 */
export async function openSet(path: string, limits: SetLimits = defaultSetLimits): Promise<DeliveredSet> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadable("there is no such file or folder, or it may not be read", cause);
  });
  if (found.isDirectory()) return openFolder(path);
  if (found.isFile()) return openZip(path, limits);
  throw unreadable("the path is neither a folder nor a zip file");
}

function unreadable(sentence: string, cause?: unknown): AppError {
  return new AppError("set.unreadable", { message: `reading the set: ${sentence}`, cause });
}

async function openFolder(path: string): Promise<DeliveredSet> {
  const listed = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable("the folder may not be read", cause);
  });
  const names = listed.filter((entry) => entry.isFile()).map((entry) => entry.name);
  const entries: SetEntry[] = [];
  for (const name of names.filter((candidate) => knownNames.has(candidate)).toSorted()) {
    const file = join(path, name);
    const { size } = await stat(file);
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
    throw unreadable(`the file ${name} may not be read, or not to its end`, cause);
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
  const zip = await openPromise(path, { autoClose: false, strictFileNames: true }).catch((cause: unknown) => {
    throw unreadable("the file is not a zip archive, or only a part of one", cause);
  });
  try {
    return await listZip(zip, limits);
  } catch (error) {
    zip.close();
    throw error;
  }
}

async function listZip(zip: ZipFile, limits: SetLimits): Promise<DeliveredSet> {
  const files = await checkedEntries(zip, limits);
  const known = files.filter((entry) => !isLitter(entry.fileName) && knownNames.has(basename(entry.fileName)));
  const folders = new Set(known.map((entry) => entry.fileName.slice(0, -basename(entry.fileName).length)));
  const [folder = ""] = folders;
  if (folders.size > 1 || folder.split("/").length > 2) {
    throw unreadable("the zip has its CSV files in several or nested folders, so that it is not clear which are meant");
  }
  const others = files.filter((entry) => !known.includes(entry)).map((entry) => entry.fileName);
  const root: SetNote[] = folder === "" ? [] : [{ code: "zip.root", file: printable(folder) }];
  const { otherNames, notes } = besideOf(others);
  let open = true;
  return {
    entries: known
      .map((entry) => ({
        name: basename(entry.fileName),
        bytes: entry.uncompressedSize,
        open: () => Promise.resolve(streamOf(entryBytes(zip, entry))),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    otherNames,
    notes: [...root, ...notes],
    close: () => {
      if (open) zip.close();
      open = false;
    },
  };
}

async function checkedEntries(zip: ZipFile, limits: SetLimits): Promise<readonly Entry[]> {
  if (zip.entryCount > limits.entries) throw unreadable(`the zip has more than ${limits.entries} entries`);
  const files: Entry[] = [];
  const names = new Set<string>();
  let total = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      if (names.has(entry.fileName)) throw unreadable(`the zip has two entries named ${printable(entry.fileName)}`);
      names.add(entry.fileName);
      if (entry.fileName.endsWith("/")) continue;
      total += entry.uncompressedSize;
      const fault = faultOf(entry, limits);
      if (fault !== null) throw unreadable(`the zip's entry ${printable(entry.fileName)} ${fault}`);
      files.push(entry);
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw unreadable("the zip's list of entries is damaged, or names a path outside the archive", cause);
  }
  if (total > limits.totalBytes) throw unreadable(`the zip would unpack to more than ${limits.totalBytes} bytes`);
  return files;
}

const stored = 0;
const deflated = 8;
const linkMode = 0xa000;

function faultOf(entry: Entry, limits: SetLimits): string | null {
  const { compressedSize, uncompressedSize } = entry;
  if (entry.isEncrypted()) return "is encrypted";
  if (entry.compressionMethod !== stored && entry.compressionMethod !== deflated) return "is not compressed by DEFLATE";
  if (((entry.externalFileAttributes >>> 16) & 0xf000) === linkMode) return "is a link";
  if (entry.fileName === "") return "has no name";
  if (uncompressedSize > limits.entryBytes) return `would unpack to more than ${limits.entryBytes} bytes`;
  if (uncompressedSize > 1e6 && uncompressedSize > compressedSize * limits.ratio) {
    return `would unpack to more than ${limits.ratio} times its size`;
  }
  return null;
}

/** The unpacked bytes; fails with `set.unreadable` when they are not those that were packed. */
async function* entryBytes(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer, void, undefined> {
  const sentence = `the zip's entry ${printable(entry.fileName)} is damaged`;
  let sum = 0;
  try {
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      const bytes: Buffer = chunk;
      sum = crc32(bytes, sum);
      yield bytes;
    }
  } catch (cause) {
    throw unreadable(sentence, cause);
  }
  if (sum !== entry.crc32 >>> 0) throw unreadable(sentence);
}
