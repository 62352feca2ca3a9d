// Items of a OneRoster API as rows of cells, so that the same judge reads them as rows of CSV.
// It keeps true: an item becomes exactly one row of its own table, whatever it is; what cannot be told to be somebody's
// stands as a row without a key, so that nothing is deleted by absence. Unknown properties are left alone.

import { parseSourcedId } from "../../domain/ids.ts";
import { malformed } from "../../domain/oneroster/cell-codec.ts";
import { columnName } from "../../domain/oneroster/description.ts";
import type { EntityType } from "../../domain/oneroster/entity-types.ts";
import { role as roleTokens, type Version } from "../../domain/oneroster/enumerations.ts";
import { linkId } from "../../domain/oneroster/link-id.ts";
import { isObject } from "../oneroster-api/json.ts";
import { cellMaker, type CellMaker, isBlank, metadataCell, referenceCell, textCell } from "./rest-cells.ts";
import { isMade, type RestColumn, restColumns } from "./rest-tables.ts";

type Item = Readonly<Record<string, unknown>>;
type Row = readonly string[];

export type RestTable = {
  readonly type: EntityType;
  readonly version: Version;
  /** Names of metadata that become columns. */
  readonly metadata: readonly string[];
};

/** Makes the rows of one table. */
export class RestRows {
  readonly header: Row;
  readonly #type: EntityType;
  readonly #columns: readonly (RestColumn & { readonly make: CellMaker })[];
  readonly #metadata: readonly string[];
  readonly #faulty: Row;
  /** Name of the property by its name in lower case. */
  readonly #folded: ReadonlyMap<string, string>;
  readonly #blankFlag: string;
  readonly #tokens = new Map(roleTokens.tokens["1.2"].map((token) => [token.toLowerCase(), token]));

  constructor({ type, version, metadata }: RestTable) {
    this.#type = type;
    const columns = restColumns(type, version);
    this.#columns = columns.map((column) => ({ ...column, make: cellMaker(column.field) }));
    this.#metadata = isMade(type) ? [] : metadata;
    this.header = [
      ...columns.map(({ field }) => columnName(field)),
      ...this.#metadata.map((name) => `metadata.${name}`),
    ];
    this.#faulty = this.header.map((name) => (name === "sourcedId" ? malformed : ""));
    const names = [...columns.flatMap(({ properties }) => properties), "metadata", "roles", "resources"];
    this.#folded = new Map(names.map((name) => [name.toLowerCase(), name]));
    // OpenAPI of 1.1 does not require it: it is there to say that somebody may not use systems.
    this.#blankFlag = type === "user" && version === "1.1" ? "true" : "";
  }

  /** The rows of an item: one, or as many as it has parts where the table is made from parts. */
  rowsOf(value: unknown): readonly Row[] {
    const item = isObject(value) ? this.#read(value) : null;
    if (item === null) return [this.#faulty];
    if (this.#type === "role") return this.#parts(item, "roles", (part, seen) => this.#roleRow(item, part, seen));
    return isMade(this.#type) ? this.#parts(item, "resources", (part) => this.#useRow(item, part)) : [this.#row(item)];
  }

  /** The item under the standard's names; null when it has no id. */
  #read(item: Item): Item | null {
    const read = this.#fold(item);
    const key = textCell(read["sourcedId"]);
    return typeof read["sourcedId"] === "boolean" || parseSourcedId(key) === null ? null : read;
  }

  /** Known properties in whatever letter case under their own names. As with `propertyOf`, the exact name goes first. */
  #fold(item: Item): Item {
    const knownOf = (name: string): string => this.#folded.get(name.toLowerCase()) ?? name;
    if (Object.keys(item).every((name) => knownOf(name) === name)) return item;
    const read = new Map<string, unknown>();
    for (const [name, value] of Object.entries(item)) {
      const known = knownOf(name);
      if (isBlank(read.get(known)) || (name === known && !isBlank(value))) read.set(known, value);
    }
    return Object.fromEntries(read);
  }

  #row(item: Item): Row {
    const cells = this.#columns.map(({ field, properties, make }) => {
      const cell = make(firstOf(item, properties));
      return cell === "" && field.name === "enabledUser" ? this.#blankFlag : cell;
    });
    if (this.#metadata.length === 0) return cells;
    const metadata = isObject(item["metadata"]) ? item["metadata"] : {};
    for (const name of this.#metadata) {
      cells.push(Object.hasOwn(metadata, name) ? metadataCell(metadata[name]) : "");
    }
    return cells;
  }

  #parts(item: Item, name: string, rowOf: (part: unknown, seen: Map<string, Row>) => Row): readonly Row[] {
    const parts = Object.hasOwn(item, name) ? item[name] : null;
    // An empty list says that there are none. Users must have roles: where they are not told, nobody knows which are gone.
    if (isBlank(parts)) return this.#type === "role" ? [this.#faulty] : [];
    const seen = new Map<string, Row>();
    const all: readonly unknown[] = Array.isArray(parts) ? parts : [parts];
    return all.map((part) => rowOf(part, seen));
  }

  /** A role of a user; they share status and time. One without a readable organisation may be any of the user's. */
  #roleRow(user: Item, value: unknown, seen: Map<string, Row>): Row {
    if (!isObject(value)) return this.#faulty;
    const part = this.#fold(value);
    const [owner, org] = [textCell(user["sourcedId"]), onlyOne(part["org"])];
    const told = onlyOne(part["role"], textCell);
    const role = this.#tokens.get(told.toLowerCase()) ?? told;
    const id = made([owner, role, org]);
    if (id === null) return this.#faulty;
    const common = { status: user["status"], dateLastModified: user["dateLastModified"], user: owner };
    const row = (sourcedId: string): Row => this.#row({ ...part, ...common, sourcedId });
    // The same role in the same organisation twice, as in two spans of time, is two roles.
    for (let count = 1; ; count++) {
      const key = count === 1 ? id : linkId([owner, role, org, String(count)]);
      const [cells, before] = [row(key), seen.get(key)];
      if (before === undefined) seen.set(key, cells);
      if (before === undefined || before.every((cell, at) => cell === cells[at])) return cells;
    }
  }

  /** The use of a resource by a class or course, whose status and time it shares. */
  #useRow(owner: Item, part: unknown): Row {
    const [user, resource] = [textCell(owner["sourcedId"]), referenceCell(part)];
    const sourcedId = made([user, resource]);
    if (sourcedId === null) return this.#faulty;
    const used = { [this.#type === "classResource" ? "class" : "course"]: user };
    const { status, dateLastModified } = owner;
    return this.#row({ ...used, sourcedId, status, dateLastModified, resource });
  }
}

/** The id of a link; null when one of its parts can be no id. */
function made(parts: readonly string[]): string | null {
  return parts.some((part) => parseSourcedId(part) === null) ? null : linkId(parts);
}

function firstOf(item: Item, properties: readonly string[]): unknown {
  for (const name of properties) {
    const value = item[name];
    if (!isBlank(value)) return value;
  }
  return undefined;
}

function onlyOne(value: unknown, make: CellMaker = referenceCell): string {
  const [only, ...more]: readonly unknown[] = Array.isArray(value) ? value : [value];
  return more.length > 0 ? malformed : make(only);
}
