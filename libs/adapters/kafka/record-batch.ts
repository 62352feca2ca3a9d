// Kafka's unit on disk and on the wire: the record batch (format 2), encoded in one pass and decoded lazily.
// It keeps true that a batch's last offset is known also when compaction took its last records or all of them, that no
// number of records overflows anything, and that a record holds slices only: nothing is copied until somebody does.
// https://kafka.apache.org/documentation/#recordbatch

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { AppError } from "../../errors.ts";
import type { NewRecord, StoredRecord } from "../../ports.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

/** Records in one batch, and their bytes: within what was measured to be read without a stall. */
export const mostRecords = 1_000;
export const mostBytes = 256 * 1024;
/** The largest record, which then has a batch of its own: a little below the brokers' default limit of a batch. */
export const largestRecord = 1_000_000;

const headBytes = 61;
const crcStart = 21;
const lengthStart = 12;
const sequenceStart = 53;

/** Who writes a batch, and its place among what this producer wrote. */
export type Producer = { readonly producerId: bigint; readonly producerEpoch: number };

export type EncodedBatch = { readonly records: number; readonly bytes: Buffer };

/**
 * The records as batches, in order, each within the limits on count and size.
 * @throws AppError `log.record-too-large` naming its place in the list, before anything is returned.
 */
export function encodeBatches(
  records: readonly NewRecord[],
  about: Producer & { readonly firstSequence: number; readonly now: number },
): readonly EncodedBatch[] {
  const batches: EncodedBatch[] = [];
  for (let from = 0; from < records.length;) {
    const batch = encodeFrom(records, from, { ...about, sequence: nextSequence(about.firstSequence, from) });
    batches.push(batch);
    from += batch.records;
  }
  return batches;
}

/** Sequences are 31 bits and begin again at 0. */
export function nextSequence(sequence: number, records: number): number {
  return (sequence + records) % 2 ** 31;
}

type Encoding = Producer & { readonly sequence: number; readonly now: number };

function encodeFrom(records: readonly NewRecord[], from: number, about: Encoding): EncodedBatch {
  const out = new ByteWriter(64 * 1024);
  out.at = headBytes;
  let count = 0;
  for (; count < mostRecords && from + count < records.length; count++) {
    const record = records[from + count];
    if (record === undefined) break;
    const before = out.at;
    writeRecord(out, record, count);
    const bytes = out.at - before;
    if (bytes > largestRecord) throw new AppError("log.record-too-large", { details: { index: from + count, bytes } });
    if (out.at > mostBytes && count > 0) {
      out.at = before;
      break;
    }
  }
  const end = out.at;
  out.at = 0;
  out
    .int64(0)
    .int32(end - lengthStart)
    .int32(-1)
    .int8(2)
    .int32(0)
    .int16(0)
    .int32(count - 1);
  out.int64(about.now).int64(about.now).int64(about.producerId).int16(about.producerEpoch);
  out.int32(about.sequence).int32(count);
  out.bytes.writeUInt32BE(crc32c(out.bytes, crcStart, end), crcStart - 4);
  return { records: count, bytes: out.bytes.subarray(0, end) };
}

/** The producer's sequence of an encoded batch. */
export function sequenceOf({ bytes }: EncodedBatch): number {
  return bytes.readInt32BE(sequenceStart);
}

function writeRecord(out: ByteWriter, { key, value, headers }: NewRecord, place: number): void {
  const keyLength = byteLength(key);
  const names = headers === undefined ? [] : Object.keys(headers);
  // Attributes and time difference take a byte each, every length at most five.
  let most = 2 + 5 + 5 + keyLength + 5 + (value?.length ?? 0) + 5;
  for (const name of names) most += 10 + 3 * (name.length + (headers?.[name]?.length ?? 0));
  out.reserve(most + 5);
  // The length comes first and is known last: room for three bytes is right for nearly all, and closed up or widened.
  const start = out.at;
  out.at = start + 3;
  out.bytes[out.at++] = 0;
  out.bytes[out.at++] = 0;
  out.varint(place).varint(keyLength);
  put(out, key, keyLength);
  if (value === null) out.varint(-1);
  else out.varint(value.length).raw(value);
  out.varint(names.length);
  for (const name of names) {
    putText(out, name);
    putText(out, headers?.[name] ?? "");
  }
  const body = out.at - start - 3;
  const room = varintBytes(body);
  if (room !== 3) out.bytes.copyWithin(start + room, start + 3, out.at);
  out.at = start;
  out.varint(body);
  out.at = start + room + body;
}

function varintBytes(value: number): number {
  return value < 2 ** 6 ? 1 : value < 2 ** 13 ? 2 : value < 2 ** 20 ? 3 : 4;
}

function byteLength(bytes: string | Uint8Array): number {
  return typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length;
}

function put(out: ByteWriter, bytes: string | Uint8Array, length: number): void {
  if (typeof bytes === "string") out.utf8(bytes, length);
  else out.raw(bytes);
}

function putText(out: ByteWriter, text: string): void {
  const length = Buffer.byteLength(text);
  out.varint(length).utf8(text, length);
}

/** Castagnoli's polynomial, which Kafka uses and zlib does not have. */
let table: Int32Array | undefined;

function crc32c(bytes: Buffer, start: number, end: number): number {
  const known = (table ??= crcTable());
  let crc = -1;
  for (let i = start; i < end; i++) crc = (known[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

function crcTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    return crc;
  });
}

