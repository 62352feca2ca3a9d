// The log's unit on disk: up to a thousand records in one compressed block.
// It keeps true that a record comes back byte for byte, an absent value as null, and that reading is lazy: a key or a
// value is a slice of the block, made when it is asked for.
//
//   block    one byte (0 plain, 1 zstd), then the payload
//   payload  u32 count; per record u32 offset - first, key bytes, value bytes (all ones: null), header bytes;
//            then per record key, value, headers
//   headers  per header u16 name bytes, name, u32 value bytes, value
//
// All numbers are little-endian. The first byte leaves room for another form.

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { assert } from "../../domain/assert.ts";
import { AppError } from "../../errors.ts";
import type { NewRecord, StoredRecord } from "../../ports.ts";

/** Records in one block. */
export type Block = { readonly records: number; readonly bytes: Buffer };

/** A record that keeps its place when a block is written again. */
export type PlacedRecord = NewRecord & { readonly offset: number };

export const mostRecords = 1_000;
const mostBytes = 1024 * 1024;
const largestRecord = 16 * 1024 * 1024;
const countBytes = 4;
const entryBytes = 16;
const nullLength = 0xffff_ffff;
const plain = 0;
const zstd = 1;
// Below this the frame and the dictionary-less start cost more than they save.
const worthCompressing = 256;
const shortText = 64;
const level = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } };

/**
 * The records as blocks, in order, each within the limits on count and size.
 * @throws AppError `log.record-too-large` naming its place in the list, before anything is returned.
 */
export function encodeBlocks(records: readonly NewRecord[]): readonly Block[] {
  const blocks: Block[] = [];
  for (let from = 0; from < records.length;) {
    const block = encodeFrom(records, from, (_, index) => index);
    blocks.push(block);
    from += block.records;
  }
  return blocks;
}

/** One block of records that have their offsets already, which grow from `first`; there are no more than it had before. */
export function encodeKept(records: readonly PlacedRecord[], first: number): Block {
  const block = encodeFrom(records, 0, (record) => record.offset - first);
  assert(block.records === records.length, "records that were one block fit into one block");
  return block;
}

// One scratch for all: encoding never waits, so nobody else can be in the middle of it.
let scratch = Buffer.allocUnsafeSlow(4 * mostBytes);

function encodeFrom<R extends NewRecord>(
  records: readonly R[],
  from: number,
  place: (record: R, index: number) => number,
): Block {
  const most = Math.min(records.length - from, mostRecords);
  const bodies = countBytes + most * entryBytes;
  let at = bodies;
  let count = 0;
  while (count < most && (count === 0 || at < bodies + mostBytes)) {
    const record = records[from + count];
    if (record === undefined) break;
    at = writeRecord(record, {
      entry: countBytes + count * entryBytes,
      at,
      place: place(record, count),
      index: from + count,
    });
    count++;
  }
  // The index was given room for `most`; what it did not need is closed up.
  const unused = (most - count) * entryBytes;
  if (unused > 0) scratch.copyWithin(bodies - unused, bodies, at);
  scratch.writeUInt32LE(count, 0);
  return { records: count, bytes: block(scratch.subarray(0, at - unused)) };
}

function block(payload: Buffer): Buffer {
  const isPlain = payload.length < worthCompressing;
  return Buffer.concat([Buffer.of(isPlain ? plain : zstd), isPlain ? payload : zstdCompressSync(payload, level)]);
}

type Spot = { readonly entry: number; readonly at: number; readonly place: number; readonly index: number };

function writeRecord({ key, value, headers }: NewRecord, { entry, at, place, index }: Spot): number {
  // Before writing only the most that it can be is known: a UTF-16 unit is at most three bytes.
  const most = 3 * key.length + (value?.length ?? 0) + (headers === undefined ? 0 : headersMost(headers));
  if (most > largestRecord) throw new AppError("log.record-too-large", { details: { index, bytes: most } });
  reserve(at + most);
  const keyEnd = at + put(key, at);
  const valueEnd = keyEnd + (value === null ? 0 : put(value, keyEnd));
  const end = headers === undefined ? valueEnd : writeHeaders(headers, valueEnd);
  scratch.writeUInt32LE(place, entry);
  scratch.writeUInt32LE(keyEnd - at, entry + 4);
  scratch.writeUInt32LE(value === null ? nullLength : valueEnd - keyEnd, entry + 8);
  scratch.writeUInt32LE(end - valueEnd, entry + 12);
  return end;
}

function put(bytes: string | Uint8Array, at: number): number {
  if (typeof bytes === "string") return putText(bytes, at);
  scratch.set(bytes, at);
  return bytes.length;
}

/** Names and ids are short and ASCII: a loop over them costs less than a call out of JavaScript. */
function putText(text: string, at: number): number {
  const { length } = text;
  if (length > shortText) return scratch.write(text, at, "utf8");
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return scratch.write(text, at, "utf8");
    scratch[at + i] = unit;
  }
  return length;
}

function headersMost(headers: Readonly<Record<string, string>>): number {
  let most = 0;
  for (const name of Object.keys(headers)) most += 6 + 3 * (name.length + (headers[name]?.length ?? 0));
  return most;
}

