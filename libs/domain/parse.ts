// A row of CSV, or an item of an API made into cells, becomes an entity, a delete, or a reject.
// Three things hold: a value is never guessed, a row that cannot be used still claims its key when the key can be read,
// and a row that deletes does so in bulk and in delta alike. It runs for millions of rows a night: per row it makes the
// entity and its result, and nothing else.

import { unreachable } from "./assert.ts";
import type { CompiledHeader } from "./header.ts";
import type { SourcedId } from "./ids.ts";
import { readSourcedId, readText, refused, type RowSink } from "./oneroster/cell-codec.ts";
import { derivedRoles } from "./oneroster/derived-role.ts";
import { readLinkId } from "./oneroster/link-id.ts";
import type { Metadata } from "./oneroster/description.ts";
import type { Entity } from "./oneroster/entities.ts";
import { entityOf, referenceList, roleToken } from "./oneroster/entity-codec.ts";
import type { EntityType } from "./oneroster/entity-types.ts";
import type { Role } from "./oneroster/role.ts";

/** How a file is meant: all that there is, or what changed. */
export type FileMode = "bulk" | "delta";

export type RowResult =
  /** `derived`: the role entities of a 1.1 user, otherwise empty. */
  | { readonly outcome: "entity"; readonly entity: Entity; readonly derived: readonly Role[] }
  /** The source says that the entity is gone. For a 1.1 user this says the same of the roles derived from it. */
  | {
      readonly outcome: "delete";
      readonly type: EntityType;
      readonly sourcedId: SourcedId;
      readonly reason: "tobedeleted" | "inactive";
    }
  /** The row is refused. It claims its key; null when the key cannot be read. */
  | { readonly outcome: "reject"; readonly sourcedId: SourcedId | null };

type RowStatus = "active" | "tobedeleted" | "inactive" | typeof refused;

const unreadable: RowResult = { outcome: "reject", sourcedId: null };
const noRoles: readonly Role[] = [];
const noMetadata: readonly Metadata[] = [];

/**
 * Parses one row.
 * @param header of the file; its `fatal` must be null.
 * @param line the row's line in the file, handed through to the sink.
 */
export function parseRow(
  header: CompiledHeader,
  cells: readonly string[],
  line: number,
  mode: FileMode,
  out: RowSink,
): RowResult {
  if (!hasWidth(header, cells, line, out)) return unreadable;
  const keyColumn = header.sourcedId?.index ?? -1;
  const key = cells[keyColumn] ?? "";
  const sourcedId = header.isMade ? readLinkId(key) : readSourcedId(key, keyColumn, line, out);
  if (sourcedId === null) {
    out.finding("row.key", keyColumn, line);
    return unreadable;
  }
  const status = readStatus(header, cells, line, mode, out);
  switch (status) {
    case "tobedeleted":
    case "inactive":
      tellBlankInDelete(header, cells, line, out);
      return { outcome: "delete", type: header.description.type, sourcedId, reason: status };
    case "active":
    case refused:
      break;
    default:
      return unreachable(status);
  }
  const values: Record<string, unknown> = { ...header.blank };
  values["sourcedId"] = sourcedId;
  values["dateLastModified"] = readDateLastModified(header, cells, line, mode, out);
  // Every column is read even when one is refused: the report names all that is wrong with a row.
  const isWhole = readColumns(header, cells, line, values, out);
  const roles = readDerived(header, cells, line, out);
  const metadata = header.metadata.length === 0 ? noMetadata : readMetadata(header, cells, line, out);
  const isRefused = !isWhole || roles === refused || metadata === refused || status === refused;
  if (isRefused) return { outcome: "reject", sourcedId };
  values["metadata"] = metadata;
  const entity = entityOf(values);
  tellDoubts(header, entity, line, out);
  const derived = roles === null ? noRoles : derivedRoles(entity, roles.role, roles.orgs);
  return { outcome: "entity", entity, derived };
}

/** One empty cell too many is what exports leave that end each line with a comma; any other width shifts values. */
function hasWidth(header: CompiledHeader, cells: readonly string[], line: number, out: RowSink): boolean {
  if (cells.length === header.width) return true;
  if (cells.length === header.width + 1 && cells[header.width] === "") {
    out.tolerated("table.trailing_cell", header.width, line);
    return true;
  }
  out.finding("table.row_width", -1, line);
  return false;
}

function readStatus(
  header: CompiledHeader,
  cells: readonly string[],
  line: number,
  mode: FileMode,
  out: RowSink,
): RowStatus {
  if (header.status === null) return "active";
  const column = header.status.index;
  const cell = cells[column] ?? "";
  if (cell === "") {
    if (mode === "delta") out.tolerated("row.delta_required", column, line);
    return "active";
  }
  const status = statusOf(cell, column, line, out);
  // Items of an API have a status at all times, also of what is deleted.
  if (mode === "bulk" && status !== refused && header.binding === "csv") {
    out.tolerated(status === "active" ? "row.bulk_forbidden" : "row.mode_conflict", column, line);
  }
  return status;
}

