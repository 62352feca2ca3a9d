// The bytes of entities and of their changes.
// A change is an Avro record whose last two fields hold whole entities. Avro writes a record as its fields one after the
// other, so a change is written as its head, then the bytes of the entity as it was delivered: nothing is decoded to be
// encoded again, and content is compared as bytes. A test decodes what is written here with the full schema.

import avsc from "avsc";

import { assert, unreachable } from "../../domain/assert.ts";
import { fingerprint, type Fingerprint } from "../../domain/fingerprint.ts";
import type { Entity } from "../../domain/oneroster/entities.ts";
import { descriptions } from "../../domain/oneroster/entities.ts";
import { type EntityType, entityTypes } from "../../domain/oneroster/entity-types.ts";
import { AppError } from "../../errors.ts";
import type { SchemaRegistry } from "../../ports.ts";

/** All of a change but its entities. `at` is epoch milliseconds. */
export type ChangeHead = {
  readonly op: string;
  readonly changeset: number;
  readonly at: number;
  readonly cause: string | null;
  readonly sources: readonly string[];
  readonly changed: readonly string[];
};

/** What a record of entities.<district> says of its key. `content` is the entity's Avro bytes, without the frame. */
export type Desire =
  | { readonly state: "content"; readonly type: EntityType; readonly content: Uint8Array }
  | { readonly state: "absent"; readonly reason: string }
  | { readonly state: "unknown"; readonly rule: string };

/** What a record of roster.<district> holds of an entity; of another kind of record: null. */
export type Change = { readonly type: EntityType; readonly head: ChangeHead; readonly content: Uint8Array };

const frameBytes = 5;
const nullBranch = 0;
const entityBranch = 2;

/** One entity type's schemas: ids of the wire, types of avsc. */
type EntityCodec = {
  readonly type: EntityType;
  readonly entityId: number;
  readonly changeId: number;
  readonly entity: avsc.Type;
};

/** How bytes written under some schema id become the bytes of the current schema. */
type Reading =
  | {
      readonly kind: "entity" | "change";
      readonly codec: EntityCodec;
      readonly convert: ((body: Buffer) => Buffer) | null;
    }
  | { readonly kind: "absent" | "unknown"; readonly decode: (body: Buffer) => unknown }
  | { readonly kind: "other" };

export class ChangeCodec {
  readonly #registry: SchemaRegistry;
  readonly #codecs = new Map<EntityType, EntityCodec>();
  readonly #readings = new Map<number, Reading>();
  readonly #head: avsc.Type;
  #slab = Buffer.allocUnsafeSlow(64 * 1024);

  private constructor(registry: SchemaRegistry, head: avsc.Type) {
    this.#registry = registry;
    this.#head = head;
  }

  /** Loads every schema that the registry has now: records of older forms are read as if of the current ones. */
  static async open(registry: SchemaRegistry): Promise<ChangeCodec> {
    const change = await schemaNamed(registry, "rollcall.roster.OrgChange");
    const codec = new ChangeCodec(registry, headType(change));
    for (const type of entityTypes) await codec.#load(type);
    for (const id of await registry.ids()) await codec.#learn(id);
    return codec;
  }

  async #load(type: EntityType): Promise<void> {
    const record = descriptions[type].record;
    const entityId = await this.#registry.idOf(`rollcall.entity.${record}`);
    const changeId = await this.#registry.idOf(`rollcall.roster.${record}Change`);
    const entity = avscType(await this.#registry.schemaOf(entityId));
    const codec = { type, entityId, changeId, entity };
    this.#codecs.set(type, codec);
    this.#readings.set(entityId, { kind: "entity", codec, convert: null });
    this.#readings.set(changeId, { kind: "change", codec, convert: null });
  }

  /** The framed change that says: the entity is now `content`. */
  encodeUpsert(type: EntityType, head: ChangeHead, content: Uint8Array): Buffer {
    return this.#encodeChange(type, head, { content, isAfter: true });
  }

