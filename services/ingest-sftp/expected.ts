// Notices silence: a set that was expected by a time and did not come. It keeps true that each missing set is told once,
// also by several processes and after a start, and that a source is not asked for sets from before it was made.

import type { Source } from "../../libs/adapters/postgres/sources.ts";
import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import { lastMoment } from "../../libs/adapters/schedule.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import { tellIf } from "../../libs/ingest/notice.ts";

const minuteMs = 60_000;
const code = "delivery.late";

/** @returns whether a set is missing that nobody was told of yet. */
export async function tellLate(context: IngestContext, source: Source): Promise<boolean> {
  const { expected: pattern, graceMinutes } = source.settings;
  if (pattern === null) return false;
  const district = await districtOf(context.sql, source.district);
  if (district === null) return false;
  const schedule = { pattern, timeZone: district.policy.timeZone };
  const due = lastMoment(schedule, context.clock.now() - graceMinutes * minuteMs);
  if (due === null || due <= source.createdAt) return false;
  const before = lastMoment(schedule, due - 1) ?? 0;
  // What came within the grace of the moment before was expected then. More than half of the time between is no grace.
  const since = before + Math.min(graceMinutes * minuteMs, (due - before) / 2);
  if (await cameSince(context, source, since)) return false;
  return tellOnce(context, { source, due });
}

async function cameSince({ sql }: IngestContext, { district, id: source }: Source, since: number): Promise<boolean> {
  const set: unknown = await sql("drop_sets")
    .where({ district, source })
    .where("complete_at", ">", new Date(since))
    .first("id");
  return set !== undefined;
}

async function tellOnce(
  context: IngestContext,
  { source, due }: { readonly source: Source; readonly due: number },
): Promise<boolean> {
  const { district, id } = source;
  const at = new Date(due);
  const notice = {
    district,
    code,
    severity: "warning",
    message: `${district}.${id}: no set came by ${at.toISOString()}`,
    remedy: `Ask the district whether its export ran; \`rollcall source waiting ${district}\` shows what lies there, \`rollcall source audit ${district}\` who signed in.`,
    since: due,
  } as const;
  return tellIf(context, notice, async (sql) => {
    const told = await sql("sources")
      .where({ district, id })
      .whereRaw("(late_told_at is null or late_told_at < ?)", [at])
      .update({ late_told_at: at });
    return told > 0;
  });
}
