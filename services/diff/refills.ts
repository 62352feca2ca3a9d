// A delivery's range may expire while the delivery waits for its turn or for a person. Diff then asks for it to be filled
// again, and the district waits. The new attempt is the same delivery: it takes the place of the old one where that
// stood, so that nothing overtakes it.

import type { Knex } from "knex";

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import type { AppError } from "../../libs/errors.ts";
import type { Delivery } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { DiffContext } from "./context.ts";
import { replaceDeliveryRecord } from "./store.ts";

/** The reason of work that stopped only until a range is there again: nobody has to act. */
export const waitsForRange = "waits for its range to be filled again";

/** Asks the ingest to fill the range again; the work stops until it is there. */
export async function requestRefill(
  context: DiffContext,
  {
    delivery,
    workId,
    error,
  }: { readonly delivery: Delivery; readonly workId: number | null; readonly error: AppError },
): Promise<void> {
  const request = {
    district: delivery.district,
    source: delivery.source,
    delivery: delivery.delivery,
    wish: "refill",
    reason: error.message,
    at: context.clock.now(),
  };
  const value = context.records.encode("rollcall.control.Request", request);
  await context.log.transaction(async (tx) => {
    tx.append(controlTopics.requests.name, [{ key: controlKey(delivery.district, delivery.source), value }]);
    if (workId !== null)
      await tx.sql("work").where({ id: workId, state: "waiting" }).update({ state: "stopped", reason: waitsForRange });
  });
  context.logger.warn(
    { district: delivery.district, delivery: delivery.delivery },
    "asked for a range to be filled again",
  );
}

/** Puts later attempts of the district's deliveries in the place of earlier ones. */
export async function takeRefills(context: DiffContext, district: string): Promise<void> {
  const rows: Pick<WorkItem, "id" | "value">[] = await context
    .sql("work")
    .where({ consumer: "diff", district, topic: controlTopics.deliveries.name, state: "waiting" })
    .orderBy("id")
    .select("id", "value");
  for (const { id, value } of rows) {
    if (value === null) continue;
    const delivery = context.records.decode("rollcall.control.Delivery", value);
    if (delivery.attempt > 1) await takeRefill(context, { delivery, id, record: Buffer.from(value) });
  }
}

async function takeRefill(
  context: DiffContext,
  { delivery, id, record }: { readonly delivery: Delivery; readonly id: number; readonly record: Buffer },
): Promise<void> {
  await context.log.transaction(async ({ sql }) => {
    const earlier = await earlierWork(context, sql, { delivery, id });
    const planned = await replaceDeliveryRecord(sql, {
      district: delivery.district,
      delivery: delivery.delivery,
      record,
    });
    if (earlier === null && planned === 0) return;
    if (earlier !== null) await sql("work").where({ id: earlier }).update({ value: record });
    await sql("work")
      .where({ consumer: "diff", district: delivery.district, state: "stopped", reason: waitsForRange })
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
    .where({ consumer: "diff", district: delivery.district, topic: controlTopics.deliveries.name })
    .whereIn("state", ["waiting", "stopped"])
    .where("id", "<", id)
    .select("id", "value");
  const found = rows.find(
    ({ value }) =>
      value !== null && context.records.decode("rollcall.control.Delivery", value).delivery === delivery.delivery,
  );
  return found?.id ?? null;
}
