// The schema registry that comes with the repository. Schemas are written in schemas/*.avsc, one record per file; what
// the wire may carry is pinned: schemas/ids.json gives each form of a record its number for ever, and schemas/pinned
// keeps that form, complete in itself, so that what was written years ago can still be read.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../../domain/assert.ts";
import { AppError } from "../../errors.ts";
import type { SchemaRegistry } from "../../ports.ts";
import { crc64, fullName, inlined, isRecordSchema, sha256 } from "./schema-text.ts";
import type { SchemaObject } from "./schema-text.ts";

/** One form of a record. Fingerprints in hex: `crc64` of what decides the bytes, `sha256` of defaults and aliases too. */
export type Pin = { readonly id: number; readonly name: string; readonly crc64: string; readonly sha256: string };

/** Where the project keeps its schemas. */
export const schemasDir = join(import.meta.dirname, "..", "..", "..", "schemas");

/**
 * Opens the registry of a folder of schemas.
 * @throws AppError `registry.unpinned` naming the records whose file differs from their pinned form.
 */
export function repositoryRegistry(folder: string = schemasDir): SchemaRegistry {
  const pins = readPins(folder);
  const unpinned = changedRecords(readSources(folder), pins);
  if (unpinned.length > 0) {
    throw new AppError("registry.unpinned", { details: { records: unpinned } });
  }
  const ids = new Map(pins.map((pin) => [pin.name, pin.id]));
  const schemas = new Map<number, unknown>();
  return {
    ids: () => Promise.resolve(pins.map((pin) => pin.id)),
    idOf: (name) => {
      const id = ids.get(name);
      return id === undefined ? Promise.reject(unknown(name)) : Promise.resolve(id);
    },
    schemaOf: (id) => {
      const pin = pins.find((one) => one.id === id);
      if (pin === undefined) return Promise.reject(unknown(String(id)));
      if (!schemas.has(id)) schemas.set(id, parse(join(folder, pinnedFile(pin))));
      return Promise.resolve(schemas.get(id));
    },
  };
}

function unknown(schema: string): AppError {
  return new AppError("registry.unknown-schema", { details: { schema } });
}

/** The file of a pinned form, below the folder of schemas. */
export function pinnedFile(pin: Pick<Pin, "id" | "name">): string {
  return join("pinned", `${pin.name}.${pin.id}.avsc`);
}

/** Names of the records whose file is not the newest pinned form, or not pinned at all, sorted. */
export function changedRecords(sources: ReadonlyMap<string, SchemaObject>, pins: readonly Pin[]): readonly string[] {
  const newest = new Map(pins.map((pin) => [pin.name, pin.sha256]));
  return [...sources.keys()].filter((name) => newest.get(name) !== sha256(inlined(name, sources))).toSorted();
}

/** The schemas as written, by full name. The file's name must be the record's. */
export function readSources(folder: string): ReadonlyMap<string, SchemaObject> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".avsc"));
  return new Map(
    files.toSorted().map((file) => {
      const schema = parse(join(folder, file));
      const name = fullName(schema);
      assert(file === `${name}.avsc`, `the schema ${name} stands in a file of its name`);
      return [name, schema];
    }),
  );
}

function parse(path: string): SchemaObject {
  const json: unknown = JSON.parse(readFileSync(path, "utf8"));
  assert(isRecordSchema(json), `${path} holds a record's schema`);
  return json;
}

/** The register of ids, in their order: of one name's forms the newest comes last. */
export function readPins(folder: string): readonly Pin[] {
  const path = join(folder, "ids.json");
  if (!existsSync(path)) return [];
  const json: unknown = JSON.parse(readFileSync(path, "utf8"));
  assert(typeof json === "object" && json !== null, "ids.json holds an object");
  return Object.entries(json).map(([id, entry]) => toPin(Number(id), entry));
}

function toPin(id: number, entry: unknown): Pin {
  assert(typeof entry === "object" && entry !== null, "an id names a record");
  const {
    name,
    crc64: wire,
    sha256: whole,
  }: { readonly name?: unknown; readonly crc64?: unknown; readonly sha256?: unknown } = entry;
  assert(
    typeof name === "string" && typeof wire === "string" && typeof whole === "string",
    "an id has its fingerprints",
  );
  return { id, name, crc64: wire, sha256: whole };
}

/** The pin that a schema gets under an id. */
export function pinOf(id: number, name: string, schema: SchemaObject): Pin {
  return { id, name, crc64: crc64(schema), sha256: sha256(schema) };
}
