// What teachers should see, worked out the slow way from the rows of a set: Maps, text and plain loops. It shares no code
// with the service.

import type { TeacherRoster } from "../../../libs/records.ts";
import type { Fields, Image } from "../../sample/naive.ts";

const windowDays = 14;
const dayMs = 86_400_000;

/** A row with its id. */
type Row = { readonly id: string; readonly cell: (column: string) => string };

function rows(image: Image, type: string): Row[] {
  return [...(image.get(type) ?? new Map<string, Fields>())].map(([id, fields]) => ({
    id,
    cell: (column) => fields.get(column) ?? "",
  }));
}

function byId(image: Image, type: string): Map<string, Row> {
  return new Map(rows(image, type).map((row) => [row.id, row]));
}

function later(date: string, days: number): string {
  return new Date(Date.parse(date) + days * dayMs).toISOString().slice(0, 10);
}

/** A line per teacher and class, sorted; every teacher is one user. */
export function expectedLines(image: Image, today: string): readonly string[] {
  const users = byId(image, "user");
  const classes = byId(image, "class");
  const enrollments = rows(image, "enrollment").filter(
    ({ cell }) =>
      users.get(cell("userSourcedId"))?.cell("enabledUser") === "true" &&
      (cell("beginDate") === "" || cell("beginDate") <= today) &&
      (cell("endDate") === "" || today < cell("endDate")),
  );
  const teaching = enrollments.filter(({ cell }) => cell("role") === "teacher");
  const pairs = new Set(teaching.map(({ cell }) => `${cell("userSourcedId")} ${cell("classSourcedId")}`));
  const studentsOf = new Map<string, Row[]>();
  for (const { cell } of enrollments.filter((row) => row.cell("role") === "student")) {
    const student = users.get(cell("userSourcedId"));
    if (student === undefined) continue;
    const known = studentsOf.get(cell("classSourcedId")) ?? [];
    studentsOf.set(cell("classSourcedId"), known);
    if (!known.includes(student)) known.push(student);
  }
  const lines: string[] = [];
  for (const pair of pairs) {
    const [teacher = "", id = ""] = pair.split(" ");
    const taught = classes.get(id);
    if (taught === undefined) continue;
    const terms = termsOf(image, taught);
    const state = stateOf(terms, today);
    if (state === "future") continue;
    const primary = teaching.some(
      ({ cell }) => cell("userSourcedId") === teacher && cell("classSourcedId") === id && cell("primary") === "true",
    );
    const students = sortedBy(studentsOf.get(id) ?? [], ["familyName", "givenName"]);
    lines.push(lineOf({ image, teacher, taught, terms, state, primary, students }));
  }
  return lines.toSorted();
}

function termsOf(image: Image, taught: Row): Row[] {
  const sessions = byId(image, "academicSession");
  const named = taught.cell("termSourcedIds").split(",");
  return sortedBy(
    named.flatMap((id) => sessions.get(id) ?? []),
    ["startDate"],
  );
}

function stateOf(terms: readonly Row[], today: string): string {
  if (terms.length === 0) return "current";
  const starts = terms.map(({ cell }) => cell("startDate")).toSorted();
  const ends = terms.map(({ cell }) => cell("endDate")).toSorted();
  if (today < later(starts[0] ?? "", -windowDays)) return "future";
  return today >= later(ends.at(-1) ?? "", windowDays) ? "archived" : "current";
}

function sortedBy(unsorted: readonly Row[], columns: readonly string[]): Row[] {
  const key = (row: Row): string => [...columns.map(row.cell), row.id].join("\u0000");
  return [...unsorted].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

function lineOf(about: {
  readonly image: Image;
  readonly teacher: string;
  readonly taught: Row;
  readonly terms: readonly Row[];
  readonly state: string;
  readonly primary: boolean;
  readonly students: readonly Row[];
}): string {
  const { image, teacher, taught, terms, state, primary, students } = about;
  const course = byId(image, "course").get(taught.cell("courseSourcedId"));
  const school = byId(image, "org").get(taught.cell("schoolSourcedId"));
  const cells = (row: Row | undefined, columns: readonly string[]): readonly string[] =>
    row === undefined ? [] : [row.id, ...columns.map(row.cell)];
  return JSON.stringify([
    [teacher],
    cells(taught, ["title", "classCode", "classType", "location", "grades", "subjects", "periods"]),
    [primary, state],
    cells(course, ["title", "courseCode"]),
    cells(school, ["name", "identifier"]),
    terms.map((term) => cells(term, ["title", "startDate", "endDate"])),
    students.map((student) =>
      cells(student, [
        "givenName",
        "familyName",
        "preferredGivenName",
        "preferredFamilyName",
        "username",
        "email",
        "grades",
      ]),
    ),
  ]);
}

/** The same lines of what is published. */
export function publishedLines(rosters: Iterable<TeacherRoster>): readonly string[] {
  const text = (value: string | null): string => value ?? "";
  return [...rosters]
    .map((roster) => {
      const { course, school } = roster;
      return JSON.stringify([
        roster.teachers,
        [
          roster.class,
          roster.title,
          ...[roster.classCode, roster.classType, roster.location].map(text),
          ...[roster.grades, roster.subjects, roster.periods].map((list) => list.join(",")),
        ],
        [roster.primary, roster.state],
        course === null ? [] : [course.sourcedId, course.title, text(course.courseCode)],
        school === null ? [] : [school.sourcedId, school.name, text(school.identifier)],
        roster.terms.map(({ sourcedId, title, startDate, endDate }) => [sourcedId, title, startDate, endDate]),
        roster.students.map((student) => [
          student.sourcedId,
          student.givenName,
          student.familyName,
          ...[student.preferredGivenName, student.preferredFamilyName, student.username, student.email].map(text),
          student.grades.join(","),
        ]),
      ]);
    })
    .toSorted();
}
