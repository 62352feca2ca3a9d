// Values of JSON as text cells, the same cells that a CSV file would have, but for lists.
// It keeps true: null, an empty text and a property that is not there are blank; what is of another kind than its field
// is never dropped but stands as a cell that refuses the row; whatever a value holds, nothing throws.

import { isObject } from "../oneroster-api/json.ts";
import { unreachable } from "../../domain/assert.ts";
import { itemMark, malformed, pairMark } from "../../domain/oneroster/cell-codec.ts";
import type { Field } from "../../domain/oneroster/description.ts";

export type CellMaker = (value: unknown) => string;

/** How values of a field become cells. */
export function cellMaker(field: Field): CellMaker {
  switch (field.kind) {
    case "guid":
      return textCell;
    case "ref":
      return single(referenceCell);
    case "refList":
      return list(referenceCell);
    case "string":
    case "id":
    case "date":
    case "dateTime":
    case "year":
    case "boolean":
    case "enum":
      return single(textCell);
    case "stringList":
    case "enumList":
      return list(textCell);
    case "userIds":
      return list(userIdCell);
    default:
      return unreachable(field);
  }
}

export function isBlank(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}

/** Texts as they are; numbers and booleans as JSON writes them. */
export function textCell(value: unknown): string {
  if (typeof value === "string") return value.toWellFormed();
  if (isBlank(value)) return "";
  return typeof value === "number" || typeof value === "boolean" ? String(value) : malformed;
}

/** The id that a reference holds: an object of the binding, or the bare id (section 4.3). */
export function referenceCell(value: unknown): string {
  if (typeof value === "boolean") return malformed;
  if (!isObject(value)) return textCell(value);
  const id = propertyOf(value, "sourcedId");
  if (!isBlank(id)) return typeof id === "boolean" ? malformed : textCell(id);
  // Some servers send the empty shell of a reference where there is none. With a content of its own it means something.
  return Object.entries(value).every(([name, content]) => name === "type" || isBlank(content)) ? "" : malformed;
}

/** A property under its name, or under the same in other letter case where that has none (ClassLink's `SourcedId`). */
export function propertyOf(object: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(object, name) && !isBlank(object[name])) return object[name];
  const folded = name.toLowerCase();
  return Object.entries(object).find(([other, value]) => !isBlank(value) && other.toLowerCase() === folded)?.[1];
}

/** A value of an open object. What is no text stays JSON. */
export function metadataCell(value: unknown): string {
  if (typeof value !== "object" || value === null) return textCell(value);
  try {
    return JSON.stringify(value).toWellFormed();
  } catch {
    // Nested so deep that it cannot be written: only JSON made for mischief is.
    return malformed;
  }
}

/** One value; the array of one that some servers send counts as that one. */
function single(make: CellMaker): CellMaker {
  return (value) => {
    if (!Array.isArray(value)) return make(value);
    const [only]: readonly unknown[] = value;
    return value.length > 1 ? malformed : make(only);
  };
}

/** Several values; one that stands alone counts as a list of one. */
function list(make: CellMaker): CellMaker {
  return (value) => {
    if (!Array.isArray(value)) return itemCell(make(value));
    const cells = value.map((item: unknown) => itemCell(make(item)));
    if (cells.includes(malformed)) return malformed;
    return cells.every((cell) => cell === "") ? "" : cells.join(itemMark);
  };
}

/** A value that has the mark between items would become two. */
function itemCell(cell: string): string {
  return cell.includes(itemMark) ? malformed : cell;
}

function userIdCell(value: unknown): string {
  if (!isObject(value)) return textCell(value);
  const [type, identifier] = [textCell(value["type"]), textCell(value["identifier"])];
  // Where one of them is missing the reader tells so and leaves the id out.
  const isWhole = ![type, identifier].some((part) => part.includes(itemMark) || part.includes(pairMark));
  return isWhole ? `${type}${pairMark}${identifier}` : pairMark;
}
