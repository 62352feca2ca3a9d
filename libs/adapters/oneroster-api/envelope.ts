// Items of an answer, whatever the server wraps them in (OneRoster REST binding; section 4.2 of our notes on it).
// It keeps true: what is not understood is a fault and never an empty collection, and numbers keep all their digits.

import { isObject } from "./json.ts";
import { type Collection, envelopes } from "../../domain/api/collections.ts";

/** `array`: the property that holds the items; null for a bare array, or where there is no array. */
export type Envelope =
  | { readonly outcome: "items"; readonly items: readonly unknown[]; readonly array: string | null }
  | { readonly outcome: "fault"; readonly reason: string };

type Properties = Readonly<Record<string, unknown>>;

/** Numbers that a double does not hold exactly may be ids: 16 digits and more, outside of texts or not. */
const longNumber = /[:[,]\s*-?\d[\d.]{15}/u;

/**
 * JSON.parse, but for numbers that would lose digits: those become texts, as they were written.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  const json = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return longNumber.test(json) ? JSON.parse(json, withDigits) : JSON.parse(json);
}

function withDigits(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === "number" && context?.source !== undefined && context.source.length > 15
    ? context.source
    : value;
}

export function readEnvelope(text: string, collection: Collection): Envelope {
  try {
    return itemsOf(parseJson(text), collection);
  } catch {
    return fault("is no whole JSON");
  }
}

/**
 * The items of a body that was parsed. The array under the standard's name counts before those under others, unless it is
 * empty; one object in an array's place, or under the singular name, is one item.
 */
export function itemsOf(body: unknown, collection: Collection): Envelope {
  if (Array.isArray(body)) return ofBareArray(body);
  if (!isObject(body)) return fault("is JSON, but neither an object nor an array");
  const failed = failureOf(body);
  if (failed !== null) return fault(`is an error although its status is 200${failed}`);
  const names = envelopes[collection].map((name) => keyOf(body, name)).filter((name) => name !== null);
  const arrays = names.flatMap((array) => {
    const items = body[array];
    return Array.isArray(items) ? [{ outcome: "items" as const, items, array }] : [];
  });
  const found = arrays.find(({ items }) => items.length > 0) ?? arrays[0];
  if (found !== undefined) return found;
  const single = [...names, ...envelopes[collection].map((name) => keyOf(body, singularOf(name)))]
    .map((name) => (name === null ? null : body[name]))
    .find(isObject);
  if (single !== undefined) return { outcome: "items", items: [single], array: null };
  const keys = Object.keys(body);
  if (keys.length === 0 || names.some((name) => body[name] === null))
    return { outcome: "items", items: [], array: null };
  const other = keys.find((key) => Array.isArray(body[key]) && !/status|error|warning/iu.test(key));
  if (other === undefined) return fault(`has no ${envelopes[collection][0]}`);
  return fault(`has no ${envelopes[collection][0]}, but an array named ${plain(other)}`);
}

/** In 1.1 an error is an array of status objects (section 5.4). */
function ofBareArray(items: readonly unknown[]): Envelope {
  const isStatus = items.length > 0 && items.every((item) => isObject(item) && majorOf(item) !== null);
  return isStatus ? fault("is a list of errors in place of items") : { outcome: "items", items, array: null };
}

/** Words of the standard that say why, to be shown; null when nothing says that the request failed. */
function failureOf(body: Properties): string | null {
  const beside = ["statusInfoSet", "imsx_StatusInfo", "statusInfo", "errors", "error"].flatMap((name) => {
    const key = keyOf(body, name);
    const value = key === null ? [] : body[key];
    return Array.isArray(value) ? value : [value];
  });
  for (const status of [body, ...beside].filter(isObject)) {
    const major = majorOf(status);
    if (major !== null && /^(?:failure|unsupported|processing)$/iu.test(major)) return minorOf(status);
    const severity = valueOf(status, ["imsx_severity", "severity"]);
    if (major !== null && severity !== null && /^error$/iu.test(severity)) return minorOf(status);
  }
  return null;
}

function majorOf(status: Properties): string | null {
  return "sourcedId" in status ? null : valueOf(status, ["imsx_codeMajor", "codeMajor"]);
}

function minorOf(status: Properties): string {
  const minor = valueOf(status, ["imsx_codeMinor", "codeMinor"]);
  return minor === null ? "" : `: ${plain(minor)}`;
}

function valueOf(object: Properties, names: readonly string[]): string | null {
  for (const name of names) {
    const key = keyOf(object, name);
    const value = key === null ? null : object[key];
    if (typeof value === "string") return value;
  }
  return null;
}

/** The object's own name for a property, whose letter case varies between servers. */
function keyOf(object: Properties, name: string): string | null {
  if (Object.hasOwn(object, name)) return name;
  const folded = name.toLowerCase();
  return Object.keys(object).find((key) => key.toLowerCase() === folded) ?? null;
}

function singularOf(name: string): string {
  if (name === "classes") return "class";
  return name === "demographics" ? name : name.slice(0, -1);
}

/** A word of the server's that may be shown: it is no person's data when it looks like a name in a program. */
function plain(word: string): string {
  return /^[\w.\- ]{1,40}$/u.test(word) ? word : "of another kind";
}

function fault(reason: string): Envelope {
  return { outcome: "fault", reason };
}

/** The sourcedId of an item; null where it has none. */
export function sourcedIdOf(item: unknown): string | null {
  if (!isObject(item)) return null;
  const key = keyOf(item, "sourcedId");
  const id = key === null ? null : item[key];
  if (typeof id === "number") return String(id);
  return typeof id === "string" && id !== "" ? id : null;
}

/**
 * The text of an answer without the first item of its array, which is left otherwise as it came: nothing is written anew,
 * so that no digit is lost.
 * @param array the property that holds the items, or null for a bare array.
 * @returns null where no first item was found.
 */
export function withoutFirst(text: string, array: string | null): string | null {
  const open = array === null ? blanks(text, text.startsWith("\uFEFF") ? 1 : 0) : valueAt(text, array);
  if (open === -1 || text[open] !== "[") return null;
  const first = blanks(text, open + 1);
  if (text[first] === "]") return null;
  const after = blanks(text, valueEnd(text, first));
  const rest = text[after] === "," ? after + 1 : after;
  return text.slice(0, open + 1) + text.slice(rest);
}

/** Where the value of a property of the outermost object begins; of several of one name the last, which is what counts. */
function valueAt(text: string, name: string): number {
  let found = -1;
  let at = blanks(text, text.indexOf("{") + 1);
  while (text[at] === '"') {
    const end = valueEnd(text, at);
    const value = blanks(text, blanks(text, end) + 1);
    if (JSON.parse(text.slice(at, end)) === name) found = value;
    at = blanks(text, valueEnd(text, value));
    if (text[at] !== ",") break;
    at = blanks(text, at + 1);
  }
  return found;
}

const blank = /[^\t\n\r ]/gu;
/** What a value ends with, or what has to be counted within it. */
const sign = /["[\]{},]/gu;
const textEnd = /["\\]/gu;

function blanks(text: string, from: number): number {
  blank.lastIndex = from;
  return blank.exec(text)?.index ?? text.length;
}

/** The place behind the value that begins at `from`. The text is known to be JSON. */
function valueEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; ;) {
    sign.lastIndex = at;
    const found = sign.exec(text);
    if (found === null) return text.length;
    at = found.index + 1;
    switch (found[0]) {
      case '"':
        at = afterText(text, at);
        if (depth === 0) return at;
        break;
      case "[":
      case "{":
        depth += 1;
        break;
      case ",":
        if (depth === 0) return found.index;
        break;
      default:
        if (depth === 0) return found.index;
        depth -= 1;
        if (depth === 0) return at;
    }
  }
}

function afterText(text: string, from: number): number {
  for (let at = from; ;) {
    textEnd.lastIndex = at;
    const found = textEnd.exec(text);
    if (found === null) return text.length;
    if (found[0] === '"') return found.index + 1;
    at = found.index + 2;
  }
}
