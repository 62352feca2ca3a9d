// Small sets of OneRoster 1.2 for what becomes of people: a district with two schools, three classes, and teachers of
// whom everything that matters to a login can differ from one set to the next.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { templates } from "../../libs/cli/templates.ts";

export type Row = Readonly<Record<string, string>>;
/** Rows by file, without extension. */
export type Rows = Readonly<Record<string, readonly Row[]>>;

/** What tells one district's people from those of another in the same database. */
export type Place = {
  /** NCES id of the district, 7 digits; its schools are this and 00001, 00002. */
  readonly nces: string;
  /** The domain of its email addresses. */
  readonly domain: string;
};

export type Teacher = {
  readonly enabled: boolean;
  /** Number of the address in the domain; null: none. */
  readonly mail: number | null;
  /** Number of the username. */
  readonly name: number;
  readonly role: "teacher" | "aide" | "none";
  readonly org: "s1" | "s2";
  readonly roleFrom: string;
  readonly roleTo: string;
  readonly classes: readonly string[];
};

export type Roster = {
  readonly teachers: Readonly<Record<string, Teacher>>;
  readonly students: Readonly<Record<string, readonly string[]>>;
  readonly identifier: "whole" | "short" | "missing";
};

export const classIds = ["k1", "k2", "k3"] as const;
export const studentIds = ["p1", "p2", "p3"] as const;

export function schoolOf(classId: string): "s1" | "s2" {
  return classId === "k3" ? "s2" : "s1";
}

/** NCES ids of a place, by the names that scenarios use. */
export function ncesIds({ nces }: Place): Readonly<Record<"d" | "s1" | "s2", string>> {
  return { d: nces, s1: `${nces}00001`, s2: `${nces}00002` };
}

export function mailOf({ domain }: Place, mail: number): string {
  return `m${mail}@${domain}`;
}

export function rowsOf(roster: Roster, place: Place): Rows {
  const teachers = Object.entries(roster.teachers);
  const ids = ncesIds(place);
  const second = { whole: ids.s2, short: ids.s2.slice(1), missing: "" }[roster.identifier];
  const year = { startDate: "2025-08-01", endDate: "2026-06-30", schoolYear: "2026" };
  return {
    orgs: [
      { sourcedId: "d", name: "District", type: "district", identifier: ids.d },
      { sourcedId: "s1", name: "First", type: "school", identifier: ids.s1, parentSourcedId: "d" },
      { sourcedId: "s2", name: "Second", type: "school", identifier: second, parentSourcedId: "d" },
    ],
    academicSessions: [{ sourcedId: "y", title: "Year", type: "schoolYear", ...year }],
    courses: [{ sourcedId: "c", title: "Course", orgSourcedId: "d" }],
    classes: classIds.map((sourcedId) => ({
      sourcedId,
      title: `Class ${sourcedId}`,
      classType: "scheduled",
      courseSourcedId: "c",
      schoolSourcedId: schoolOf(sourcedId),
      termSourcedIds: "y",
    })),
    users: [
      ...teachers.map(([id, teacher]) => teacherRow(id, teacher, place)),
      ...studentIds.map((id) => userRow(id, { username: id, email: "", enabledUser: "true" })),
    ],
    roles: [
      ...teachers.flatMap(([id, teacher]) => roleRow(id, teacher)),
      ...studentIds.map((id) => ({
        sourcedId: `r-${id}`,
        userSourcedId: id,
        roleType: "primary",
        role: "student",
        orgSourcedId: "s1",
      })),
    ],
    enrollments: [
      ...teachers.flatMap(([id, { classes }]) => classes.map((each) => enrollment(each, id, "teacher"))),
      ...Object.entries(roster.students).flatMap(([each, ids]) => ids.map((id) => enrollment(each, id, "student"))),
    ],
  };
}

function userRow(sourcedId: string, more: Row): Row {
  return { sourcedId, givenName: "Given", familyName: `Family ${sourcedId}`, ...more };
}

function teacherRow(id: string, { enabled, mail, name }: Teacher, place: Place): Row {
  return userRow(id, {
    enabledUser: String(enabled),
    username: `n${name}`,
    userIds: `{SIS:x-${id}}`,
    email: mail === null ? "" : mailOf(place, mail),
  });
}

function roleRow(id: string, { role, org, roleFrom, roleTo }: Teacher): readonly Row[] {
  if (role === "none") return [];
  return [
    {
      sourcedId: `r-${id}`,
      userSourcedId: id,
      roleType: "primary",
      role,
      orgSourcedId: org,
      beginDate: roleFrom,
      endDate: roleTo,
    },
  ];
}

function enrollment(classSourcedId: string, userSourcedId: string, role: string): Row {
  const sourcedId = `e-${classSourcedId}-${userSourcedId}`;
  const primary = role === "teacher" ? "true" : "";
  return { sourcedId, classSourcedId, userSourcedId, schoolSourcedId: schoolOf(classSourcedId), role, primary };
}

/** Writes the rows as a set; a folder that is not there is made. */
export function writeSet(folder: string, rows: Rows): string {
  mkdirSync(folder, { recursive: true });
  for (const { name, text } of templates("1.2", { autoRegistration: true })) {
    const columns = text.trimEnd().split(",");
    const lines = (rows[name.replace(".csv", "")] ?? []).map(
      (row) => `${columns.map((column) => row[column] ?? "").join(",")}\r\n`,
    );
    writeFileSync(join(folder, name), name === "manifest.csv" ? text : `${text}${lines.join("")}`);
  }
  return folder;
}
