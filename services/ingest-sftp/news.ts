// What diff says of deliveries, kept with the sets that they came from, so that their districts can be told.
// It keeps true that a record counts once, also when all are read again; that of two plans of a delivery the one with the
// greater version stays; and that a record which cannot be read keeps no other waiting.

import type { Knex } from "knex";

import type { Inbox, WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { recordCodec } from "../../libs/adapters/registry/record-codec.ts";
import { type AppError, isAppError } from "../../libs/errors.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import type { Changeset, Plan } from "../../libs/records.ts";
import { controlTopics } from "../../libs/topics.ts";

const consumer = "ingest-sftp.news";
const { plans, changesets } = controlTopics;
const worksAtOnce = 100;

/** Topics on which something may be told of a delivery. */
export const newsTopics: readonly string[] = [plans.name, changesets.name];

export type PublishedPart = Pick<Changeset, "number" | "plan" | "counts">;

export type NewsContext = IngestContext & {
  readonly inbox: Inbox;
  /** Hears of a record that cannot be read, and was stopped. */
  readonly stopped?: (district: string, error: AppError) => Promise<void>;
};

/** Takes in what is new. @returns whether there was something. */
export async function takeNews(context: NewsContext): Promise<boolean> {
  await context.inbox.pump({ consumer, topics: newsTopics });
  const { rows } = await context.sql.raw<{ readonly rows: readonly NewsItem[] }>(
    `update work set attempts = attempts + 1
     where id in (select id from work where consumer = ? and state = 'waiting' order by id limit ?)
     returning id, topic, district, value`,
    [consumer, worksAtOnce],
  );
  for (const item of rows.toSorted((a, b) => a.id - b.id)) await takeOne(context, item);
  return rows.length > 0;
}

/** Each counts by itself, in any order: one that is stopped keeps none waiting. */
type NewsItem = Pick<WorkItem, "id" | "topic" | "district" | "value">;

async function takeOne(context: NewsContext, item: NewsItem): Promise<void> {
  try {
    await context.sql
      .transaction((sql) => takeIn(context, sql, item))
      .catch((error: unknown) => stop(context, item, error));
  } catch (error) {
    // Another process took it in.
    if (!isAppError(error, "work.not-waiting")) throw error;
  }
}

async function stop(context: NewsContext, { id, district }: NewsItem, error: unknown): Promise<void> {
  if (!isAppError(error) || error.retryable || error.code === "work.not-waiting") throw error;
  await context.inbox.stop(id, `${error.code}: ${error.message}`);
  await context.stopped?.(district, error);
}

async function takeIn(context: NewsContext, sql: Knex.Transaction, item: NewsItem): Promise<void> {
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
    .whereRaw("not changesets @> cast(? as jsonb)", [JSON.stringify([{ number }])])
    .update({ changesets: sql.raw("changesets || cast(? as jsonb)", [JSON.stringify([part])]) });
}