/** A batch as fetched: `next` is the offset after its last one, whether or not that record is still there. */
export type DecodedBatch = { readonly next: number; readonly records: readonly StoredRecord[] };

/**
 * The batches of a fetched set, in order; the last one may have been cut off by the fetch and is left out.
 * Only records of `[from, to)` are in them.
 * @throws AppError `registry.undecodable` for a batch of another format or with a compression that nobody here writes.
 */
export function* decodeBatches(
  set: Buffer,
  { from, to }: { readonly from: number; readonly to: number },
): Generator<DecodedBatch> {
  for (let at = 0; at + headBytes <= set.length;) {
    const end = at + lengthStart + set.readInt32BE(at + 8);
    if (end > set.length) return;
    const batch = new ByteReader(set.subarray(at, end));
    at = end;
    const decoded = decodeBatch(batch, { from, to });
    yield decoded;
    if (decoded.next >= to) return;
  }
}

function decodeBatch(batch: ByteReader, { from, to }: { readonly from: number; readonly to: number }): DecodedBatch {
  const first = batch.int64();
  batch.at = crcStart - 5;
  const magic = batch.int8();
  if (magic !== 2)
    throw undecodable(`in record format ${magic}, which brokers stopped writing long ago`, {
      from: first,
      next: first,
    });
  batch.at = crcStart;
  const attributes = batch.int16();
  const next = first + batch.int32() + 1;
  const firstTime = batch.int64();
  const lastTime = batch.int64();
  batch.at = headBytes - 4;
  const count = batch.int32();
  // Control batches end transactions of other producers: they hold nothing to read.
  if (next <= from || first >= to || (attributes & 0x20) !== 0) return { next, records: [] };
  // Whether it was committed is not known here, and an aborted one must not be taken for work.
  if ((attributes & 0x10) !== 0)
    throw undecodable("of a transaction: let its producer write without them", { from: first, next });
  const body = new ByteReader(
    plainBytes(batch.slice(batch.bytes.length - headBytes), attributes & 7, { from: first, next }),
  );
  const appendedAt = (attributes & 8) === 0 ? null : lastTime;
  const records: StoredRecord[] = [];
  for (let i = 0; i < count; i++) {
    const record = readRecord(body, { first, firstTime, appendedAt });
    if (record.offset >= from && record.offset < to) records.push(record);
  }
  return { next, records };
}

function plainBytes(bytes: Buffer, compression: number, place: Offsets): Buffer {
  if (compression === 0) return bytes;
  if (compression === 1) return gunzipSync(bytes);
  if (compression === 4) return zstdDecompressSync(bytes);
  throw undecodable(
    `with compression ${compression}: let the topic have compression.type=zstd, and brokers convert it`,
    place,
  );
}

type Offsets = { readonly from: number; readonly next: number };

function undecodable(why: string, details: Offsets): AppError {
  return new AppError("registry.undecodable", { message: `decoding a batch of records ${why}`, details });
}

type BatchPlace = { readonly first: number; readonly firstTime: number; readonly appendedAt: number | null };

function readRecord(body: ByteReader, { first, firstTime, appendedAt }: BatchPlace): BatchRecord {
  const length = body.varint();
  const end = body.at + length;
  body.at += 1;
  const timestamp = appendedAt ?? firstTime + body.varlong();
  if (appendedAt !== null) skipVarint(body);
  const offset = first + body.varint();
  // A null key cannot stand on a compacted topic; elsewhere a foreign producer may have left it out.
  const keyLength = Math.max(0, body.varint());
  const keyStart = body.at;
  body.at = keyStart + keyLength;
  const valueLength = body.varint();
  const valueStart = body.at;
  const headersStart = valueStart + Math.max(0, valueLength);
  body.at = end;
  return new BatchRecord(body.bytes, { offset, timestamp, keyStart, keyLength, valueStart, valueLength, headersStart });
}

function skipVarint(body: ByteReader): void {
  while (body.bytes.readUInt8(body.at++) > 0x7f);
}

type Bounds = {
  readonly offset: number;
  readonly timestamp: number;
  readonly keyStart: number;
  readonly keyLength: number;
  readonly valueStart: number;
  /** -1: the value is null. */
  readonly valueLength: number;
  readonly headersStart: number;
};

class BatchRecord implements StoredRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly #bytes: Buffer;
  readonly #bounds: Bounds;

  constructor(bytes: Buffer, bounds: Bounds) {
    this.offset = bounds.offset;
    this.timestamp = bounds.timestamp;
    this.#bytes = bytes;
    this.#bounds = bounds;
  }

  get key(): Uint8Array {
    const { keyStart, keyLength } = this.#bounds;
    return this.#bytes.subarray(keyStart, keyStart + keyLength);
  }

  get value(): Uint8Array | null {
    const { valueStart, valueLength } = this.#bounds;
    return valueLength < 0 ? null : this.#bytes.subarray(valueStart, valueStart + valueLength);
  }

  header(name: string): string | undefined {
    const wanted = Buffer.from(name);
    for (const [key, value] of this.#entries()) if (wanted.equals(key)) return value.toString("utf8");
    return undefined;
  }

  headers(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#entries()].map(([key, value]) => [key.toString("utf8"), value.toString("utf8")]),
    );
  }

  *#entries(): Generator<readonly [Buffer, Buffer]> {
    const reader = new ByteReader(this.#bytes, this.#bounds.headersStart);
    for (let left = reader.varint(); left > 0; left--) {
      const name = reader.slice(reader.varint());
      yield [name, reader.slice(Math.max(0, reader.varint()))];
    }
  }
}
