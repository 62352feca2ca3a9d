// The published content of the keys that a plan must look at, kept in an unnamed file while one delivery is worked on:
// a night may change every row of a district, and memory must not grow with that. The file is unlinked as soon as it is
// open, so nothing of it outlives the process.

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ChangeCodec } from "../../libs/adapters/registry/change-codec.ts";
import { assert } from "../../libs/domain/assert.ts";
import type { Image } from "../../libs/domain/diff/image.ts";
import type { BeforeImages } from "../../libs/domain/diff/plan.ts";
import { referencesOf } from "../../libs/domain/diff/references.ts";
import { parseEntityKey } from "../../libs/domain/ids.ts";
import type { Entity } from "../../libs/domain/oneroster/entities.ts";
import { ownerOfDerivedRole } from "../../libs/domain/oneroster/derived-role.ts";
import { type EntityType, isEntityType } from "../../libs/domain/oneroster/entity-types.ts";
import { entryOf } from "./entries.ts";

export type BeforeImage = { readonly key: string; readonly type: EntityType; readonly content: Uint8Array };

const headerBytes = 8;
const writeBehindBytes = 1024 * 1024;

export class BeforeImageFile implements BeforeImages {
  readonly #image: Image;
  readonly #codec: ChangeCodec;
  readonly #file: number;
  /** Place in the file plus one, by entry; zero: not kept. */
  readonly #placeOf: Float64Array;
  /** As `#placeOf`, for where in the delivery a row said that the entity goes; made when the first is kept. */
  #originOf: Float64Array | null = null;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #written = 0;

  /** @param image already holds every key: it must not grow while this lives. */
  constructor(image: Image, codec: ChangeCodec) {
    this.#image = image;
    this.#codec = codec;
    this.#placeOf = new Float64Array(image.size);
    const folder = mkdtempSync(join(tmpdir(), "rollcall-"));
    this.#file = openSync(join(folder, "before"), "wx+", 0o600);
    rmSync(folder, { recursive: true });
  }

  keep(entry: number, key: Uint8Array, content: Uint8Array): void {
    this.#placeOf[entry] = this.#put(key, content) + 1;
  }

  /** Keeps the file and line of the row that deletes an entity. */
  keepOrigin(entry: number, origin: string): void {
    this.#originOf ??= new Float64Array(this.#placeOf.length);
    this.#originOf[entry] = this.#put(new Uint8Array(0), Buffer.from(origin)) + 1;
  }

  /** The origin that was kept for the entry, if one was. */
  origin(entry: number): string | undefined {
    const place = (this.#originOf?.[entry] ?? 0) - 1;
    return place === -1 ? undefined : this.#get(place).content.toString();
  }

  /** Writes two runs of bytes behind what is there. @returns their place in the file. */
  #put(key: Uint8Array, content: Uint8Array): number {
    const header = Buffer.allocUnsafe(headerBytes);
    header.writeUInt32LE(key.length, 0);
    header.writeUInt32LE(content.length, 4);
    const place = this.#written + this.#pendingBytes;
    this.#pending.push(header, Buffer.from(key), Buffer.from(content));
    this.#pendingBytes += headerBytes + key.length + content.length;
    if (this.#pendingBytes >= writeBehindBytes) this.#flush();
    return place;
  }

  #get(place: number): { readonly key: Buffer; readonly content: Buffer } {
    this.#flush();
    const header = this.#readAt(place, headerBytes);
    const keyBytes = header.readUInt32LE(0);
    const body = this.#readAt(place + headerBytes, keyBytes + header.readUInt32LE(4));
    return { key: body.subarray(0, keyBytes), content: body.subarray(keyBytes) };
  }

  has(entry: number): boolean {
    return this.#placeOf[entry] !== 0;
  }

  /** The content that was kept for the entry. */
  read(entry: number): BeforeImage {
    const place = (this.#placeOf[entry] ?? 0) - 1;
    assert(place >= 0, "the published content of the entry was kept");
    const bytes = this.#get(place);
    const key = bytes.key.toString();
    const type = parseEntityKey(key)?.type ?? "";
    assert(isEntityType(type), "only entities are kept");
    return { key, type, content: bytes.content };
  }

  entity(entry: number): Entity {
    const { type, content } = this.read(entry);
    return this.#codec.decodeEntity(type, content);
  }

  owner(entry: number): number {
    const sourcedId = parseEntityKey(this.read(entry).key)?.sourcedId;
    const owner = sourcedId === undefined ? null : ownerOfDerivedRole(sourcedId);
    return owner === null ? -1 : entryOf(this.#image, { type: "user", sourcedId: owner });
  }

  parents(entry: number): readonly number[] {
    if (!this.has(entry)) return [];
    return referencesOf(this.entity(entry))
      .map((reference) => entryOf(this.#image, reference))
      .filter((parent) => parent !== -1 && parent !== entry);
  }

  close(): void {
    closeSync(this.#file);
  }

  #readAt(place: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let read = 0; read < length;) {
      const got = readSync(this.#file, bytes, read, length - read, place + read);
      assert(got > 0, "the file holds what was written to it");
      read += got;
    }
    return bytes;
  }

  #flush(): void {
    if (this.#pendingBytes === 0) return;
    const bytes = Buffer.concat(this.#pending);
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at, bytes.length - at, this.#written + at);
    this.#written += bytes.length;
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}
