// What can be said of an Avro schema as JSON, without compiling it: its references written out, its canonical form, and
// the fingerprints by which a change is noticed. It keeps true that equal schemas have equal fingerprints on every
// machine: Avro 1.12, "Parsing Canonical Form for Schemas" and "Schema Fingerprints".

import { createHash } from "node:crypto";
import { assert } from "../../domain/assert.ts";

/** A schema's JSON: a name, a union, or an object. */
export type SchemaJson = string | readonly SchemaJson[] | SchemaObject;
export type SchemaObject = { readonly [property: string]: unknown };

const primitives = new Set(["null", "boolean", "int", "long", "float", "double", "bytes", "string"]);
const named = new Set(["record", "enum", "fixed"]);

/** Whether parsed JSON has the outer form of a schema; what is wrong deeper inside, avsc says when it compiles it. */
export function isSchema(json: unknown): json is SchemaJson {
  return typeof json === "string" || Array.isArray(json) || isObject(json);
}

/** Whether it is the object form, as a record's schema is. */
export function isRecordSchema(json: unknown): json is SchemaObject {
  return isObject(json);
}

function isObject(json: unknown): json is SchemaObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** The name with its namespace. */
export function fullName(schema: SchemaObject, namespace = ""): string {
  const name = text(schema["name"]);
  if (name.includes(".")) return name;
  const own = typeof schema["namespace"] === "string" ? schema["namespace"] : namespace;
  return own === "" ? name : `${own}.${name}`;
}

/**
 * The schema of a record with every reference to another file written out at its first use, so that it stands alone.
 * @param sources schemas by full name.
 */
export function inlined(name: string, sources: ReadonlyMap<string, SchemaObject>): SchemaObject {
  const source = sources.get(name);
  assert(source !== undefined, `there is a schema named ${name}`);
  const result = written(source, "", { sources, seen: new Set() });
  assert(isObject(result), "a record's schema is an object");
  return result;
}

type Walk = { readonly sources: ReadonlyMap<string, SchemaObject>; readonly seen: Set<string> };

function written(schema: SchemaJson, namespace: string, walk: Walk): SchemaJson {
  if (typeof schema === "string") return reference(schema, namespace, walk);
  if (isUnion(schema)) return schema.map((branch) => written(branch, namespace, walk));
  const type = schema["type"];
  if (typeof type === "string" && named.has(type)) {
    const name = fullName(schema, namespace);
    walk.seen.add(name);
    const inner = name.slice(0, Math.max(0, name.lastIndexOf(".")));
    if (type !== "record") return schema;
    return {
      ...schema,
      fields: fieldsOf(schema).map((field) => ({ ...field, type: written(typeOf(field["type"]), inner, walk) })),
    };
  }
  if (type === "array") return { ...schema, items: written(typeOf(schema["items"]), namespace, walk) };
  return schema;
}

function reference(name: string, namespace: string, walk: Walk): SchemaJson {
  if (primitives.has(name)) return name;
  const full = name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
  if (walk.seen.has(full)) return full;
  const source = walk.sources.get(full);
  assert(source !== undefined, `a schema refers to ${full}, of which there is no file`);
  return written(source, "", walk);
}

/** Parsing Canonical Form: what decides the bytes, and nothing else. */
export function canonicalForm(schema: SchemaJson): string {
  return JSON.stringify(canonical(schema, ""));
}

function canonical(schema: SchemaJson, namespace: string): unknown {
  if (typeof schema === "string") {
    return primitives.has(schema) || schema.includes(".") || namespace === "" ? schema : `${namespace}.${schema}`;
  }
  if (isUnion(schema)) return schema.map((branch) => canonical(branch, namespace));
  const type = typeOf(schema["type"]);
  if (type === "array") return { type, items: canonical(typeOf(schema["items"]), namespace) };
  if (typeof type !== "string" || !named.has(type)) return canonical(type, namespace);
  const name = fullName(schema, namespace);
  if (type === "enum") return { name, type, symbols: schema["symbols"] };
  if (type === "fixed") return { name, type, size: schema["size"] };
  const inner = name.slice(0, Math.max(0, name.lastIndexOf(".")));
  return {
    name,
    type,
    fields: fieldsOf(schema).map((field) => ({ name: field["name"], type: canonical(typeOf(field["type"]), inner) })),
  };
}

/** SHA-256 of the whole schema but its documentation, in hex: it also changes with defaults and aliases. */
export function sha256(schema: SchemaJson): string {
  return createHash("sha256")
    .update(JSON.stringify(undocumented(schema)))
    .digest("hex");
}

function undocumented(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(undocumented);
  if (!isObject(json)) return json;
  const properties = Object.entries(json).filter(([name]) => name !== "doc");
  return Object.fromEntries(
    properties.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, undocumented(value)]),
  );
}

const empty = 0xc15d213aa4d7a795n;

/** CRC-64-AVRO of the canonical form, in hex: the fingerprint that Avro's own tools print. */
export function crc64(schema: SchemaJson): string {
  let hash = empty;
  for (const byte of Buffer.from(canonicalForm(schema), "utf8")) {
    let entry = (hash ^ BigInt(byte)) & 0xffn;
    for (let bit = 0; bit < 8; bit++) entry = (entry >> 1n) ^ (empty & -(entry & 1n) & 0xffff_ffff_ffff_ffffn);
    hash = (hash >> 8n) ^ entry;
  }
  return hash.toString(16).padStart(16, "0");
}

function isUnion(schema: SchemaJson): schema is readonly SchemaJson[] {
  return Array.isArray(schema);
}

function fieldsOf(schema: SchemaObject): readonly SchemaObject[] {
  const fields: unknown = schema["fields"];
  assert(Array.isArray(fields), "a record's schema lists its fields");
  return fields.filter(isObject);
}

function typeOf(json: unknown): SchemaJson {
  assert(isSchema(json), "every part of a schema has a type");
  return json;
}

function text(json: unknown): string {
  assert(typeof json === "string", "a named schema has a name");
  return json;
}
