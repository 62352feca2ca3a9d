// Topics as they are on the brokers, and how they become what they shall be.
// It keeps true that alterConfigs, which puts back to its default whatever it is not told, is always told everything,
// that what was sent is read back, and that nothing is changed when one difference would lose data.

import { setTimeout as sleep } from "node:timers/promises";

import type { Admin } from "kafkajs";

import { assert } from "../../domain/assert.ts";
import { AppError, isAppError } from "../../errors.ts";
import { kafkaFailure } from "./cluster.ts";
import type { KafkaConnection } from "./shim.ts";
import { failureOf, newAdmin } from "./shim.ts";
import { differenceOf } from "./topic-difference.ts";
import type { ActualTopic, TopicDifference, WantedTopic } from "./topic-difference.ts";

const topicResource = 2;
/** Where a setting comes from when it was made on the topic itself. */
const ownSource = 1;
const atOnce = 200;
const createTimeoutMs = 30_000;
const newsMs = 15_000;
const lookMs = 100;

/** What differs, topic by topic in the order asked. Nothing is changed. @throws AppError `kafka.unreachable`. */
export function topicDifferences(
  connection: KafkaConnection,
  wanted: readonly WantedTopic[],
): Promise<readonly TopicDifference[]> {
  return withAdmin(connection, (admin) => differences(admin, wanted));
}

/** Kafka's own id of the cluster, which stays with its data. @throws AppError `kafka.unreachable`. */
export function clusterIdOf(connection: KafkaConnection): Promise<string> {
  return withAdmin(connection, async (admin) => (await admin.describeCluster()).clusterId);
}

/**
 * Makes the topics what they shall be. Called again it changes nothing.
 * @returns what differed before.
 * @throws AppError `topics.lossy` naming each topic and reason, before anything is changed; `topics.differ` when the
 * brokers took the settings and have others; `kafka.unreachable`.
 */
export function applyTopics(
  connection: KafkaConnection,
  wanted: readonly WantedTopic[],
): Promise<readonly TopicDifference[]> {
  return withAdmin(connection, async (admin) => {
    const before = await differences(admin, wanted);
    refuseLoss(before);
    const outcomes = new Map(before.map(({ topic, outcome }) => [topic, outcome]));
    await create(
      admin,
      wanted.filter(({ name }) => outcomes.get(name) === "create"),
    );
    await change(
      admin,
      wanted.filter(({ name }) => outcomes.get(name) === "change"),
    );
    const left = await stillDifferent(admin, wanted);
    if (left.length > 0) throw new AppError("topics.differ", { details: { topics: left.map(({ topic }) => topic) } });
    return before;
  });
}

function refuseLoss(found: readonly TopicDifference[]): void {
  const reasons = found.flatMap((each) =>
    each.outcome === "refuse" ? each.reasons.map((reason) => `${each.topic}: ${reason}`) : [],
  );
  if (reasons.length > 0) throw new AppError("topics.lossy", { message: reasons.join("; ") });
}

async function create(admin: Admin, wanted: readonly WantedTopic[]): Promise<void> {
  for (const some of slices(wanted))
    await admin.createTopics({
      timeout: createTimeoutMs,
      // kafkajs waits for leaders, but gives up at the first broker that has not heard of a topic; we wait ourselves.
      waitForLeaders: false,
      topics: some.map(({ name, partitions, replication, settings }) => ({
        topic: name,
        numPartitions: partitions,
        replicationFactor: replication,
        configEntries: entriesOf(settings),
      })),
    });
}

/** What differs once the brokers had time to tell each other what was made. */
async function stillDifferent(admin: Admin, wanted: readonly WantedTopic[]): Promise<readonly TopicDifference[]> {
  for (const deadline = performance.now() + newsMs; ; await sleep(lookMs)) {
    const isLate = performance.now() > deadline;
    try {
      const left = (await differences(admin, wanted)).filter(({ outcome }) => outcome !== "same");
      if (left.length === 0 || isLate) return left;
    } catch (thrown) {
      if (isLate || failureOf(thrown)?.type !== "UNKNOWN_TOPIC_OR_PARTITION") throw thrown;
    }
  }
}

async function change(admin: Admin, wanted: readonly WantedTopic[]): Promise<void> {
  for (const some of slices(wanted))
    await admin.alterConfigs({
      validateOnly: false,
      resources: some.map(({ name, settings }) => ({
        type: topicResource,
        name,
        configEntries: entriesOf(settings),
      })),
    });
}

function entriesOf(settings: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(settings).map(([name, value]) => ({ name, value }));
}

async function differences(admin: Admin, wanted: readonly WantedTopic[]): Promise<readonly TopicDifference[]> {
  const existing = new Set(await admin.listTopics());
  const actual = new Map<string, ActualTopic>();
  for (const some of slices(wanted.filter(({ name }) => existing.has(name))))
    for (const [name, topic] of await described(
      admin,
      some.map(({ name }) => name),
    ))
      actual.set(name, topic);
  return wanted.map((topic) => differenceOf(topic, actual.get(topic.name) ?? null));
}

async function described(admin: Admin, names: readonly string[]): Promise<ReadonlyMap<string, ActualTopic>> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  const places = new Map(topics.map(({ name, partitions }) => [name, partitions]));
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: topicResource, name })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries }) => {
      const own = configEntries.filter(({ configSource }) => Number(configSource) === ownSource);
      const partitions = places.get(resourceName) ?? [];
      const replication = Math.min(...partitions.map(({ replicas }) => replicas.length));
      return [
        resourceName,
        { partitions: partitions.length, replication, own: textsOf(own), all: textsOf(configEntries) },
      ];
    }),
  );
}

function textsOf(
  entries: readonly { readonly configName: string; readonly configValue: string | null }[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue ?? ""]));
}

function slices<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / atOnce) }, (_, at) =>
    items.slice(at * atOnce, (at + 1) * atOnce),
  );
}

async function withAdmin<T>(connection: KafkaConnection, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin: object = newAdmin(connection);
  assert(isWhole(admin), "kafkajs has an admin client");
  try {
    await admin.connect();
    return await work(admin);
  } catch (cause) {
    if (isAppError(cause)) throw cause;
    throw kafkaFailure(cause);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

/** The shim names only what the log uses of the admin client. */
function isWhole(admin: object): admin is Admin {
  return "describeConfigs" in admin && "alterConfigs" in admin;
}
