// A district's first day: what is delivered before it is planned and held as a whole, and planned again once it has come.
// It keeps true that before that day nothing goes out, whoever approves it (C032).

import { beforeStart, holdAll, judge } from "../../libs/domain/diff/plan.ts";
import { localDate } from "../../libs/domain/dates.ts";
import type { Image } from "../../libs/domain/diff/image.ts";
import { type DistrictId, parseDistrictId } from "../../libs/domain/ids.ts";
import type { Policy } from "../../libs/domain/policy.ts";

import type { DiffContext } from "./context.ts";
import { supersedingDeliveryWaits } from "./queue.ts";
import { openPlan, type PlanRow, policyOf } from "./store.ts";

/** The first day on which anything goes out, `YYYY-MM-DD`; null when it has come, or there is none. */
function dayToCome({ clock }: DiffContext, { startDate, timeZone }: Policy): string | null {
  return startDate !== null && localDate(clock.now(), timeZone) < startDate ? startDate : null;
}

/**
 * Holds what must not go out now: all before the first day, then what the limits say.
 * @returns the cause that holds the whole plan, or null.
 */
export function judgeToday(
  context: DiffContext,
  image: Image,
  judged: { readonly policy: Policy; readonly approvedCause: string | null; readonly isDoubted: boolean },
): string | null {
  if (dayToCome(context, judged.policy) !== null && holdAll(image)) return beforeStart;
  return judge(image, judged.policy.limits, judged);
}

/** Why nothing of the district may be approved yet; null when it may. */
export async function refusalBeforeStart(context: DiffContext, district: DistrictId): Promise<string | null> {
  const day = dayToCome(context, await policyOf(context.sql, district));
  return day === null ? null : `nothing is published before the district's start date, ${day}`;
}

/** The open plan that waited for the first day, once that has come and no newer delivery will take its place. */
export async function startedPlan(context: DiffContext, district: DistrictId): Promise<PlanRow | null> {
  const plan = await openPlan(context.sql, district);
  if (plan?.cause !== beforeStart) return null;
  if (dayToCome(context, await policyOf(context.sql, district)) !== null) return null;
  return (await supersedingDeliveryWaits(context, district)) ? null : plan;
}

export async function startedDistricts(context: DiffContext): Promise<readonly DistrictId[]> {
  const rows: readonly { readonly district: string }[] = await context
    .sql("plans")
    .where({ state: "open", cause: beforeStart })
    .distinct("district");
  const started: DistrictId[] = [];
  for (const row of rows) {
    const district = parseDistrictId(row.district);
    if (district !== null && (await startedPlan(context, district)) !== null) started.push(district);
  }
  return started;
}
