// The files of a zip that a stranger sent.
// It keeps true: an archive of which two programs could read different files, or which unpacks to more than it says, is
// refused with its own fault; no archive within it is opened; no entry is held whole in memory; what an entry's name says
// is never a place that anything is written to.

import { open as openFile } from "node:fs/promises";
import { basename } from "node:path";
import { crc32 } from "node:zlib";

import { type Entry, getFileNameLowLevel, type ZipFile } from "yauzl";

import { AppError } from "../../errors.ts";
import { knownNames, printable } from "./file-names.ts";
import { type SetFault, unreadable } from "./unreadable.ts";
import { openZipFile } from "./zip-file.ts";

export type ZipLimits = {
  readonly entries: number;
  readonly entryBytes: number;
  readonly totalBytes: number;
  /** Uncompressed to compressed size of one entry larger than a megabyte; roster CSV reaches about thirty. */
  readonly ratio: number;
};

export type ArchiveFile = {
  /** With slashes, whatever packed it; no part of it climbs. */
  readonly path: string;
  /** Uncompressed size as the archive has it. */
  readonly bytes: number;
  /** The unpacked bytes, from the beginning at each call; fails with `set.unreadable` when they are not as packed. */
  readonly read: () => AsyncGenerator<Buffer, void, undefined>;
};

export type Archive = {
  readonly files: readonly ArchiveFile[];
  /** Called twice it changes nothing. */
  readonly close: () => void;
};

/** An entry with its name as text. */
type Named = { readonly entry: Entry; readonly path: string };

const stored = 0;
const deflated = 8;
const localHeaderBytes = 30;
const strongEncryption = 0x40;
const maskedHeaders = 0x2000;
/** Names, extra fields and comments of all entries; a thousand honest ones have a tenth of it. */
const listBytesMost = 1_000_000;

/** @throws AppError `set.unreadable` when it is no zip, or one that cannot be trusted. */
export async function openArchive(path: string, limits: ZipLimits): Promise<Archive> {
  const head = await headOf(path);
  const zip = await openZipFile(path).catch((cause: unknown) => {
    throw unopened(head, cause);
  });
  try {
    if (zip.entryCount > limits.entries)
      throw unreadable("zip.entries", `the zip has more than ${limits.entries} entries`);
    const entries = await listed(zip);
    checkNames(entries);
    const files = entries.filter((entry) => !entry.path.endsWith("/"));
    checkSizes(files, limits);
    checkPlaces(entries, zip.fileSize);
    for (const file of files) if (isKnown(file.path)) await checkHeader(zip, file);
    return archiveOf(zip, files);
  } catch (error) {
    zip.close();
    throw error;
  }
}

function archiveOf(zip: ZipFile, files: readonly Named[]): Archive {
  return {
    files: files.map((file) => ({
      path: file.path,
      bytes: file.entry.uncompressedSize,
      read: () => entryBytes(zip, file),
    })),
    // yauzl's own close does nothing the second time.
    close: () => zip.close(),
  };
}

const isKnown = (path: string): boolean => knownNames.has(basename(path));

const otherFormats: readonly (readonly [start: string, name: string])[] = [
  ["Rar!", "a RAR archive"],
  ["7z\u00bc\u00af", "a 7-Zip archive"],
  ["\u001f\u008b", "a file compressed with gzip"],
];

