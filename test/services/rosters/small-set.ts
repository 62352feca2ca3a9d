// A set of a few rows, written out: two teachers, three students, two classes of one school.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { templates } from "../../../libs/cli/templates.ts";
import type { TestDistrict } from "../../support/pipeline.ts";

type Row = Readonly<Record<string, string>>;
/** Rows by file, without extension. */
export type SmallSet = Readonly<Record<string, readonly Row[]>>;

const school = "070000100001";

function person(sourcedId: string, more: Row = {}): Row {
  return {
    sourcedId,
    enabledUser: "true",
    username: sourcedId,
    givenName: "Given",
    familyName: `Family ${sourcedId}`,
    email: `${sourcedId}@oak.example`,
    ...more,
  };
}

function place(classSourcedId: string, userSourcedId: string, more: Row = {}): Row {
  const role = userSourcedId.startsWith("t") ? "teacher" : "student";
  const primary = role === "teacher" ? "true" : "";
  const sourcedId = `${classSourcedId}-${userSourcedId}`;
  return { sourcedId, classSourcedId, userSourcedId, schoolSourcedId: "school", role, primary, ...more };
}

function aClass(sourcedId: string, title: string): Row {
  return {
    sourcedId,
    title,
    classType: "scheduled",
    courseSourcedId: "course",
    schoolSourcedId: "school",
    termSourcedIds: "fall",
  };
}

const users = ["t1", "t2", "s1", "s2", "s3"];

export const small: SmallSet = {
  orgs: [
    { sourcedId: "district", name: "Oak", type: "district", identifier: "0700001" },
    { sourcedId: "school", name: "Oak Hill", type: "school", identifier: school, parentSourcedId: "district" },
  ],
  academicSessions: [
    {
      sourcedId: "year",
      title: "Year",
      type: "schoolYear",
      startDate: "2025-08-18",
      endDate: "2026-06-06",
      schoolYear: "2026",
    },
    {
      sourcedId: "fall",
      title: "Fall",
      type: "semester",
      startDate: "2025-08-18",
      endDate: "2026-01-12",
      parentSourcedId: "year",
      schoolYear: "2026",
    },
  ],
  courses: [{ sourcedId: "course", title: "Course", orgSourcedId: "school" }],
  classes: [aClass("art", "Art"), aClass("music", "Music")],
  users: users.map((user) => person(user)),
  roles: users.map((user) => ({
    sourcedId: `role-${user}`,
    userSourcedId: user,
    roleType: "primary",
    role: user.startsWith("t") ? "teacher" : "student",
    orgSourcedId: "school",
  })),
  enrollments: [place("art", "t1"), place("art", "s1"), place("art", "s2"), place("music", "t2"), place("music", "s3")],
};

/** The set with cells changed; `key` is `file sourcedId`, and a row that is not there is added as it is. */
export function changed(set: SmallSet, changes: Readonly<Record<string, Row | null>>): SmallSet {
  const files = Object.entries(set).map(([file, rows]) => {
    const mine = new Map(rows.map((row) => [row["sourcedId"] ?? "", row]));
    for (const [key, cells] of Object.entries(changes)) {
      const [name = "", sourcedId = ""] = key.split(" ");
      if (name !== file) continue;
      if (cells === null) mine.delete(sourcedId);
      else mine.set(sourcedId, { sourcedId, ...mine.get(sourcedId), ...cells });
    }
    return [file, [...mine.values()]] as const;
  });
  return Object.fromEntries(files);
}

/** Writes a set of OneRoster 1.2 into a folder of its own. */
export function written(district: TestDistrict, set: SmallSet): string {
  const folder = district.folder();
  mkdirSync(folder, { recursive: true });
  for (const { name, text } of templates("1.2", { autoRegistration: true })) {
    const rows = set[name.replace(".csv", "")] ?? [];
    const columns = text.trimEnd().split(",");
    const lines = rows.map((row) => `${columns.map((column) => row[column] ?? "").join(",")}\r\n`);
    writeFileSync(join(folder, name), `${text}${name === "manifest.csv" ? "" : lines.join("")}`);
  }
  return folder;
}
