// What diff says of deliveries, kept with the sets that they came from, so that their districts can be told.
// It keeps true that a record counts once, and that of two plans of a delivery the one with the greater version stays.

import type { Knex } from "knex";

import type { Inbox, WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { recordCodec } from "../../libs/adapters/registry/record-codec.ts";
import { isAppError } from "../../libs/errors.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import type { Changeset, Plan } from "../../libs/records.ts";
import { controlTopics } from "../../libs/topics.ts";

const consumer = "ingest-sftp.news";
const { plans, changesets } = controlTopics;
const worksAtOnce = 100;

/** Topics on which something may be told of a delivery. */
export const newsTopics: readonly string[] = [plans.name, changesets.name];

export type PublishedPart = Pick<Changeset, "number" | "plan" | "counts">;

/** Takes in what is new. @returns whether there was something. */
export async function takeNews(context: IngestContext & { readonly inbox: Inbox }): Promise<boolean> {
  await context.inbox.pump({ consumer, topics: newsTopics });
  let took = false;
  for (const district of await context.inbox.waitingDistricts(consumer)) {
    const items = await context.inbox.nextWorks(consumer, district, worksAtOnce);
    for (const item of items) await takeOne(context, item);
    took ||= items.length > 0;
  }
  return took;
}

async function takeOne(context: IngestContext & { readonly inbox: Inbox }, item: WorkItem): Promise<void> {
  try {
    await context.sql.transaction((sql) => takeIn(context, sql, item));
  } catch (error) {
    // Another process took it in.
    if (!isAppError(error, "work.not-waiting")) throw error;
  }
}

async function takeIn(
  context: IngestContext & { readonly inbox: Inbox },
  sql: Knex.Transaction,
  item: WorkItem,
): Promise<void> {
  const records = recordCodec(context.codec);
  if (item.value !== null && item.topic === plans.name)
    await keepPlan(sql, records.decode("rollcall.control.Plan", item.value));
  if (item.value !== null && item.topic === changesets.name)
    await keepChangeset(sql, records.decode("rollcall.control.Changeset", item.value));
  await context.inbox.finish(sql, item.id);
}

async function keepPlan(sql: Knex.Transaction, plan: Plan): Promise<void> {
  await sql("drop_sets")
    .where({ district: plan.district, delivery: plan.delivery })
    .whereRaw("coalesce((plan->>'version')::bigint, 0) <= ?", [plan.version])
    .update({ plan: JSON.stringify(plan) });
}

async function keepChangeset(
  sql: Knex.Transaction,
  { district, delivery, number, plan, counts }: Changeset,
): Promise<void> {
  const part: PublishedPart = { number, plan, counts };
  await sql("drop_sets")
    .where({ district, delivery })
    .update({ changesets: sql.raw("changesets || cast(? as jsonb)", [JSON.stringify([part])]) });
}
