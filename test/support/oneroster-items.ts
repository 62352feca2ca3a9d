// A district of the sample generator as items of a OneRoster API, and as what is to be published of it: both are made from
// the set of CSV files, by ways that share nothing with the code that reads APIs.
// It keeps true that ids of students have more digits than a number of JSON holds exactly.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Collection, collections } from "../../libs/domain/api/collections.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";
import { writeSample } from "../../libs/sample/sample.ts";
import { type Fields, type Image, readImage, readTable } from "../sample/naive.ts";

export type Item = Readonly<Record<string, unknown>>;
export type Items = Readonly<Record<Collection, readonly Item[]>>;

export type Truth = {
  readonly version: Version;
  readonly items: Items;
  /** What the roster has to be after a whole pull of everything. */
  readonly image: Image;
};

export type TruthOptions = {
  readonly version: Version;
  readonly students?: number;
  readonly seed?: number;
  readonly night?: number;
  readonly schoolYear?: number;
};

type Row = ReadonlyMap<string, string>;

const names: Readonly<Record<string, string>> = {
  preferredGivenName: "preferredFirstName",
  preferredFamilyName: "preferredLastName",
};
const lists = new Set(["grades", "subjects", "subjectCodes", "periods", "roles"]);
const flags = new Set(["enabledUser", "primary"]);
/** What a reference's href has in its path. */
const places: Readonly<Record<string, string>> = {
  agent: "user",
  course: "course",
  class: "class",
  org: "org",
  parent: "org",
  primaryOrg: "org",
  resource: "resource",
  school: "org",
  schoolYear: "academicSession",
  term: "academicSession",
  user: "user",
};

/** Makes the district of the options. The same options give the same truth. */
export async function truthOf(options: TruthOptions): Promise<Truth> {
  const { version, students = 12, seed = 1, night = 1, schoolYear = 2199 } = options;
  const directory = await mkdtemp(join(tmpdir(), "rollcall-truth-"));
  try {
    await writeSample({ directory, version, students, seed, night, schoolYear });
    return { version, items: itemsOf(directory, version), image: imageOf(directory, version) };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Ids of students become numbers of 17 digits, which are beyond what a double holds. */
function renamed(id: string): string {
  return /^s\d{7}$/u.test(id) ? `9007199254${id.slice(1)}` : id;
}

function rowsOf(directory: string, file: string): readonly Row[] {
  return readTable(directory, file).map((row) => {
    const ids = ["sourcedId", "userSourcedId"].filter((name) => row.has(name));
    for (const name of ids) row.set(name, renamed(row.get(name) ?? ""));
    return row;
  });
}

function itemsOf(directory: string, version: Version): Items {
  const roles = grouped(rowsOf(directory, "roles"), "userSourcedId");
  const uses: Readonly<Record<string, ReadonlyMap<string, readonly Row[]>>> = {
    classes: grouped(rowsOf(directory, "classResources"), "classSourcedId"),
    courses: grouped(rowsOf(directory, "courseResources"), "courseSourcedId"),
  };
  const read = (name: Collection): readonly Item[] =>
    rowsOf(directory, name).map((row) => {
      const id = row.get("sourcedId") ?? "";
      const item = itemOf(row, version);
      const used = (uses[name]?.get(id) ?? []).map((use) => reference("resource", use.get("resourceSourcedId") ?? ""));
      if (used.length > 0) return { ...item, resources: used };
      if (name !== "users" || version === "1.1") return item;
      return { ...item, roles: (roles.get(id) ?? []).map((role) => roleOf(role)) };
    });
  const empty: Record<Collection, readonly Item[]> = {
    orgs: [],
    academicSessions: [],
    courses: [],
    classes: [],
    users: [],
    enrollments: [],
    demographics: [],
    resources: [],
  };
  for (const name of collections) empty[name] = read(name);
  return empty;
}

function grouped(rows: readonly Row[], column: string): ReadonlyMap<string, readonly Row[]> {
  return Map.groupBy(rows, (row) => row.get(column) ?? "");
}

function itemOf(row: Row, version: Version): Item {
  const item: Record<string, unknown> = {
    sourcedId: row.get("sourcedId"),
    status: "active",
    dateLastModified: "2025-09-01T02:15:00.000Z",
  };
  for (const [column, cell] of row) {
    if (cell === "" || ["sourcedId", "status", "dateLastModified"].includes(column)) continue;
    const [name, value] = propertyOf(column, cell, version);
    item[name] = value;
  }
  return item;
}

function propertyOf(column: string, cell: string, version: Version): readonly [string, unknown] {
  if (column === "userIds") return [column, userIdsOf(cell)];
  if (lists.has(column)) return [column, cell.split(",")];
  // OpenAPI of 1.1 has booleans, 1.2 has texts (section 5.3).
  if (flags.has(column)) return [column, version === "1.1" ? cell === "true" : cell];
  const [, one, many] = /^(.+)SourcedId(s?)$/u.exec(column) ?? [];
  if (one === undefined) return [names[column] ?? column, cell];
  return many === "s" ? [`${one}s`, cell.split(",").map((id) => reference(one, id))] : [one, reference(one, cell)];
}

function userIdsOf(cell: string): readonly Item[] {
  return [...cell.matchAll(/\{([^:}]*):([^}]*)\}/gu)].map(([, type, identifier]) => ({ type, identifier }));
}

function reference(name: string, sourcedId: string): Item {
  const type = places[name] ?? name;
  return { href: `https://sis.example/ims/oneroster/${type}s/${sourcedId}`, sourcedId, type };
}

function roleOf(row: Row): Item {
  const [begin, end] = [row.get("beginDate") ?? "", row.get("endDate") ?? ""];
  return {
    roleType: row.get("roleType"),
    role: row.get("role"),
    org: reference("org", row.get("orgSourcedId") ?? ""),
    ...(begin === "" ? {} : { beginDate: begin }),
    ...(end === "" ? {} : { endDate: end }),
  };
}

/** The set's own image, with the ids that an API has no words for: those of roles and of uses of resources. */
function imageOf(directory: string, version: Version): Image {
  const image = readImage(directory);
  return new Map(
    [...image].map(([type, entities]) => [
      type,
      new Map([...entities].map(([id, fields]) => entityOf({ type, id: renamed(id), fields }, version))),
    ]),
  );
}

type Entity = { readonly type: string; readonly id: string; readonly fields: Fields };

function entityOf({ type, id, fields }: Entity, version: Version): readonly [string, Fields] {
  const changed = new Map(fields);
  const at = (name: string): string => changed.get(name) ?? "";
  if (changed.has("userSourcedId")) changed.set("userSourcedId", renamed(at("userSourcedId")));
  if (type === "role" && version === "1.2") {
    return [`~${at("userSourcedId")}~${at("role")}~${at("orgSourcedId")}`, changed];
  }
  if (type === "role") return [`~${at("userSourcedId")}~${at("role")}~${at("orgSourcedId")}`, changed];
  if (type !== "classResource" && type !== "courseResource") return [id, changed];
  // A reference has no title.
  changed.set("title", "");
  return [
    `~${at(type === "classResource" ? "classSourcedId" : "courseSourcedId")}~${at("resourceSourcedId")}`,
    changed,
  ];
}
