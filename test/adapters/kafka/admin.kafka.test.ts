// Topics on a real broker: made, changed and read back, and what nobody asked for left as it was.

import { randomBytes } from "node:crypto";
import t from "tap";

import { applyTopics, topicDifferences } from "../../../libs/adapters/kafka/admin.ts";
import { type KafkaConnection, newAdmin } from "../../../libs/adapters/kafka/shim.ts";
import type { WantedTopic } from "../../../libs/adapters/kafka/topic-difference.ts";
import { topicSettings } from "../../../libs/adapters/kafka/topic-settings.ts";
import { kafkaBrokers } from "../../support/kafka.ts";

const connectionTo = (brokers: string): KafkaConnection => ({ brokers: brokers.split(","), clientId: "test" });

function wanted(prefix: string): readonly WantedTopic[] {
  return ["changesets", "roster.springfield", "licenses"].map((name) => ({
    name: `${prefix}${name}`,
    partitions: 1,
    replication: 1,
    settings: topicSettings(name),
  }));
}

async function make(
  connection: KafkaConnection,
  topic: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const admin = newAdmin(connection);
  await admin.connect();
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }] });
  await admin.disconnect();
}

t.test("topics are made with all their settings, and applied again nothing changes", async (t) => {
  const brokers = await kafkaBrokers(t);
  if (brokers === null) return;
  const connection = connectionTo(brokers);
  const topics = wanted(`t${randomBytes(4).toString("hex")}.`);
  const outcomes = async (): Promise<readonly string[]> =>
    (await topicDifferences(connection, topics)).map(({ outcome }) => outcome);
  t.strictSame(await outcomes(), ["create", "create", "create"]);
  await applyTopics(connection, topics);
  t.strictSame(await outcomes(), ["same", "same", "same"]);
  t.strictSame(
    (await applyTopics(connection, topics)).filter(({ outcome }) => outcome !== "same"),
    [],
  );
});

t.test("a topic that lost its settings gets all of them back", async (t) => {
  const brokers = await kafkaBrokers(t);
  if (brokers === null) return;
  const connection = connectionTo(brokers);
  const topics = wanted(`t${randomBytes(4).toString("hex")}.`);
  const [, roster] = topics;
  if (roster === undefined) return t.fail("there is a roster");
  await make(connection, roster.name, { "segment.ms": "60000" });
  const [, before] = await topicDifferences(connection, topics);
  t.equal(before?.outcome, "change");
  const changes = before?.outcome === "change" ? before.changes : [];
  t.match(changes[0], { setting: "cleanup.policy", is: "delete", shall: "compact" });
  t.match(changes.at(-1), { setting: "segment.ms", is: "60000", shall: null });
  await applyTopics(connection, topics);
  t.strictSame(
    (await topicDifferences(connection, topics)).map(({ outcome }) => outcome),
    ["same", "same", "same"],
  );
});

t.test("one topic that would lose records keeps all from being changed", async (t) => {
  const brokers = await kafkaBrokers(t);
  if (brokers === null) return;
  const connection = connectionTo(brokers);
  const topics = wanted(`t${randomBytes(4).toString("hex")}.`);
  const [changesets] = topics;
  if (changesets === undefined) return t.fail("there are changesets");
  await make(connection, changesets.name, { "cleanup.policy": "compact" });
  await t.rejects(applyTopics(connection, topics), { code: "topics.lossy", message: new RegExp(changesets.name, "u") });
  t.strictSame(
    (await topicDifferences(connection, topics)).map(({ outcome }) => outcome),
    ["refuse", "create", "create"],
  );
});

t.test("what brokers refuse to make is told by its type, not as brokers that are away", async (t) => {
  const brokers = await kafkaBrokers(t);
  if (brokers === null) return;
  const topics = wanted(`t${randomBytes(4).toString("hex")}.`).map((topic) => ({ ...topic, replication: 9 }));
  const refused = { code: "kafka.refused", details: { type: "INVALID_REPLICATION_FACTOR" } };
  await t.rejects(applyTopics(connectionTo(brokers), topics), refused);
});

t.test("brokers that are not there are unreachable, which may pass", async (t) => {
  const nowhere = { brokers: ["127.0.0.1:1"], clientId: "test" };
  await t.rejects(topicDifferences(nowhere, wanted("x.")), { code: "kafka.unreachable", retryable: true });
});
