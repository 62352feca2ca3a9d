// The rosters service in a test: it works until nothing is left to do, and what it published can be read back.

import type { System } from "../../../libs/cli/system.ts";
import type { DistrictId } from "../../../libs/domain/ids.ts";
import type { TeacherRoster } from "../../../libs/records.ts";
import { districtTopic } from "../../../libs/topics.ts";
import { workOnce } from "../../../services/rosters/service.ts";
import { topicRecords } from "../../support/pipeline.ts";

/** Works until there is nothing left. */
export async function workThrough(system: System): Promise<void> {
  const { signal } = new AbortController();
  const pausedUntil = new Map<DistrictId, number>();
  while ((await workOnce(system, { pausedUntil, stoppedPauseMs: 1000 }, signal)).worked);
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
  for await (const batch of system.log.scan({
    topic,
    generation: extent.generation,
    from: extent.start,
    to: extent.end,
  })) {
    for (const { key, value } of batch) {
      const name = Buffer.from(key).toString();
      if (value === null) rosters.delete(name);
      else rosters.set(name, system.records.decode("rollcall.teacher.TeacherRoster", value));
    }
  }
  return rosters;
}

/** How many records the topic has, nulls included. */
export async function recordCount(system: System, district: DistrictId): Promise<number> {
  return (await topicRecords(system, districtTopic("teacherRosters", district))).length;
}
