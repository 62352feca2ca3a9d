// An installation stays with the log it began on: PostgreSQL or Kafka, and there with one cluster and one prefix of its
// topics. It keeps true that positions, plans and grants, which name offsets, are never read against another log, and that
// no two installations publish to the same topics: one that is new refuses topics on which somebody publishes already.

import { clusterIdOf } from "../adapters/kafka/admin.ts";
import type { Database } from "../adapters/postgres/database.ts";
import { AppError } from "../errors.ts";
import type { EventLog } from "../ports.ts";
import { controlTopics } from "../topics.ts";
import type { KafkaSettings } from "./settings.ts";

/** Control topics on which nobody but an installation writes. */
const own = [controlTopics.deliveries, controlTopics.plans, controlTopics.changesets, controlTopics.notices];

/** @throws AppError `log.other`. */
export async function keepToLog({ sql }: Database, log: "postgres" | "kafka"): Promise<void> {
  const insert = sql("installation").insert({ log });
  await insert.onConflict("one_row").ignore();
  const row: { readonly log: string } | undefined = await sql("installation").first("log");
  if (row?.log === log) return;
  const [began, here] = log === "kafka" ? ["PostgreSQL", "Kafka"] : ["Kafka", "PostgreSQL"];
  throw new AppError("log.other", { message: `this installation began with its log on ${began}, not on ${here}` });
}

/**
 * Call it before the log's topics are made.
 * @throws AppError `log.other`, `kafka.unreachable`.
 */
export async function keepToCluster(
  { sql }: Database,
  { kafka, log }: { readonly kafka: KafkaSettings; readonly log: Pick<EventLog, "extent"> },
): Promise<void> {
  const cluster = await clusterIdOf(kafka.connection);
  const { prefix } = kafka;
  const home = async (): Promise<Home | undefined> => sql("installation").first("cluster", "prefix");
  if (!isKnown(await home()) && (await isPublishedTo({ sql }, log)) && !isKnown(await home())) {
    const message = `another installation publishes on this cluster to topics with the prefix "${prefix}"`;
    throw new AppError("log.other", { message });
  }
  await sql("installation").whereNull("cluster").update({ cluster, prefix });
  refuseOther(await home(), { cluster, prefix });
}

/** Refuses another cluster or prefix than it began with, if it has begun. @throws AppError `log.other`, `kafka.unreachable`. */
export async function refuseOtherCluster({ sql }: Pick<Database, "sql">, kafka: KafkaSettings): Promise<void> {
  const home: Home | undefined = await sql("installation").first("cluster", "prefix");
  if (isKnown(home)) refuseOther(home, { cluster: await clusterIdOf(kafka.connection), prefix: kafka.prefix });
}

function refuseOther(
  began: Home | undefined,
  { cluster, prefix }: { readonly cluster: string; readonly prefix: string },
): void {
  if (began?.prefix !== prefix)
    throw new AppError("log.other", {
      message: `this installation began with KAFKA_TOPIC_PREFIX "${began?.prefix ?? ""}", not "${prefix}"`,
    });
  if (began.cluster !== cluster)
    throw new AppError("log.other", {
      message: `this installation began on the Kafka cluster ${began.cluster ?? ""}, and these brokers are of ${cluster}`,
    });
}

type Home = { readonly cluster: string | null; readonly prefix: string | null };

function isKnown(home: Home | undefined): boolean {
  return home !== undefined && home.cluster !== null;
}

/** Whether others did: what this installation published itself, before it knew its cluster, has an outbox. */
async function isPublishedTo({ sql }: Pick<Database, "sql">, log: Pick<EventLog, "extent">): Promise<boolean> {
  const names = own.map(({ name }) => name);
  const outbox: unknown = await sql("outbox_topics").whereIn("topic", names).first("topic");
  if (outbox !== undefined) return false;
  for (const name of names) if (((await log.extent(name))?.end ?? 0) > 0) return true;
  return false;
}
