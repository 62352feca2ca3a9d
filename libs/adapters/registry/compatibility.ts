// Whether two forms of a record can read each other's bytes: the rule FULL_TRANSITIVE, which a compacted topic needs,
// since what was written years ago stays in it. The registry's server holds the same rule; here it is held before anything
// reaches a server. Avro 1.12, "Schema Resolution".

import avsc from "avsc";

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { pinnedFile, readPins, readSources } from "./repository.ts";
import { inlined } from "./schema-text.ts";

type Form = { readonly name: string; readonly from: string; readonly schema: unknown };

/**
 * Why the schemas of a folder may not be registered: each current form against every pinned form of its record, both ways.
 * @returns sentences that name record and field; none when all is well.
 */
export function incompatibilities(folder: string): readonly string[] {
  const sources = readSources(folder);
  const pinned = readPins(folder).map((pin): Form => {
    const schema: unknown = JSON.parse(readFileSync(join(folder, pinnedFile(pin)), "utf8"));
    return { name: pin.name, from: `the pinned form ${pin.id}`, schema };
  });
  const current = [...sources.keys()].map((name): Form => ({
    name,
    from: "the current form",
    schema: inlined(name, sources),
  }));
  return pairs([...pinned, ...current]).flatMap(([older, newer]) => [...unread(older, newer), ...unread(newer, older)]);
}

/** Every two forms of one record, the older first. */
function pairs(forms: readonly Form[]): readonly (readonly [Form, Form])[] {
  return forms.flatMap((older, at) =>
    forms.slice(at + 1).flatMap((newer) => (newer.name === older.name ? [[older, newer] as const] : [])),
  );
}

/** What keeps the reader from reading what the writer wrote. */
function unread(writer: Form, reader: Form): readonly string[] {
  return obstacles(compiled(reader.schema), compiled(writer.schema)).map(
    (what) => `${reader.name}: ${reader.from} cannot read ${writer.from}: ${what}`,
  );
}

function obstacles(reader: avsc.Type, writer: avsc.Type): readonly string[] {
  const message = resolving(reader, writer);
  if (message === null) return [];
  const inner = isRecord(reader) && isRecord(writer) ? fieldObstacles(reader, writer) : [];
  return inner.length > 0 ? inner : [message];
}

function fieldObstacles(reader: avsc.types.RecordType, writer: avsc.types.RecordType): readonly string[] {
  return reader.fields.flatMap((field) => {
    const written = writer.fields.find(({ name }) => name === field.name);
    if (written !== undefined) return obstacles(field.type, written.type).map((what) => `field ${field.name}: ${what}`);
    return field.defaultValue() === undefined ? [`field ${field.name} has no default and was not always there`] : [];
  });
}

function resolving(reader: avsc.Type, writer: avsc.Type): string | null {
  try {
    reader.createResolver(writer);
    return null;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : "unknown reason";
  }
}

function isRecord(type: avsc.Type): type is avsc.types.RecordType {
  return avsc.Type.isType(type, "record");
}

function compiled(schema: unknown): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, { registry: {}, omitRecordMethods: true, wrapUnions: "never" });
}