function writeHeaders(headers: Readonly<Record<string, string>>, start: number): number {
  let at = start;
  for (const name of Object.keys(headers)) {
    const nameBytes = putText(name, at + 2);
    const valueBytes = putText(headers[name] ?? "", at + 6 + nameBytes);
    scratch.writeUInt16LE(nameBytes, at);
    scratch.writeUInt32LE(valueBytes, at + 2 + nameBytes);
    at += 6 + nameBytes + valueBytes;
  }
  return at;
}

function reserve(length: number): void {
  if (length <= scratch.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * scratch.length));
  larger.set(scratch);
  scratch = larger;
}

/** Where a block stands in its topic. */
export type BlockPlace = { readonly first: number; readonly appendedAt: number };

/** The records of a block whose offsets lie in `[from, to)`, in order. */
export function decodeBlock(
  bytes: Buffer,
  { first, appendedAt }: BlockPlace,
  { from, to }: { readonly from: number; readonly to: number },
): readonly StoredRecord[] {
  const payload = payloadOf(bytes);
  const count = payload.readUInt32LE(0);
  const records: StoredRecord[] = [];
  let at = countBytes + count * entryBytes;
  for (let entry = countBytes; entry < countBytes + count * entryBytes; entry += entryBytes) {
    const offset = first + payload.readUInt32LE(entry);
    const keyEnd = at + payload.readUInt32LE(entry + 4);
    const valueLength = payload.readUInt32LE(entry + 8);
    const valueEnd = valueLength === nullLength ? -1 : keyEnd + valueLength;
    const headersStart = valueEnd === -1 ? keyEnd : valueEnd;
    const end = headersStart + payload.readUInt32LE(entry + 12);
    if (offset >= from && offset < to)
      records.push(new BlockRecord(payload, { offset, appendedAt, at, keyEnd, valueEnd, end }));
    at = end;
  }
  assert(at === payload.length, "a block ends with its last record");
  return records;
}

function payloadOf(bytes: Buffer): Buffer {
  const form = bytes[0];
  assert(form === plain || form === zstd, "a block is plain or zstd");
  return form === plain ? bytes.subarray(1) : zstdDecompressSync(bytes.subarray(1));
}

type Bounds = {
  readonly offset: number;
  readonly appendedAt: number;
  readonly at: number;
  readonly keyEnd: number;
  /** -1: the value is null. */
  readonly valueEnd: number;
  readonly end: number;
};

class BlockRecord implements StoredRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly #payload: Buffer;
  readonly #at: number;
  readonly #keyEnd: number;
  readonly #valueEnd: number;
  readonly #end: number;
  #key: Uint8Array | undefined;
  #value: Uint8Array | undefined;

  constructor(payload: Buffer, { offset, appendedAt, at, keyEnd, valueEnd, end }: Bounds) {
    this.offset = offset;
    this.timestamp = appendedAt;
    this.#payload = payload;
    this.#at = at;
    this.#keyEnd = keyEnd;
    this.#valueEnd = valueEnd;
    this.#end = end;
  }

  get key(): Uint8Array {
    return (this.#key ??= this.#payload.subarray(this.#at, this.#keyEnd));
  }

  get value(): Uint8Array | null {
    if (this.#valueEnd === -1) return null;
    return (this.#value ??= this.#payload.subarray(this.#keyEnd, this.#valueEnd));
  }

  header(name: string): string | undefined {
    const payload = this.#payload;
    for (let at = this.#headersStart(); at < this.#end;) {
      const nameEnd = at + 2 + payload.readUInt16LE(at);
      const valueEnd = nameEnd + 4 + payload.readUInt32LE(nameEnd);
      if (isText(payload, { start: at + 2, end: nameEnd }, name))
        return valueText(payload, nameEnd + 4, valueEnd, name);
      at = valueEnd;
    }
    return undefined;
  }

  headers(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#headers());
  }

  *#headers(): Generator<readonly [string, string]> {
    const payload = this.#payload;
    for (let at = this.#headersStart(); at < this.#end;) {
      const nameEnd = at + 2 + payload.readUInt16LE(at);
      const valueEnd = nameEnd + 4 + payload.readUInt32LE(nameEnd);
      yield [payload.toString("utf8", at + 2, nameEnd), payload.toString("utf8", nameEnd + 4, valueEnd)];
      at = valueEnd;
    }
  }

  #headersStart(): number {
    return this.#valueEnd === -1 ? this.#keyEnd : this.#valueEnd;
  }
}

/** The last value read of each header: records of a range share most of theirs, and comparing costs less than decoding. */
const lastValues = new Map<string, string>();

function valueText(payload: Buffer, start: number, end: number, name: string): string {
  const last = lastValues.get(name);
  if (last !== undefined && isText(payload, { start, end }, last)) return last;
  const value = payload.toString("utf8", start, end);
  lastValues.set(name, value);
  return value;
}

function isText(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  text: string,
): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return bytes.toString("utf8", start, end) === text;
    if (bytes[start + i] !== unit) return false;
  }
  return end - start === text.length;
}
