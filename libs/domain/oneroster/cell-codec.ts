// Readers of cells: one function per column, made once per file from the column's description.
// A reader gets a cell that is not blank and returns the value for the model, or `refused` when the row cannot be used.
// It tells the sink of everything that breaks the standard, and never guesses.

import { unreachable } from "../assert.ts";
import { datePart, isDate, isStrictDateTime, parseDateTime } from "../dates.ts";
import type { FindingCode, ToleratedCode } from "../finding.ts";
import { parseSourcedId, type SourcedId } from "../ids.ts";
import type { Field, UserId } from "./description.ts";
import type { Enumeration, Version } from "./enumerations.ts";

/** Where findings about rows go. `column` is the index of the cell, -1 for the whole row; `line` is handed through. */
export interface RowSink {
  /** Something that the row is refused for, or that only needs saying. */
  finding(code: FindingCode, column: number, line: number): void;
  /** Something that breaks the standard and is accepted. */
  tolerated(code: ToleratedCode, column: number, line: number): void;
}

/** What a reader returns for a cell that makes its row unusable. */
export const refused: unique symbol = Symbol("refused");

export type CellReader = (cell: string, column: number, line: number, out: RowSink) => unknown;

const maxLength = 255;
const nul = "\u0000";
const idCharacters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_/@";
/** 1 for the code of each character of the standard's alphabet of ids. */
const alphabet = Uint8Array.from({ length: 128 }, (_, code) =>
  idCharacters.includes(String.fromCharCode(code)) ? 1 : 0,
);

/**
 * Which binding the cells come from. Cells of `rest` are made of items of JSON: lists are joined by {@link itemMark}, so
 * that items may hold commas, and what cannot be a value of its field stands as {@link malformed}.
 */
export type Binding = "csv" | "rest";

/** Between the items of a list in a cell of the REST binding. No value may hold it: the standard allows no such character. */
export const itemMark = "\u001f";
/** Between type and identifier of one of a user's ids in a cell of the REST binding. */
export const pairMark = "\u001e";
/** The cell of a value that is of another kind than its field: an object where a text is due, a reference without an id. */
export const malformed = nul;

/** The reader of a field's cells in a version. */
export function readerOf(field: Field, version: Version, binding: Binding = "csv"): CellReader {
  const read = cellReader(field, version, binding);
  // A time of change that cannot be read is told by its reader, and costs no row.
  if (binding === "csv" || field.kind === "dateTime") return read;
  return (cell, column, line, out) => {
    if (cell !== malformed) return read(cell, column, line, out);
    out.finding("row.form", column, line);
    return refused;
  };
}

function cellReader(field: Field, version: Version, binding: Binding): CellReader {
  const separator = binding === "csv" ? "," : itemMark;
  switch (field.kind) {
    case "guid":
    case "ref":
      return readReference;
    case "refList":
      return referencesReader(separator, field.need[binding === "csv" ? version : "rest"] === "R");
    case "string":
    case "id":
      return readText;
    case "stringList":
      return textListReader(separator);
    case "userIds":
      return userIdsReader(separator);
    case "date":
      return readDate;
    case "dateTime":
      return dateTimeReader();
    case "year":
      return readYear;
    case "boolean":
      return readBoolean;
    case "enum":
      return enumReader(field.enumeration, version);
    case "enumList":
      return enumListReader(enumReader(field.enumeration, version), separator);
    default:
      return unreachable(field);
  }
}

/**
 * The id in a cell, or null when it is blank, longer than 255 characters or has control characters.
 * An id outside the standard's alphabet is told to the sink and used: it still names one thing.
 */
export function readSourcedId(cell: string, column: number, line: number, out: RowSink): SourcedId | null {
  if (isPlainId(cell)) return cell as SourcedId;
  const id = parseSourcedId(cell);
  if (id !== null) out.tolerated("row.guid", column, line);
  return id;
}

