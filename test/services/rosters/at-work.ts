// The rosters service in a test: it works when the test says so, until nothing is left to do, and what it published can
// be read back.

import { holdRosters, type RostersContext } from "../../../services/rosters/context.ts";
import type { System } from "../../../libs/cli/system.ts";
import { localDate } from "../../../libs/domain/dates.ts";
import type { DistrictId } from "../../../libs/domain/ids.ts";
import type { TeacherRoster } from "../../../libs/records.ts";
import { districtTopic } from "../../../libs/topics.ts";
import { workOnce } from "../../../services/rosters/service.ts";
import type { Image } from "../../sample/naive.ts";
import { readImage } from "../../sample/naive.ts";
import { sameLines } from "../../support/checker.ts";
import type { TestDistrict } from "../../support/pipeline.ts";
import { expectedLines, publishedLines } from "./naive.ts";

/** Works until there is nothing left. */
export async function workThrough(context: RostersContext): Promise<void> {
  const { signal } = new AbortController();
  const pausedUntil = new Map<DistrictId, number>();
  while ((await workOnce(context, { pausedUntil, stoppedPauseMs: 1000 }, signal)).worked);
}

/** Delivers without the rosters service, whatever else runs: its lease is held meanwhile. */
export async function deliverAlone(district: TestDistrict, path: string): Promise<void> {
  const held = await holdRosters(district.system.sql, district.id);
  if (held === null) throw new Error("someone works on the rosters");
  try {
    const { outcome } = await district.deliver(path);
    if (outcome !== "published") throw new Error(`the set was ${outcome}`);
  } finally {
    await held.release();
  }
}

/** Delivers, and lets the rosters service do all of it. */
export async function deliverThrough(district: TestDistrict, path: string): Promise<void> {
  await deliverAlone(district, path);
  await workThrough(district.system);
}

/** What stands on teacher-rosters.<district> by key, once nulls have removed. */
export async function publishedRosters(
  system: System,
  district: DistrictId,
): Promise<ReadonlyMap<string, TeacherRoster>> {
  const rosters = new Map<string, TeacherRoster>();
  const topic = districtTopic("teacherRosters", district);
  const extent = await system.log.extent(topic);
  if (extent === null) return rosters;
  const range = { topic, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of system.log.scan(range)) {
    for (const { key, value } of batch) {
      const name = Buffer.from(key).toString();
      if (value === null) rosters.delete(name);
      else rosters.set(name, system.records.decode("rollcall.teacher.TeacherRoster", value));
    }
  }
  return rosters;
}

/** Titles of the published classes, each with its teachers and students, sorted: what a small set is about. */
export async function shown({ system, id }: TestDistrict): Promise<readonly string[]> {
  const rosters = [...(await publishedRosters(system, id)).values()];
  return rosters
    .map(({ title, teachers, students, state, primary }) => {
      const marks = `${primary ? "" : " not primary"}${state === "current" ? "" : ` ${state}`}`;
      return `${title} ${teachers.join("+")}: ${students.map(({ sourcedId }) => sourcedId).join(" ")}${marks}`;
    })
    .toSorted();
}

/** The offset that the next record of the district's teacher rosters gets: grows with every record. */
export async function endOf({ system, id }: TestDistrict): Promise<number> {
  return (await system.log.extent(districtTopic("teacherRosters", id)))?.end ?? 0;
}

type Same = { same(actual: unknown, expected: unknown, what: string): unknown };

/** Asserts that what is published is what follows from the rows of a set, on the system's day. */
export async function checkRosters(
  t: Same,
  district: TestDistrict,
  expected: string | Image,
  what: string,
): Promise<void> {
  const image = typeof expected === "string" ? readImage(expected) : expected;
  const today = localDate(district.system.clock.now(), "America/New_York");
  const rosters = await publishedRosters(district.system, district.id);
  sameLines(t, publishedLines(rosters.values()), expectedLines(image, today), what);
}
