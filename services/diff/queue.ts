// Which work of a district comes next. Work is done in the order of its arrival, with one exception:
// a delivery that does not restate what a plan holds as a whole waits until that plan is decided, and decisions go before
// it. Were it planned, the held plan would be superseded, and what only the delivery before it said would be lost.

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { AppError } from "../../libs/errors.ts";
import type { DeliveredType, Delivery } from "../../libs/records.ts";
import { controlTopics } from "../../libs/topics.ts";
import type { DiffContext } from "./context.ts";
import { openPlan } from "./store.ts";

export const consumer = "diff";

export type QueuedItem = Pick<WorkItem, "id" | "topic" | "district" | "value">;

/** The next item; null when there is none or it is stopped. */
export async function nextItem(context: DiffContext, district: string): Promise<QueuedItem | null> {
  const first = await firstOf(context, { district });
  if (first === null || first.state !== "waiting") return null;
  const plan = await planWaitedFor(context, first);
  if (plan === null) return first;
  const reason = `waits until plan ${plan} is approved or rejected`;
  await context.sql("work").where({ id: first.id, state: "waiting" }).update({ reason });
  const decision = await firstOf(context, { district, topic: controlTopics.decisions.name });
  return decision?.state === "waiting" ? decision : null;
}

/** Whether a delivery waits that will supersede the open plan, so that nobody should decide on it any more. */
export async function supersedingDeliveryWaits(context: DiffContext, district: string): Promise<boolean> {
  const delivery = await firstOf(context, { district, topic: controlTopics.deliveries.name });
  return delivery !== null && (await planWaitedFor(context, delivery)) === null;
}

/** How many records the largest delivery has that the district's work is about, as far as its records can be read. */
export async function recordsAhead(context: DiffContext, district: string): Promise<number> {
  const { rows } = await context.sql.raw<{ readonly rows: readonly { readonly value: Buffer | null }[] }>(
    `select value from work
     where consumer = :consumer and district = :district and topic = :topic and state = 'waiting'
     union all
     select delivery_record from plans p where district = :district and (state = 'open' or exists
       (select from changesets c where c.district = p.district and c.plan = p.version and c.state = 'applying'))`,
    { consumer, district, topic: controlTopics.deliveries.name },
  );
  return rows.reduce((most, { value }) => {
    const delivery = deliveryIn(context, value);
    return delivery === null ? most : Math.max(most, delivery.to - delivery.from);
  }, 0);
}

async function firstOf(
  context: DiffContext,
  where: { readonly district: string; readonly topic?: string },
): Promise<(QueuedItem & { readonly state: string }) | null> {
  const row: (QueuedItem & { readonly state: string }) | undefined = await context
    .sql("work")
    .where({ consumer, ...where })
    .whereNot({ state: "done" })
    .orderBy("id")
    .first("id", "topic", "district", "value", "state");
  return row ?? null;
}

/** The version of the plan that must be decided before this delivery may be planned; null when there is none. */
async function planWaitedFor(context: DiffContext, item: QueuedItem): Promise<number | null> {
  if (item.topic !== controlTopics.deliveries.name) return null;
  const plan = await openPlan(context.sql, item.district);
  const delivery = plan?.verdict === "hold-all" ? deliveryIn(context, item.value) : null;
  if (plan === null || delivery === null) return null;
  const isWhole = ({ mode, absence, content }: DeliveredType): boolean => mode === "bulk" && (absence || content > 0);
  const restated = new Set(delivery.types.filter(isWhole).map((type) => type.type));
  return plan.parts.every((part) => restated.has(part.type)) ? null : plan.version;
}

/** The delivery of an item; null for a record that cannot be read: whoever works on it stops it with its reason. */
export function deliveryIn(context: DiffContext, value: Uint8Array | null): Delivery | null {
  try {
    return value === null ? null : context.records.decode("rollcall.control.Delivery", value);
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}