  /** The framed change that says: the entity, which was `content`, is gone. */
  encodeDeleted(type: EntityType, head: ChangeHead, content: Uint8Array): Buffer {
    return this.#encodeChange(type, head, { content, isAfter: false });
  }

  #encodeChange(
    type: EntityType,
    head: ChangeHead,
    { content, isAfter }: { readonly content: Uint8Array; readonly isAfter: boolean },
  ): Buffer {
    const framedHead = this.#frameHead(this.#codecOf(type).changeId, head);
    const record = Buffer.allocUnsafe(framedHead.length + content.length + 2);
    record.set(framedHead, 0);
    let at = framedHead.length;
    if (isAfter) record[at++] = nullBranch;
    record[at++] = entityBranch;
    record.set(content, at);
    if (!isAfter) record[at + content.length] = nullBranch;
    return record;
  }

  /**
   * Reads a record of entities.<district>.
   * @throws AppError `registry.undecodable`, `registry.unknown-schema`.
   */
  desireOf(value: Uint8Array): Desire {
    const reading = this.#readingOf(value);
    const body = bodyOf(value);
    switch (reading.kind) {
      case "entity":
        return {
          state: "content",
          type: reading.codec.type,
          content: reading.convert === null ? body : reading.convert(body),
        };
      case "absent":
        return { state: "absent", reason: textField(reading.decode(body), "reason") };
      case "unknown":
        return { state: "unknown", rule: textField(reading.decode(body), "rule") };
      case "change":
      case "other":
        throw new AppError("registry.unknown-schema", { message: "an entity topic holds a record of another kind" });
      default:
        return unreachable(reading);
    }
  }

  /**
   * Reads a record of roster.<district>; null for markers and whatever else is no change of an entity.
   * @throws AppError `registry.undecodable`, `registry.unknown-schema`.
   */
  changeOf(value: Uint8Array): Change | null {
    const reading = this.#readingOf(value);
    if (reading.kind !== "change") return null;
    const body = reading.convert === null ? bodyOf(value) : reading.convert(bodyOf(value));
    const { value: head, offset } = decodeHead(this.#head, body);
    const hasBefore = body[offset] === entityBranch;
    const start = hasBefore ? offset + 1 : offset + 2;
    const content = body.subarray(start, hasBefore ? body.length - 1 : body.length);
    return { type: reading.codec.type, head, content };
  }

  /**
   * Reads a record of roster.<district> whose key is an entity's. One that holds anything else is never passed over:
   * whoever left it out would take the entity for one that is not there.
   * @throws AppError `registry.undecodable`, `registry.unknown-schema`.
   */
  changeAt(type: string, { value, offset }: { readonly value: Uint8Array; readonly offset: number }): Change {
    const change = this.changeOf(value);
    if (change?.type === type) return change;
    const details = { type, offset, schema: String(schemaId(value)) };
    throw new AppError("registry.undecodable", {
      message: `the record at offset ${offset} has a key of type ${type} and holds no change of that type: the schema registry may have given its ids anew`,
      details,
    });
  }

  /** Loads the schema of these bytes unless it is known. @throws AppError `registry.unknown-schema`. */
  async load(value: Uint8Array): Promise<void> {
    await this.#learn(schemaId(value));
  }

  #readingOf(value: Uint8Array): Reading {
    const id = schemaId(value);
    const reading = this.#readings.get(id);
    if (reading === undefined)
      throw new AppError("registry.unknown-schema", {
        message: `the schema ${id} was not known when this process started`,
      });
    return reading;
  }

  async #learn(id: number): Promise<void> {
    if (!this.#readings.has(id))
      this.#readings.set(id, await this.#readingFor(avscType(await this.#registry.schemaOf(id))));
  }

  async #readingFor(writer: avsc.Type): Promise<Reading> {
    const name = writer.name ?? "";
    const word = wordOf(name);
    if (word !== null) return { kind: word, decode: (body) => writer.fromBuffer(body) };
    for (const codec of this.#codecs.values()) {
      const record = descriptions[codec.type].record;
      if (name === `rollcall.entity.${record}`)
        return { kind: "entity", codec, convert: converter(writer, codec.entity) };
      if (name !== `rollcall.roster.${record}Change`) continue;
      const current = avscType(await this.#registry.schemaOf(codec.changeId));
      return { kind: "change", codec, convert: converter(writer, current) };
    }
    return { kind: "other" };
  }

  /** The entity of content bytes. */
  decodeEntity(type: EntityType, content: Uint8Array): Entity {
    const decoded = this.#codecOf(type).entity.fromBuffer(asBuffer(content)) as Entity;
    return { ...decoded, type } as Entity;
  }

  #codecOf(type: EntityType): EntityCodec {
    const codec = this.#codecs.get(type);
    assert(codec !== undefined, "every entity type has a codec");
    return codec;
  }

  /** Writes a framed head into the slab; the result is valid until the next call. */
  #frameHead(id: number, head: ChangeHead): Buffer {
    for (;;) {
      this.#slab[0] = 0;
      this.#slab.writeUInt32BE(id, 1);
      const end: number = this.#head.encode(head, this.#slab, frameBytes);
      if (end >= 0) return this.#slab.subarray(0, end);
      this.#slab = Buffer.allocUnsafeSlow((this.#slab.length - end) * 2);
    }
  }
}

