// Reads the topics of a district from their beginning, as a new subscriber would, and holds them against the last set by
// plain text, and against what repeats may look like. It shares no code with planning, applying or sending.

import { readImage } from "../sample/naive.ts";
import type { TeacherRoster } from "../../libs/records.ts";
import { controlTopics, districtTopic } from "../../libs/topics.ts";
import { checkPublished } from "./checker.ts";
import { lastSet, type Storyteller } from "./kafka-people.ts";
import { TestDistrict, topicRecords } from "./pipeline.ts";

type Test = { same(actual: unknown, expected: unknown, what: string): unknown };

/** Asserts that roster.<district> and teacher-rosters.<district>, folded, are what the last set says. */
export async function same(t: Test, run: Storyteller, set: string = lastSet(run)): Promise<void> {
  const { system, district } = run;
  const image = readImage(set);
  await checkPublished(t, new TestDistrict(system, district), image, `the fold of roster.${district} is the set`);
  const enrollments = [...(image.get("enrollment")?.values() ?? [])];
  const wanted = enrollments
    .filter((row) => row.get("role") === "teacher")
    .map((row) => {
      const id = row.get("classSourcedId") ?? "";
      const students = enrollments
        .filter((each) => each.get("classSourcedId") === id && each.get("role") === "student")
        .map((each) => each.get("userSourcedId") ?? "");
      return [row.get("userSourcedId"), id, ...students.toSorted()].join(" ");
    });
  t.same(await shownClasses(run), wanted.toSorted(), `the fold of teacher-rosters.${district} is the set`);
}

/** Each class that a teacher sees, with its students, by ids of the set. */
async function shownClasses({ system, district }: Storyteller): Promise<readonly string[]> {
  const users: readonly { readonly person: string; readonly sourced_id: string }[] = await system
    .sql("person_users")
    .where({ district });
  const names = new Map(users.map(({ person, sourced_id: id }) => [person, id]));
  const topic = districtTopic("teacherRosters", district);
  const words = new Map<string, TeacherRoster>();
  for await (const { key, value } of recordsOf({ system, topic })) {
    if (value === null) words.delete(key);
    else if (key.length > '["writer"]'.length)
      words.set(key, system.records.decode("rollcall.teacher.TeacherRoster", value));
  }
  return [...words.values()]
    .map(({ person, class: id, students }) =>
      [names.get(person), id, ...students.map((student) => student.sourcedId).toSorted()].join(" "),
    )
    .toSorted();
}

export type Said = { readonly key: string; readonly value: Uint8Array | null; readonly number: string | null };

async function* recordsOf(about: {
  readonly system: Storyteller["system"];
  readonly topic: string;
}): AsyncGenerator<Said> {
  const { log } = about.system;
  const extent = await log.extent(about.topic);
  if (extent === null) return;
  const { generation, start: from, end: to } = extent;
  for await (const batch of log.scan({ topic: about.topic, generation, from, to }))
    for (const record of batch)
      yield {
        key: Buffer.from(record.key).toString(),
        value: record.value === null ? null : Buffer.from(record.value),
        number: record.header("outbox") ?? null,
      };
}

/**
 * Asserts that whatever is there twice can be told as a repeat, and that nothing was said again that had been said:
 * records of the outbox by their number, changes of the roster by their changeset.
 */
export async function isSaidOnce(t: Test, run: Storyteller): Promise<void> {
  const { district } = run;
  const topics = [
    districtTopic("teacherRosters", district),
    districtTopic("registrations", district),
    ...[controlTopics.changesets, controlTopics.deliveries, controlTopics.plans].map(({ name }) => name),
  ];
  for (const topic of topics) t.same(await badRepeats(run, topic), [], `${topic} repeats nothing unknown`);
  t.same(await changedTwice(run), [], `roster.${district} says no change twice`);
  t.same(await unfinished(run), [], "every changeset is whole, numbered without a gap, and published once");
}

async function badRepeats({ system }: Storyteller, topic: string): Promise<readonly string[]> {
  const records: Said[] = [];
  for await (const record of recordsOf({ system, topic })) if (record.key !== '["writer"]') records.push(record);
  return repeatFaults(records);
}

/** What no reader could tell: records without a number, a number of two records, a new word before an old one. */
export function repeatFaults(records: readonly Said[]): readonly string[] {
  const first = new Map<string, string>();
  const newest = new Map<string, number>();
  const last = new Map<string, number>();
  const faults: string[] = [];
  let highest = 0;
  for (const { key, value, number } of records) {
    if (number === null) {
      faults.push(`${key} has no number`);
      continue;
    }
    const text = `${key} ${value === null ? "null" : Buffer.from(value).toString("base64")}`;
    const before = first.get(number);
    if (before === undefined && Number(number) < highest) faults.push(`${key}: ${number} comes after ${highest}`);
    if (before !== undefined && before !== text) faults.push(`${number} is said of two records`);
    first.set(number, text);
    highest = Math.max(highest, Number(number));
    newest.set(key, Math.max(newest.get(key) ?? 0, Number(number)));
    last.set(key, Number(number));
  }
  for (const [key, number] of last) if (newest.get(key) !== number) faults.push(`${key} ends in an old word`);
  return faults;
}

type Change = { readonly op?: string; readonly changeset?: number; readonly after?: unknown };

/** Keys that a changeset says to be what the one before it had said. */
export async function changedTwice({ system, district }: Storyteller): Promise<readonly string[]> {
  const before = new Map<string, Change>();
  const faults: string[] = [];
  for (const { key, value } of await topicRecords(system, districtTopic("roster", district))) {
    const [type = ""]: readonly string[] = JSON.parse(key);
    if (type === "writer" || type === "changeset" || typeof value !== "object" || value === null) continue;
    const change: Change = value;
    const known = before.get(key);
    const isSame = known?.op !== "deleted" && JSON.stringify(known?.after) === JSON.stringify(change.after);
    if (known !== undefined && isSame && known.changeset !== change.changeset) faults.push(key);
    before.set(key, change);
  }
  return faults.slice(0, 5);
}

/** Changesets that are not published, not numbered in turn, or do not begin where the one before ended. */
export async function unfinished({ system, district }: Storyteller): Promise<readonly unknown[]> {
  const { rows } = await system.sql.raw<{ readonly rows: readonly unknown[] }>(
    `select number, state from (
       select number, state, row_number() over (order by number) as place,
         lag(to_offset, 1, 0) over (order by number) as before, from_offset
       from changesets where district = ?) c
     where state <> 'published' or number <> place or from_offset <> before`,
    [district],
  );
  return rows;
}