async function headOf(path: string): Promise<string> {
  const file = await openFile(path).catch((cause: unknown) => {
    throw unreadable("file.denied", "the file may not be read", cause);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString("latin1", 0, bytesRead);
  } catch (cause) {
    throw unreadable("file.denied", "the file may not be read", cause);
  } finally {
    await file.close();
  }
}

/** Why yauzl did not open the file; by its words, which tests hold. */
function unopened(head: string, cause: unknown): AppError {
  const words = cause instanceof Error ? cause.message : "";
  if (words.startsWith("multi-disk"))
    return unreadable("zip.parts", "the zip is one of several parts: send one that is whole", cause);
  if (words.startsWith("Invalid comment length")) {
    const sentence = "the zip goes on after its end, or has a comment that looks like another end";
    return unreadable("zip.trailing", sentence, cause);
  }
  if (!words.startsWith("End of central directory")) return unreadable("zip.end", "the zip's end is damaged", cause);
  const other = otherFormats.find(([start]) => head.startsWith(start));
  if (other !== undefined) return unreadable("zip.other_format", `the file is ${other[1]}, not a zip archive`, cause);
  if (head.startsWith("PK")) return unreadable("zip.part", "the file is only a part of a zip archive", cause);
  return unreadable("zip.none", "the file is not a zip archive", cause);
}

async function listed(zip: ZipFile): Promise<readonly Named[]> {
  const found: Named[] = [];
  let bytes = 0;
  try {
    for await (const entry of zip.eachEntry()) {
      bytes += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
      if (bytes > listBytesMost)
        throw unreadable("zip.list_bytes", `the zip's list of entries has more than ${listBytesMost} bytes of names`);
      found.push(namedOf(entry));
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    if (cause instanceof Error && cause.message.startsWith("strong encryption"))
      throw unreadable("zip.encrypted", "the zip is encrypted", cause);
    throw unreadable("zip.list", "the zip's list of entries is damaged", cause);
  }
  return found;
}

function namedOf(entry: Entry): Named {
  const { generalPurposeBitFlag: flags, fileNameRaw, extraFields } = entry;
  const path = getFileNameLowLevel(flags, fileNameRaw, extraFields, false);
  const plain = getFileNameLowLevel(flags, fileNameRaw, [], false);
  // A second name is meant for letters that the first cannot have: ours need none.
  if (plain !== path && (isKnown(path) || isKnown(plain)))
    throw unreadable("zip.two_names", `the zip's entry ${printable(plain)} has a second name, ${printable(path)}`);
  return { entry, path };
}

function checkNames(entries: readonly Named[]): void {
  const paths = new Set<string>();
  for (const { path } of entries) {
    const said = `the zip's entry ${printable(path)}`;
    if (path === "") throw unreadable("zip.nameless", "the zip has an entry without a name");
    if (/^(?:\/|[a-z]:)/iu.test(path)) throw unreadable("zip.absolute", `${said} names a place outside the archive`);
    if (path.split("/").includes("..")) throw unreadable("zip.climbs", `${said} climbs to a place outside the archive`);
    if (paths.has(path)) throw unreadable("zip.twice", `the zip has two entries named ${printable(path)}`);
    paths.add(path);
  }
  const known = new Map([...paths].flatMap((path) => (isKnown(path) ? [[path.toLowerCase(), path]] : [])));
  for (const path of paths) {
    const twin = known.get(path.toLowerCase());
    if (twin === undefined || twin === path) continue;
    const names = `${printable(twin)} and ${printable(path)}`;
    throw unreadable("zip.case", `the zip has entries whose names differ in case alone: ${names}`);
  }
}

function checkSizes(files: readonly Named[], limits: ZipLimits): void {
  let total = 0;
  for (const { entry, path } of files) {
    total += entry.uncompressedSize;
    const found = faultOf(entry, limits);
    if (found !== null) throw unreadable(found[0], `the zip's entry ${printable(path)} ${found[1]}`);
  }
  if (total > limits.totalBytes)
    throw unreadable("zip.total_bytes", `the zip would unpack to more than ${limits.totalBytes} bytes`);
}

function faultOf(entry: Entry, limits: ZipLimits): readonly [SetFault, string] | null {
  const { compressedSize, uncompressedSize, compressionMethod } = entry;
  const isMasked = (entry.generalPurposeBitFlag & (strongEncryption | maskedHeaders)) !== 0;
  if (entry.isEncrypted() || isMasked) return ["zip.encrypted", "is encrypted"];
  if (compressionMethod !== stored && compressionMethod !== deflated)
    return ["zip.method", "is not compressed by DEFLATE"];
  const kind = unixKindOf(entry);
  if (kind === "link") return ["zip.link", "is a link"];
  if (kind === "other") return ["zip.special", "is no plain file"];
  if (compressionMethod === stored && compressedSize !== uncompressedSize)
    return ["zip.stored_bytes", "is not compressed and has two sizes"];
  if (uncompressedSize > limits.entryBytes)
    return ["zip.entry_bytes", `would unpack to more than ${limits.entryBytes} bytes`];
  if (uncompressedSize > 1e6 && uncompressedSize > compressedSize * limits.ratio)
    return ["zip.ratio", `would unpack to more than ${limits.ratio} times its size`];
  return null;
}

const unixHosts: readonly number[] = [3, 19];

function unixKindOf({ externalFileAttributes, versionMadeBy }: Entry): "file" | "link" | "other" {
  const type = (externalFileAttributes >>> 16) & 0xf000;
  if (type === 0xa000) return "link";
  return type === 0 || type === 0x8000 || !unixHosts.includes(versionMadeBy >>> 8) ? "file" : "other";
}

/** Entries lie one after another from the first byte on. The local header's own extra field is not counted. */
function checkPlaces(entries: readonly Named[], fileSize: number): void {
  const placed = entries.toSorted((a, b) => startOf(a) - startOf(b));
  if (startOf(placed[0]) > 0)
    throw unreadable("zip.prefix", "the zip begins with something else, as a self-extracting program does");
  for (const [index, { entry, path }] of placed.entries()) {
    const end = entry.relativeOffsetOfLocalHeader + localHeaderBytes + entry.fileNameRaw.length + entry.compressedSize;
    if (end > fileSize) throw unreadable("zip.over_end", `the zip's entry ${printable(path)} ends after the zip does`);
    const next = placed[index + 1];
    if (next === undefined || startOf(next) >= end) continue;
    const names = `${printable(path)} and ${printable(next.path)}`;
    throw unreadable("zip.overlap", `the zip has entries that share their bytes: ${names}`);
  }
}

const startOf = (named: Named | undefined): number => named?.entry.relativeOffsetOfLocalHeader ?? 0;

/** Programs that read from the front go by what stands before the bytes: it has to be what the list says. */
async function checkHeader(zip: ZipFile, { entry, path }: Named): Promise<void> {
  const said = `the zip's entry ${printable(path)}`;
  const header = await zip.readLocalFileHeaderPromise(entry).catch((cause: unknown) => {
    throw unreadable("zip.place", `${said} does not begin where the list of entries says`, cause);
  });
  const name = header.fileName.toString("latin1").replaceAll("\\", "/");
  if (name !== path || header.compressionMethod !== entry.compressionMethod)
    throw unreadable("zip.header", `${said} is described otherwise before its bytes than in the list of entries`);
}

async function* entryBytes(zip: ZipFile, { entry, path }: Named): AsyncGenerator<Buffer, void, undefined> {
  const said = `the zip's entry ${printable(path)}`;
  let sum = 0;
  let bytes = 0;
  try {
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      const unpacked: Buffer = chunk;
      bytes += unpacked.length;
      if (bytes > entry.uncompressedSize)
        throw unreadable("zip.longer", `${said} unpacks to more bytes than the zip says`);
      sum = crc32(unpacked, sum);
      yield unpacked;
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw unreadable("zip.damaged", `${said} is damaged`, cause);
  }
  if (bytes < entry.uncompressedSize)
    throw unreadable("zip.shorter", `${said} unpacks to fewer bytes than the zip says`);
  if (sum !== entry.crc32 >>> 0) throw unreadable("zip.damaged", `${said} is damaged`);
}
