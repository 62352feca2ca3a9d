// `rollcall changes`: what the changesets of a district changed, read off its roster topic.

import { stoneOf } from "../adapters/postgres/stones.ts";
import type { System } from "./system.ts";
import { parseDistrictId, parseEntityKey, typeOfKey } from "../domain/ids.ts";
import type { DistrictId } from "../domain/ids.ts";
import { isEntityType } from "../domain/oneroster/entity-types.ts";
import { AppError } from "../errors.ts";
import { districtTopic } from "../topics.ts";

/** One changed entity. `before` and `after` only when values were asked for: they are a person's data. */
export type ChangeLine = {
  readonly changeset: number;
  readonly type: string;
  readonly sourcedId: string;
  readonly op: string;
  readonly changed: readonly string[];
  readonly cause: string | null;
  readonly delivery: string | null;
  readonly origin: string | null;
  readonly entity?: unknown;
};

type RangeRow = {
  readonly number: number;
  readonly generation: string;
  readonly from_offset: number;
  readonly to_offset: number;
};

/** Published changesets from a number on, oldest first; `from` null: the newest alone. */
export async function changesetRanges(
  system: System,
  { district, from }: { readonly district: string; readonly from: number | null },
): Promise<readonly RangeRow[]> {
  const query = system.sql("changesets").where({ district, state: "published" });
  const rows: RangeRow[] = await (
    from === null ? query.orderBy("number", "desc").limit(1) : query.where("number", ">=", from).orderBy("number")
  ).select("number", "generation", "from_offset", "to_offset");
  return rows;
}

/** The changes of one changeset, in the order of the log. */
export async function* changesOf(
  system: System,
  { district, range, values }: { readonly district: DistrictId; readonly range: RangeRow; readonly values: boolean },
): AsyncGenerator<ChangeLine> {
  const { generation, from_offset: from, to_offset: to } = range;
  for await (const batch of system.log.scan({ topic: districtTopic("roster", district), generation, from, to })) {
    for (const record of batch) {
      if (record.value === null || !isEntityType(typeOfKey(record.key) ?? "")) continue;
      const change = system.changes.changeOf(record.value);
      const name = parseEntityKey(Buffer.from(record.key).toString());
      if (change === null || name === null) continue;
      const { op, changed, cause, changeset } = change.head;
      const delivery = record.header("delivery") ?? null;
      const line = { changeset, ...name, op, changed, cause, delivery, origin: record.header("origin") ?? null };
      yield values ? { ...line, entity: system.changes.decodeEntity(change.type, change.content) } : line;
    }
  }
}

/** @throws AppError `usage`, `district.unknown`. */
export async function knownDistrict(system: System, text: string): Promise<DistrictId> {
  const district = parseDistrictId(text);
  if (district === null)
    throw new AppError("usage", {
      message: "a district id is 1 to 63 of a-z, 0-9 and -, and begins and ends with a letter or digit",
    });
  const row: unknown = await system.sql("districts").where({ id: district }).first("id");
  if (row !== undefined) return district;
  const stone = await stoneOf(system.sql, district);
  const why = stone === null ? `there is no district ${district}` : `district ${district} left on ${stone.leftOn}`;
  throw new AppError("district.unknown", { message: why });
}

/** A change in one line: changeset, op, type, sourcedId, why, and where it stood in the delivery. */
export function changeText({ changeset, type, sourcedId, op, changed, cause, origin }: ChangeLine): string {
  const why = changed.length > 0 ? ` ${changed.join(", ")}` : cause === null ? "" : ` (${cause})`;
  return `${changeset}\t${op}\t${type}\t${sourcedId}${why}${origin === null ? "" : `\t${origin}`}`;
}