function statusOf(cell: string, column: number, line: number, out: RowSink): RowStatus {
  if (cell === "active" || cell === "tobedeleted") return cell;
  const folded = cell.toLowerCase();
  if (folded === "active" || folded === "tobedeleted") {
    out.tolerated("row.enum_case", column, line);
    return folded;
  }
  if (folded === "inactive") {
    out.tolerated("row.status_inactive", column, line);
    return folded;
  }
  out.finding("row.enum", column, line);
  return refused;
}

function readDateLastModified(
  header: CompiledHeader,
  cells: readonly string[],
  line: number,
  mode: FileMode,
  out: RowSink,
): unknown {
  if (header.dateLastModified === null) return null;
  const { index, read } = header.dateLastModified;
  const cell = cells[index] ?? "";
  if (cell === "") {
    if (mode === "delta") out.tolerated("row.delta_required", index, line);
    return null;
  }
  if (mode === "bulk" && header.binding === "csv") out.tolerated("row.bulk_forbidden", index, line);
  return read(cell, index, line, out);
}

/** Reads the entity's columns into `values`. @returns false when the row must be refused. */
function readColumns(
  header: CompiledHeader,
  cells: readonly string[],
  line: number,
  values: Record<string, unknown>,
  out: RowSink,
): boolean {
  let isWhole = true;
  for (const { index, name, isRequired, read } of header.columns) {
    const cell = cells[index] ?? "";
    if (cell === "") {
      if (!isRequired) continue;
      out.finding("row.required", index, line);
      isWhole = false;
      continue;
    }
    const value = read(cell, index, line, out);
    if (value === refused) isWhole = false;
    else values[name] = value;
  }
  return isWhole;
}

/** Role and organisations of a 1.1 user; null for every other row. */
function readDerived(
  header: CompiledHeader,
  cells: readonly string[],
  line: number,
  out: RowSink,
): { readonly role: Role["role"]; readonly orgs: readonly SourcedId[] } | typeof refused | null {
  if (header.derived === null) return null;
  const [role, orgs] = [header.derived.role, header.derived.orgs].map(({ index, read }) => {
    const cell = cells[index] ?? "";
    if (cell !== "") return read(cell, index, line, out);
    out.finding("row.required", index, line);
    return refused;
  });
  return role === refused || orgs === refused ? refused : { role: roleToken(role), orgs: referenceList(orgs) };
}

/** The extension cells that have a value, sorted by name as the header is. */
function readMetadata(
  header: CompiledHeader,
  cells: readonly string[],
  line: number,
  out: RowSink,
): readonly Metadata[] | typeof refused {
  const found: Metadata[] = [];
  let isWhole = true;
  for (const { index, name } of header.metadata) {
    const value = cells[index] ?? "";
    if (value === "") continue;
    if (readText(value, index, line, out) === refused) isWhole = false;
    else found.push({ name, value });
  }
  return isWhole ? found : refused;
}

function tellBlankInDelete(header: CompiledHeader, cells: readonly string[], line: number, out: RowSink): void {
  for (const index of header.required) {
    if (cells[index] === "") out.tolerated("row.delete_blank", index, line);
  }
}

/** What is doubtful in one entity by itself; it is kept as it is. */
function tellDoubts(header: CompiledHeader, entity: Entity, line: number, out: RowSink): void {
  switch (entity.type) {
    case "org":
      if (lostLeadingZero(entity.orgType, entity.identifier)) {
        out.finding("org.nces_leading_zero", header.fieldNames.indexOf("identifier"), line);
      }
      break;
    case "course":
    case "class": {
      const [subjects, codes] = [entity.subjects.length, entity.subjectCodes.length];
      if (subjects > 0 && codes > 0 && subjects !== codes) {
        out.finding("row.subjects_pairing", header.fieldNames.indexOf("subjectCodes"), line);
      }
      break;
    }
    case "academicSession":
    case "user":
    case "role":
    case "demographics":
    case "enrollment":
    case "resource":
    case "classResource":
    case "courseResource":
      break;
    default:
      unreachable(entity);
  }
}

/** NCES ids have 12 digits for schools and 7 for districts; spreadsheets drop the zero of the first nine states. */
function lostLeadingZero(orgType: string, identifier: string | null): boolean {
  if (identifier === null || !/^\d+$/u.test(identifier)) return false;
  return (orgType === "school" && identifier.length === 11) || (orgType === "district" && identifier.length === 6);
}