/** Whether the text is 1 to 255 characters of the standard's alphabet, which is narrower than the rule of `SourcedId`. */
function isPlainId(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > maxLength) return false;
  for (let i = 0; i < length; i++) {
    if (alphabet[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

function readReference(cell: string, column: number, line: number, out: RowSink): unknown {
  const id = readSourcedId(cell, column, line, out);
  if (id !== null) return id;
  out.finding("row.reference", column, line);
  return refused;
}

/** With `isRequired` a cell of nothing but separators counts as blank. */
function referencesReader(separator: string, isRequired: boolean): CellReader {
  return (cell, column, line, out) => {
    const items = itemsOf(cell, separator, column, line, out);
    const ids = items.map((item) => readReference(item, column, line, out));
    if (ids.includes(refused)) return refused;
    if (!isRequired || ids.length > 0) return ids;
    out.finding("row.required", column, line);
    return refused;
  };
}

/** A text as it is. U+0000 is refused: no database that products use can hold it, and dropping it would be a guess. */
export function readText(cell: string, column: number, line: number, out: RowSink): unknown {
  if (cell.includes(nul)) {
    out.finding("row.nul", column, line);
    return refused;
  }
  if (cell.length > maxLength) out.tolerated("row.string_length", column, line);
  return cell;
}

function textListReader(separator: string): CellReader {
  return (cell, column, line, out) => {
    const texts = itemsOf(cell, separator, column, line, out).map((item) => readText(item, column, line, out));
    return texts.includes(refused) ? refused : texts;
  };
}

/** The items of a list cell; empty ones are left out and told. */
function itemsOf(cell: string, separator: string, column: number, line: number, out: RowSink): readonly string[] {
  if (!cell.includes(separator)) return [cell];
  const items = cell.split(separator);
  if (!items.includes("")) return items;
  out.tolerated("row.list", column, line);
  return items.filter((item) => item !== "");
}

/** Ids of a user. One of another form is left out: it names nobody, and the rest of the row is good. */
function userIdsReader(separator: string): CellReader {
  return (cell, column, line, out) => {
    if (cell.includes(nul)) return readText(cell, column, line, out);
    const userIds: UserId[] = [];
    for (const item of itemsOf(cell, separator, column, line, out)) {
      const userId = item.includes(pairMark) ? pairOf(item) : bracedOf(item);
      if (userId === null) out.finding("row.userIds_form", column, line);
      else userIds.push(userId);
    }
    return userIds;
  };
}

/** `{type:identifier}`. */
function bracedOf(item: string): UserId | null {
  const colon = item.indexOf(":");
  const isWhole = item.startsWith("{") && item.indexOf("}") === item.length - 1 && item.lastIndexOf("{") === 0;
  if (!isWhole || colon <= 1 || colon >= item.length - 2) return null;
  return { type: item.slice(1, colon), identifier: item.slice(colon + 1, -1) };
}

function pairOf(item: string): UserId | null {
  const [type = "", identifier = "", ...more] = item.split(pairMark);
  return type === "" || identifier === "" || more.length > 0 ? null : { type, identifier };
}

function readDate(cell: string, column: number, line: number, out: RowSink): unknown {
  if (isDate(cell)) return cell;
  const date = datePart(cell);
  if (date !== null) {
    out.tolerated("row.date_time", column, line);
    return date;
  }
  out.finding("row.date", column, line);
  return refused;
}

/** Keeps the last text and its value: in an export whole stretches of rows carry the same time. */
function dateTimeReader(): CellReader {
  let lastText = "";
  let lastMs = 0;
  return (cell, column, line, out) => {
    if (cell === lastText) return lastMs;
    const ms = parseDateTime(cell);
    if (ms === null) {
      // The time of a change is no content, so the row is used without it.
      out.finding("row.datetime", column, line);
      return null;
    }
    if (isStrictDateTime(cell)) {
      lastText = cell;
      lastMs = ms;
    } else {
      out.tolerated(cell.length === 10 ? "row.datetime_date_only" : "row.datetime_form", column, line);
    }
    return ms;
  };
}

function readYear(cell: string, column: number, line: number, out: RowSink): unknown {
  if (/^[1-9]\d{3}$/u.test(cell)) return Number(cell);
  out.finding("row.year", column, line);
  return refused;
}

function readBoolean(cell: string, column: number, line: number, out: RowSink): unknown {
  if (cell === "true") return true;
  if (cell === "false") return false;
  const folded = cell.toLowerCase();
  if (folded === "true" || folded === "false") {
    out.tolerated("row.boolean_case", column, line);
    return folded === "true";
  }
  out.finding("row.boolean", column, line);
  return refused;
}

function enumReader(enumeration: Enumeration, version: Version): CellReader {
  const tokens = new Map(enumeration.tokens[version].map((token) => [token, token]));
  const byFolded = new Map(enumeration.tokens[version].map((token) => [token.toLowerCase(), token]));
  const isExtensible = enumeration.extensible && version === "1.2";
  return (cell, column, line, out) => {
    const token = tokens.get(cell);
    if (token !== undefined) return token;
    if (isExtensible && /^ext:[a-zA-Z0-9.\-_]{1,251}$/u.test(cell)) return cell;
    const folded = byFolded.get(cell.toLowerCase());
    if (folded !== undefined) {
      out.tolerated("row.enum_case", column, line);
      return folded;
    }
    out.finding("row.enum", column, line);
    return refused;
  };
}

function enumListReader(readToken: CellReader, separator: string): CellReader {
  return (cell, column, line, out) => {
    const tokens = itemsOf(cell, separator, column, line, out).map((item) => readToken(item, column, line, out));
    return tokens.includes(refused) ? refused : tokens;
  };
}
