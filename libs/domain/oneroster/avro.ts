// The Avro schemas of the entities, derived from their descriptions.
// The files in schemas/ are the contract; a test keeps them equal to what is derived here. `dateLastModified` is the
// first field of every entity, so that the bytes after it are the content that is compared.

import { unreachable } from "../assert.ts";
import { type EntityDescription, type Field, isList, isNullable, modelFields } from "./description.ts";
import { descriptions } from "./entities.ts";

export type AvroType = string | readonly AvroType[] | { readonly type: "array"; readonly items: string };

export type AvroField = {
  readonly name: string;
  readonly type: AvroType;
  readonly default?: null | string | readonly [];
  readonly doc: string;
};

export type AvroRecord = {
  readonly type: "record";
  readonly namespace: string;
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly AvroField[];
};

const namespace = "rollcall.entity";

/** The schema of an entity; shared records are referred to by full name. */
export function avroOf(description: EntityDescription): AvroRecord {
  const fields = [...modelFields(description).map(fieldOf), metadataField];
  return { type: "record", namespace, name: description.record, doc: description.doc, fields };
}

/** The schemas of all records in the namespace: the entities, what they share, and what stands where an entity does not. */
export function entitySchemas(): readonly AvroRecord[] {
  return [...Object.values(descriptions).map(avroOf), ...sharedRecords, ...otherStates];
}

const metadataField: AvroField = {
  name: "metadata",
  type: { type: "array", items: `${namespace}.Metadata` },
  default: [],
  doc: "Extension columns that have a value, sorted by name.",
};

const sharedRecords: readonly AvroRecord[] = [
  {
    type: "record",
    namespace,
    name: "UserId",
    doc: "The id of a user in another system.",
    fields: [
      { name: "type", type: "string", doc: "The kind of system, such as LDAP." },
      { name: "identifier", type: "string", doc: "The id in that system." },
    ],
  },
  {
    type: "record",
    namespace,
    name: "Metadata",
    doc: "An extension column with its value.",
    fields: [
      { name: "name", type: "string", doc: "Name of the column after `metadata.`." },
      { name: "value", type: "string", doc: "Value of the cell, never blank." },
    ],
  },
];

const otherStates: readonly AvroRecord[] = [
  {
    type: "record",
    namespace,
    name: "Absent",
    doc: "The source says that this entity does not exist: its row deletes.",
    fields: [{ name: "reason", type: "string", default: "", doc: "Why: the status of the row." }],
  },
  {
    type: "record",
    namespace,
    name: "Unknown",
    doc: "A refused row claims this key: nothing is known of the entity, and it stays as published.",
    fields: [{ name: "rule", type: "string", doc: "The rule that refused the row." }],
  },
];

function fieldOf(field: Field): AvroField {
  const { name, doc } = field;
  const type = avroType(field);
  if (isList(field)) return { name, type, default: [], doc };
  return isNullable(field) ? { name, type: ["null", type], default: null, doc } : { name, type, doc };
}

function avroType(field: Field): AvroType {
  switch (field.kind) {
    case "guid":
    case "ref":
    case "string":
    case "id":
    case "date":
    case "enum":
      return "string";
    case "refList":
    case "stringList":
    case "enumList":
      return { type: "array", items: "string" };
    case "userIds":
      return { type: "array", items: `${namespace}.UserId` };
    case "dateTime":
      return "long";
    case "year":
      return "int";
    case "boolean":
      return "boolean";
    default:
      return unreachable(field);
  }
}
