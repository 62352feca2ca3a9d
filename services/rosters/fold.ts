// From records of roster.<district> to rows of its tables: the range of one changeset, or all of the topic up to the end
// of its last changeset.

import type { Transaction } from "../../libs/ports.ts";
import type { LogRange, StoredRecord } from "../../libs/ports.ts";
import { columnsOf, isStoredType } from "../../libs/adapters/postgres/roster-rows.ts";
import { type RosterChange, RosterWriter, type Target } from "../../libs/adapters/postgres/roster-tables.ts";
import { identifiersOf } from "../../libs/domain/identity.ts";
import { type DistrictId, typeOfKey } from "../../libs/domain/ids.ts";
import { AppError } from "../../libs/errors.ts";
import { entityChange, isMarker } from "../../libs/subscriber/feeds.ts";
import { refuseLostBeginning } from "../../libs/subscriber/rules.ts";
import { districtTopic } from "../../libs/topics.ts";
import type { RostersContext } from "./context.ts";

/** Applies every change of a range to the tables, in the order of the log. */
export async function applyRange(
  context: Pick<RostersContext, "log" | "changes">,
  tx: Transaction,
  { range, target }: { readonly range: LogRange; readonly target: Target },
): Promise<void> {
  const writer = new RosterWriter(tx.sql, target);
  for await (const batch of context.log.scan(range)) {
    for (const record of batch) {
      const change = changeIn(context, record);
      if (change !== null) await writer.put(change);
    }
  }
  await writer.flush();
}

/** What a record says of an entity that has a table; null for markers and whatever else there may be. */
function changeIn({ changes }: Pick<RostersContext, "changes">, record: StoredRecord): RosterChange | null {
  const type = typeOfKey(record.key);
  const change = isStoredType(type) ? entityChange(changes, record) : null;
  if (!isStoredType(type) || change === null) return null;
  const { sourcedId, entity, head, delivery, origin } = change;
  if (entity === null || head === null) return { type, sourcedId, row: null, identifiers: [] };
  const changedAt = new Date(head.at).toISOString();
  const row = { ...columnsOf(entity), changeset: head.changeset, changed_at: changedAt, delivery, origin };
  return { type, sourcedId, row, identifiers: entity.type === "user" ? identifiersOf(entity) : [] };
}

/** The topic up to the end of its last changeset. */
export type WholeRange = { readonly range: LogRange; readonly changeset: number };

/** @returns null when there is no topic, or no changeset on it. @throws AppError `log.beginning-lost`. */
export async function wholeRange(
  { log, records }: Pick<RostersContext, "log" | "records">,
  district: DistrictId,
): Promise<WholeRange | null> {
  const topic = districtTopic("roster", district);
  const extent = await log.extent(topic);
  if (extent === null) return null;
  refuseLostBeginning(topic, extent);
  const { generation, start: from } = extent;
  let found: WholeRange | null = null;
  for await (const batch of log.scan({ topic, generation, from, to: extent.end })) {
    for (const record of batch) {
      if (record.value === null || !isMarker(record)) continue;
      const { number } = records.decode("rollcall.roster.Changeset", record.value);
      found = { range: { topic, generation, from, to: record.offset + 1 }, changeset: number };
    }
  }
  return found;
}

/** What a changeset's control record is made of. @throws AppError `registry.undecodable` when it has no value. */
export function valueOf(value: Uint8Array | null): Uint8Array {
  if (value === null) throw new AppError("registry.undecodable", { message: "a control record has no value" });
  return value;
}
