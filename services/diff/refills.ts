// A delivery's range may expire while the delivery waits for its turn or for a person. Diff then asks for it to be filled
// again, and the district waits. The new attempt is the same delivery: it takes the place of the old one where that
// stood, so that nothing overtakes it.

import type { Knex } from "knex";

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import type { AppError } from "../../libs/errors.ts";
import type { Delivery } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import { type DiffContext, fence, type HeldDistrict } from "./context.ts";
import { consumer, deliveryIn } from "./queue.ts";
import { replaceDeliveryRecord } from "./store.ts";

const askAgainMs = 10 * 60_000;

/** The reason of work that stopped only until a range is there again: nobody has to act. */
export const waitsForRange = "waits for its range to be filled again";

type Holder = Pick<HeldDistrict, "id" | "lease">;

/** Asks the ingest to fill the range again, once in a while; the work stops until it is there. */
export async function requestRefill(
  context: DiffContext,
  district: Holder,
  about: { readonly delivery: Delivery; readonly workId: number | null; readonly error: AppError },
): Promise<void> {
  const { delivery, workId, error } = about;
  if (workId !== null) await stopWork(context, district, { workId, reason: waitsForRange });
  const asked = `${delivery.delivery} ${delivery.attempt}`;
  const at = context.clock.now();
  if (at - (context.askedAt.get(asked) ?? 0) < askAgainMs) return;
  const request = {
    district: delivery.district,
    source: delivery.source,
    delivery: delivery.delivery,
    wish: "refill",
    reason: error.message,
    at,
  };
  const value = context.records.encode("rollcall.control.Request", request);
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    tx.append(controlTopics.requests.name, [{ key: controlKey(delivery.district, delivery.source), value }]);
  });
  context.askedAt.set(asked, at);
  context.logger.warn({ district: district.id, delivery: delivery.delivery }, "asked for a range to be filled again");
}

/** Stops waiting work with a reason, if the lease is still held. */
export async function stopWork(
  context: DiffContext,
  district: Holder,
  { workId, reason }: { readonly workId: number; readonly reason: string },
): Promise<void> {
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    await tx.sql("work").where({ id: workId, state: "waiting" }).update({ state: "stopped", reason });
  });
}

/** Puts later attempts of the district's deliveries in the place of earlier ones. */
export async function takeRefills(context: DiffContext, district: Holder): Promise<void> {
  const rows: Pick<WorkItem, "id" | "value">[] = await context
    .sql("work")
    .where({ consumer, district: district.id, topic: controlTopics.deliveries.name, state: "waiting" })
    .orderBy("id")
    .select("id", "value");
  for (const { id, value } of rows) {
    const delivery = deliveryIn(context, value);
    if (value !== null && delivery !== null && delivery.attempt > 1)
      await takeRefill(context, district, { delivery, id, record: Buffer.from(value) });
  }
}

async function takeRefill(
  context: DiffContext,
  district: Holder,
  { delivery, id, record }: { readonly delivery: Delivery; readonly id: number; readonly record: Buffer },
): Promise<void> {
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    const { sql } = tx;
    const earlier = await earlierWork(context, sql, { delivery, id });
    const planned = await replaceDeliveryRecord(sql, {
      district: delivery.district,
      delivery: delivery.delivery,
      record,
    });
    if (earlier === null && planned === 0) return;
    if (earlier !== null) await sql("work").where({ id: earlier }).update({ value: record });
    await sql("work")
      .where({ consumer, district: delivery.district, state: "stopped", reason: waitsForRange })
      .update({ state: "waiting", reason: null });
    await sql("work").where({ id }).update({ state: "done", finished_at: sql.fn.now() });
  });
}

/** The work of an earlier attempt of the same delivery that is not done. */
async function earlierWork(
  context: DiffContext,
  sql: Knex.Transaction,
  { delivery, id }: { readonly delivery: Delivery; readonly id: number },
): Promise<number | null> {
  const rows: Pick<WorkItem, "id" | "value">[] = await sql("work")
    .where({ consumer, district: delivery.district, topic: controlTopics.deliveries.name })
    .whereIn("state", ["waiting", "stopped"])
    .where("id", "<", id)
    .select("id", "value");
  const found = rows.find(({ value }) => deliveryIn(context, value)?.delivery === delivery.delivery);
  return found?.id ?? null;
}
