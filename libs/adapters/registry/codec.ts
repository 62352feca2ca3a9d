// Records as bytes: the Confluent wire format (magic 0, schema id in four big-endian bytes, Avro) over any registry.
// It keeps true that what is written carries the id of its record's current schema, that what is read arrives in the
// current schema whichever form wrote it, and that no message repeats a value. Null values never come here: they are
// tombstones, not records.

import avsc from "avsc";
import { assert } from "../../domain/assert.ts";
import { AppError } from "../../errors.ts";
import type { SchemaRegistry } from "../../ports.ts";

/** Writes records of one name. */
export interface Encoder {
  readonly recordName: string;
  /**
   * The framed bytes: a view of a slab which is never written again, so it may be kept; copy it if it outlives its batch by far.
   * @throws Error naming the field whose value does not fit the schema: a bug, so it is an assertion.
   */
  encode(value: object): Uint8Array;
}

/** A record as read. `value` is in the current schema of `name`. */
export type DecodedRecord = { readonly name: string; readonly value: unknown };

export interface Codec {
  /** @throws AppError `registry.unknown-schema` when no record of that name is registered. */
  encoder(recordName: string): Encoder;
  /**
   * @throws AppError `registry.undecodable` (permanent) when the bytes are not what they say, `registry.unknown-schema`
   * when their schema was not known when the codec was opened: {@link Codec.load} it, then try again.
   */
  decode(bytes: Uint8Array): DecodedRecord;
  /** Loads the schema of these bytes unless it is known. @throws AppError `registry.unknown-schema`. */
  load(bytes: Uint8Array): Promise<void>;
}

const frameBytes = 5;
const slabBytes = 256 * 1024;

type Reading = { readonly name: string; readonly reader: avsc.Type; readonly resolver: avsc.Resolver | undefined };
type Writing = { readonly id: number; readonly type: avsc.Type };

/** Opens a codec that knows every schema which the registry has now. */
export async function openCodec(registry: SchemaRegistry): Promise<Codec> {
  const codec = new RegistryCodec(registry);
  for (const id of await registry.ids()) await codec.learn(id);
  return codec;
}

class RegistryCodec implements Codec {
  readonly #registry: SchemaRegistry;
  readonly #writings = new Map<string, Writing>();
  readonly #readings = new Map<number, Reading>();
  readonly #slab = new Slab();

  constructor(registry: SchemaRegistry) {
    this.#registry = registry;
  }

  async learn(id: number): Promise<void> {
    const written = compile(await this.#registry.schemaOf(id));
    const name = written.name ?? "";
    const { id: currentId, type: reader } = await this.#writing(name);
    const resolver = id === currentId ? undefined : reader.createResolver(written);
    this.#readings.set(id, { name, reader, resolver });
  }

  async #writing(name: string): Promise<Writing> {
    const known = this.#writings.get(name);
    if (known !== undefined) return known;
    const id = await this.#registry.idOf(name);
    const writing = { id, type: compile(await this.#registry.schemaOf(id)) };
    this.#writings.set(name, writing);
    return writing;
  }

  encoder(recordName: string): Encoder {
    const writing = this.#writings.get(recordName);
    if (writing === undefined) throw new AppError("registry.unknown-schema", { details: { schema: recordName } });
    return { recordName, encode: (value) => this.#slab.write(writing, value) };
  }

  decode(bytes: Uint8Array): DecodedRecord {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const id = schemaId(buffer);
    const reading = this.#readings.get(id);
    if (reading === undefined) throw new AppError("registry.unknown-schema", { details: { schema: String(id) } });
    return { name: reading.name, value: body(buffer, reading) };
  }

  async load(bytes: Uint8Array): Promise<void> {
    const id = schemaId(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    if (!this.#readings.has(id)) await this.learn(id);
  }
}

/** Memory that is filled from front to back and then left to its readers. */
class Slab {
  #buffer = Buffer.allocUnsafeSlow(slabBytes);
  #at = 0;

  write({ id, type }: Writing, value: object): Uint8Array {
    for (;;) {
      const start = this.#at;
      const end =
        start + frameBytes > this.#buffer.length
          ? -frameBytes
          : encodeInto(type, value, this.#buffer, start + frameBytes);
      if (end >= 0) {
        this.#buffer[start] = 0;
        this.#buffer.writeUInt32BE(id, start + 1);
        this.#at = end;
        return this.#buffer.subarray(start, end);
      }
      // What is missing is counted from here; a record that is larger than a slab gets one of its own.
      const needed = this.#buffer.length - start - end;
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(slabBytes, needed));
      this.#at = 0;
    }
  }
}

function encodeInto(type: avsc.Type, value: object, buffer: Buffer, at: number): number {
  try {
    return type.encode(value, buffer, at);
  } catch {
    // avsc's own message holds the value, which may be a person's; the path says enough.
    const paths: string[] = [];
    type.isValid(value, { errorHook: (path) => void paths.push(path.join(".")) });
    throw new Error(
      `assertion failed: a value fits ${type.name ?? "its schema"} (${paths.join(", ") || "unknown field"})`,
    );
  }
}

function body(buffer: Buffer, { name, reader, resolver }: Reading): unknown {
  const undecodable = { details: { schema: name, bytes: buffer.length } };
  let decoded: { readonly value: unknown; readonly offset: number };
  try {
    decoded = reader.decode(buffer, frameBytes, resolver);
  } catch {
    throw new AppError("registry.undecodable", undecodable);
  }
  if (decoded.offset !== buffer.length) throw new AppError("registry.undecodable", undecodable);
  return decoded.value;
}

function schemaId(buffer: Buffer): number {
  if (buffer.length >= frameBytes && buffer[0] === 0) return buffer.readUInt32BE(1);
  throw new AppError("registry.undecodable", {
    message: "decoding a record that does not begin with magic byte and schema id",
    details: { bytes: buffer.length },
  });
}

function compile(schema: unknown): avsc.Type {
  assert(typeof schema === "object" && schema !== null, "a registered schema is an object");
  // A registry of its own: else the second schema that names a record would find the first one's.
  return avsc.Type.forSchema(schema as avsc.Schema, { registry: {}, omitRecordMethods: true, wrapUnions: "never" });
}