/** Fingerprint of what an entity says: its bytes after `dateLastModified`, which alone is no change. */
export function contentFingerprint(content: Uint8Array, out: Fingerprint): void {
  let start = 1;
  if (content[0] === entityBranch) {
    while (((content[start] ?? 0) & 0x80) !== 0) start++;
    start++;
  }
  fingerprint(content, start, content.length, out);
}

/** What a record says that stands where an entity does not; null for records of other names. */
function wordOf(name: string): "absent" | "unknown" | null {
  if (name === "rollcall.entity.Absent") return "absent";
  return name === "rollcall.entity.Unknown" ? "unknown" : null;
}

function converter(writer: avsc.Type, reader: avsc.Type): (body: Buffer) => Buffer {
  const resolver = reader.createResolver(writer);
  return (body) => reader.toBuffer(reader.fromBuffer(body, resolver));
}

function decodeHead(type: avsc.Type, body: Buffer): { readonly value: ChangeHead; readonly offset: number } {
  const { value, offset } = type.decode(body, 0) as { value: ChangeHead; offset: number };
  if (offset < 0) throw new AppError("registry.undecodable", { message: "a change record ends within its head" });
  return { value, offset };
}

function headType(change: unknown): avsc.Type {
  const { fields } = change as { readonly fields: readonly { readonly name: string }[] };
  const names = ["op", "changeset", "at", "cause", "sources", "changed"];
  const head = fields.slice(0, names.length);
  assert(
    head.every((field, index) => field.name === names[index]),
    "a change begins with its head",
  );
  assert(
    fields[6]?.name === "before" && fields[7]?.name === "after" && fields.length === 8,
    "a change ends with its entities",
  );
  return avscType({ type: "record", name: "ChangeHead", fields: head });
}

async function schemaNamed(registry: SchemaRegistry, name: string): Promise<unknown> {
  return registry.schemaOf(await registry.idOf(name));
}

function avscType(schema: unknown): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, { registry: {} });
}

function schemaId(value: Uint8Array): number {
  if (value.length < frameBytes || value[0] !== 0)
    throw new AppError("registry.undecodable", { message: "a value does not begin with the frame of the wire format" });
  return asBuffer(value).readUInt32BE(1);
}

function bodyOf(value: Uint8Array): Buffer {
  return asBuffer(value).subarray(frameBytes);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function textField(value: unknown, name: string): string {
  const text: unknown = (value as Record<string, unknown>)[name];
  return typeof text === "string" ? text : "";
}
