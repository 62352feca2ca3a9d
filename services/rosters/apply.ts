// One changeset becomes rows. The range of a changeset is applied if it begins where the last one ended and is young
// enough to be whole; whatever else is the matter, the district's tables are made again from the topic, which leads to
// the same. A changeset that is applied already is only finished, so that it does not matter how often it comes.

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { noteGone } from "../../libs/adapters/postgres/people.ts";
import { positionOf } from "../../libs/adapters/postgres/roster-state.ts";
import type { EventLog } from "../../libs/ports.ts";
import type { Changeset } from "../../libs/records.ts";
import { continues, isRangeGone, type Place } from "../../libs/subscriber/rules.ts";
import { districtTopic } from "../../libs/topics.ts";
import { fence, type HeldDistrict, type RostersContext } from "./context.ts";
import { applyRange, valueOf } from "./fold.ts";
import { rebuildHeld } from "./rebuild.ts";
import { settle, tell } from "./settle.ts";

/** @throws AppError when it cannot be applied: nothing of it is. */
export async function applyChangeset(
  context: RostersContext,
  district: HeldDistrict,
  item: Pick<WorkItem, "id" | "value" | "appendedAt">,
): Promise<void> {
  const changeset = context.records.decode("rollcall.control.Changeset", valueOf(item.value));
  // That the district has left changes no row: whoever removes it deletes them.
  const how = changeset.left ? "done" : await howToApply(context, district, { changeset, appendedAt: item.appendedAt });
  if (how === "done") {
    await context.log.transaction(async (tx) => {
      await fence(tx, district);
      await context.inbox.finish(tx.sql, item.id);
    });
    return;
  }
  if (how === "range" && (await applied(context, district, { changeset, workId: item.id }))) return;
  context.logger.info({ district: district.id, changeset: changeset.number }, "rebuilding the rosters from the topic");
  await rebuildHeld(context, district, { isDryRun: false, workId: item.id });
}

async function howToApply(
  { sql, log, clock }: RostersContext,
  district: HeldDistrict,
  { changeset, appendedAt }: { readonly changeset: Changeset; readonly appendedAt: number },
): Promise<"done" | "range" | "rebuild"> {
  const { number, generation, from } = changeset;
  const position = await positionOf(sql, district.id);
  if (position !== null && position.generation === generation && number <= position.changeset) return "done";
  const held = position ?? (await beginning(log, districtTopic("roster", district.id)));
  return held !== null && continues(held, { generation, from, appendedAt }, clock.now()) ? "range" : "rebuild";
}

/** Where whoever holds nothing is; null when there is no topic. */
async function beginning(log: EventLog, topic: string): Promise<Place | null> {
  const extent = await log.extent(topic);
  return extent === null ? null : { generation: extent.generation, next: 0 };
}

/** @returns false, with nothing done, when the range is no longer there. */
async function applied(
  context: RostersContext,
  district: HeldDistrict,
  { changeset, workId }: { readonly changeset: Changeset; readonly workId: number },
): Promise<boolean> {
  const { number, generation, from, to } = changeset;
  const range = { topic: districtTopic("roster", district.id), generation, from, to };
  await context.log.createTopic(districtTopic("teacherRosters", district.id));
  try {
    const done = await context.log.transaction(async (tx) => {
      await applyRange(context, tx, {
        range,
        target: { district: district.id, tables: "live", keepsIdentifiers: true },
      });
      const at = new Date(changeset.at);
      await noteGone(tx.sql, { district: district.id, delivery: changeset.delivery, at });
      return settle(context, tx, { district, position: { generation, next: to, changeset: number }, workId });
    });
    tell(context, district, { changeset: number, ...done });
    return true;
  } catch (error) {
    if (isRangeGone(error)) return false;
    throw error;
  }
}
