// The header of a CSV file, or of the rows that items of an API become, matched once against its entity's description.
// Columns are taken by name. What cannot be matched for certain (a column twice, a required one missing) is fatal;
// everything else is told and accepted. No finding carries the text of an unknown column: the line may be no header.

import type { FindingCode } from "./finding.ts";
import { type Binding, type CellReader, readerOf } from "./oneroster/cell-codec.ts";
import {
  columnName,
  columnsOf,
  type EntityDescription,
  type Field,
  isList,
  type Layout,
  modelFields,
} from "./oneroster/description.ts";
import type { EntityType } from "./oneroster/entity-types.ts";
import type { Version } from "./oneroster/enumerations.ts";

/** A finding about the header. `column` is the index of the cell, -1 where there is none; `field` the standard's name. */
export type HeaderFinding = { readonly code: FindingCode; readonly column: number; readonly field: string | null };

/** A column whose cells are read. */
export type Column = {
  readonly field: Field;
  readonly index: number;
  readonly name: string;
  readonly isRequired: boolean;
  readonly read: CellReader;
};

export type CompiledHeader = {
  readonly description: EntityDescription;
  readonly version: Version;
  readonly binding: Binding;
  /** Whether the ids of its rows are made by us (link-id.ts): a role of an API has none. */
  readonly isMade: boolean;
  /** Which header of the version it is; 1.2.0 has one column more in users.csv. */
  readonly layout: Layout;
  /** How many cells a row has. */
  readonly width: number;
  /** The standard's name of each cell's column; null for metadata, unknown and nameless ones. */
  readonly fieldNames: readonly (string | null)[];
  /** Columns of the entity after the first three, in the order of the file. */
  readonly columns: readonly Column[];
  /** The first three columns of every table; only sourcedId is there for certain, unless `fatal` is set. */
  readonly sourcedId: Column | null;
  readonly status: Column | null;
  readonly dateLastModified: Column | null;
  /** Columns of a 1.1 user from which roles are derived. */
  readonly derived: { readonly role: Column; readonly orgs: Column } | null;
  /** Extension columns, sorted by name. */
  readonly metadata: readonly { readonly index: number; readonly name: string }[];
  /** Indexes of the cells that are required: they are checked also in rows that delete. */
  readonly required: readonly number[];
  /** An entity of this type with all fields blank, in the order of the model. */
  readonly blank: Readonly<Record<string, unknown>>;
  readonly findings: readonly HeaderFinding[];
  /** Why the file cannot be read; null when it can. It stands in `findings`, too. */
  readonly fatal: HeaderFinding | null;
};

const metadataForm = /^metadata\./iu;

/** A duplicate is fatal where a column of the standard stands twice: which of the two is meant cannot be told. */
function isFatal({ code, field }: HeaderFinding): boolean {
  if (code === "table.header_duplicate") return field !== null;
  return code === "table.header_missing" || code === "table.required_column_missing";
}

type Match = {
  readonly fields: readonly (Field | null)[];
  readonly metadata: readonly { readonly index: number; readonly name: string }[];
  readonly findings: readonly HeaderFinding[];
};

/** Types whose entities are parts of others' items in the REST binding, and have no ids there. */
const madeTypes: readonly EntityType[] = ["role", "classResource", "courseResource"];

/**
 * Matches the first line of a file, without byte order mark, with what the version says of it.
 * When `fatal` is set no row may be parsed with the result.
 */
export function compileHeader(
  description: EntityDescription,
  version: Version,
  headerCells: readonly string[],
  binding: Binding = "csv",
): CompiledHeader {
  const layout = layoutOf(description, version, headerCells);
  const defined = columnsOf(description, layout);
  const { fields, metadata, findings: matched } = matchCells(defined, headerCells);
  // What items may leave out is no column that is missing.
  const form =
    binding === "rest" ? [] : [...missingColumns(defined, fields, layout), ...orderFindings(defined, fields, metadata)];
  const findings = [...matched, ...form];
  const from = { layout, version, binding };
  const columns = fields.flatMap((field, index) => (field === null ? [] : [columnOf(field, index, from)]));
  const named = (name: string): Column | null => columns.find((column) => column.field.name === name) ?? null;
  const hasTrailingBlank = headerCells.length > 1 && headerCells.at(-1) === "";
  return {
    description,
    version,
    binding,
    isMade: binding === "rest" && madeTypes.includes(description.type),
    layout,
    width: hasTrailingBlank ? headerCells.length - 1 : headerCells.length,
    fieldNames: fields.map((field) => (field === null ? null : columnName(field))),
    columns: columns.filter(
      ({ field }) => field.kept === undefined && field.kind !== "guid" && field.kind !== "dateTime",
    ),
    sourcedId: named("sourcedId"),
    status: named("status"),
    dateLastModified: named("dateLastModified"),
    derived:
      version === "1.1" && description.type === "user" ? derivedColumns(named("role"), named("orgSourcedIds")) : null,
    metadata: metadata.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    required: columns.filter((column) => column.isRequired).map((column) => column.index),
    blank: blankEntity(description),
    findings,
    fatal: findings.find(isFatal) ?? null,
  };
}

function derivedColumns(role: Column | null, orgs: Column | null): CompiledHeader["derived"] {
  return role === null || orgs === null ? null : { role, orgs };
}

function columnOf(
  field: Field,
  index: number,
  { layout, version, binding }: Pick<CompiledHeader, "layout" | "version" | "binding">,
): Column {
  const isRequired = field.need[binding === "rest" ? "rest" : layout] === "R";
  return { field, index, name: field.name, isRequired, read: readerOf(field, version, binding) };
}

function layoutOf(description: EntityDescription, version: Version, cells: readonly string[]): Layout {
  if (version !== "1.2") return version;
  const only120 = description.fields.filter((field) => field.need["1.2"] === null && field.need["1.2.0"] !== null);
  const names = new Set(cells.map((cell) => cell.toLowerCase()));
  return only120.some((field) => names.has(columnName(field).toLowerCase())) ? "1.2.0" : "1.2";
}

function blankEntity(description: EntityDescription): Readonly<Record<string, unknown>> {
  const fields = modelFields(description).map((field) => [field.name, isList(field) ? [] : null] as const);
  return { type: description.type, ...Object.fromEntries(fields), metadata: [] };
}

function matchCells(defined: readonly Field[], cells: readonly string[]): Match {
  const exact = new Map(defined.map((field) => [columnName(field), field]));
  const folded = new Map(defined.map((field) => [columnName(field).toLowerCase(), field]));
  const taken = new Set<string>();
  const findings: HeaderFinding[] = [];
  const metadata: { index: number; name: string }[] = [];
  const fields = cells.map((cell, column) => {
    const field = exact.get(cell) ?? folded.get(cell.toLowerCase()) ?? null;
    const tell = (code: FindingCode): null => {
      findings.push({ code, column, field: field === null ? null : columnName(field) });
      return null;
    };
    if (cell === "") return tell("table.header_empty");
    if (field === null && metadataForm.test(cell)) {
      const name = cell.slice("metadata.".length);
      // The name goes where the values go, and U+0000 can go into no database: as a value it is refused, too.
      if (name === "" || name.includes("\0")) return tell("table.metadata_name");
      if (taken.has(`metadata.${name}`)) return tell("table.header_duplicate");
      if (!cell.startsWith("metadata.")) tell("table.header_case");
      taken.add(`metadata.${name}`);
      metadata.push({ index: column, name });
      return null;
    }
    if (field === null) return tell("table.unknown_column");
    if (taken.has(field.name)) return tell("table.header_duplicate");
    taken.add(field.name);
    if (cell !== columnName(field)) tell("table.header_case");
    return field;
  });
  return { fields, metadata, findings };
}

function missingColumns(
  defined: readonly Field[],
  fields: readonly (Field | null)[],
  layout: Layout,
): readonly HeaderFinding[] {
  const present = new Set(fields);
  if (!defined.some((field) => present.has(field))) return [{ code: "table.header_missing", column: -1, field: null }];
  return defined
    .filter((field) => !present.has(field))
    .map((field) => ({
      code: field.need[layout] === "R" ? "table.required_column_missing" : "table.column_missing",
      column: -1,
      field: columnName(field),
    }));
}

function orderFindings(
  defined: readonly Field[],
  fields: readonly (Field | null)[],
  metadata: readonly { readonly index: number }[],
): readonly HeaderFinding[] {
  const findings: HeaderFinding[] = [];
  const lastDefined = fields.findLastIndex((field) => field !== null);
  for (const { index } of metadata) {
    if (index < lastDefined) findings.push({ code: "table.metadata_position", column: index, field: null });
  }
  const known = fields.filter((field) => field !== null);
  const places = known.map((field) => defined.indexOf(field));
  const wrong = places.findIndex((place, i) => i > 0 && place < (places[i - 1] ?? -1));
  const field = known[wrong];
  if (field !== undefined) {
    findings.push({ code: "table.header_order", column: fields.indexOf(field), field: columnName(field) });
  }
  return findings;
}
