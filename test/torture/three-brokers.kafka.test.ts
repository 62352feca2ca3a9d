// Three brokers, each record on three of them, of which the one that leads is killed in the middle of the work: writing goes
// on at the next leader, and what was acknowledged is there once.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import t, { type Test } from "tap";

import { takeLease } from "../../libs/adapters/postgres/leases.ts";
import { type BrokerSettings, startBroker } from "../../libs/stack/broker.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import type { RunningServer } from "../../libs/stack/process.ts";
import { districtTopic } from "../../libs/topics.ts";
import { freshKafkaLogs } from "../adapters/kafka/fresh-logs.ts";
import { isSaidOnce, same } from "../support/kafka-audit.ts";
import { isWhole, stateInTime, storyIn, tell } from "../support/kafka-people.ts";
import { kafkaStage, serviceNames } from "../support/kafka-stage.ts";
import { kafkaBrokers, spaciousFolder, testProperties } from "../support/kafka.ts";
import type { Teardown } from "../support/teardown.ts";

const limitMs = 900_000;
const kills = 4;
t.setTimeout(limitMs);

const replicated: Readonly<Record<string, string>> = {
  ...testProperties,
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  "share.coordinator.state.topic.replication.factor": "3",
  "share.coordinator.state.topic.min.isr": "2",
  "unclean.leader.election.enable": "false",
  "replica.lag.time.max.ms": "5000",
  "broker.session.timeout.ms": "6000",
};

class Brokers {
  readonly addresses: string;
  readonly #settings: readonly BrokerSettings[];
  readonly #running: RunningServer[];

  constructor(settings: readonly BrokerSettings[], running: readonly RunningServer[]) {
    this.#settings = settings;
    this.#running = [...running];
    this.addresses = running.map(({ address }) => address).join(",");
  }

  static async start(t: Teardown): Promise<Brokers> {
    const ports = await freePorts(6);
    const [first = 0, second = 0, third = 0] = ports.slice(3);
    const voters = [first, second, third].map((port, at) => `${at + 1}@127.0.0.1:${port}`).join(",");
    const settings = [first, second, third].map((controllerPort, at): BrokerSettings => {
      const properties = { ...replicated, "node.id": String(at + 1), "controller.quorum.voters": voters };
      const folder = mkdtempSync(join(spaciousFolder(), "rollcall-three-"));
      t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
      return { folder, port: ports[at] ?? 0, controllerPort, isBound: true, properties };
    });
    const brokers = new Brokers(settings, await Promise.all(settings.map(startBroker)));
    t.teardown(() => brokers.end());
    return brokers;
  }

  async end(): Promise<void> {
    await Promise.all(this.#running.map((each) => each.kill()));
  }

  /** Kills the leader of a topic, and starts it again when another leads. @returns how long nobody led, milliseconds. */
  async killLeader(topic: string): Promise<number> {
    const { leader } = await this.#place(topic);
    await this.#running[leader - 1]?.kill();
    const since = performance.now();
    while ((await this.#place(topic)).leader === leader) await sleep(50);
    const goneMs = performance.now() - since;
    const settings = this.#settings[leader - 1];
    if (settings !== undefined) this.#running[leader - 1] = await startBroker(settings);
    while ((await this.#place(topic)).inSync < 3) await sleep(100);
    return goneMs;
  }

  async #place(topic: string): Promise<{ readonly leader: number; readonly inSync: number }> {
    const { Kafka, logLevel } = kafkajs;
    const admin = new Kafka({ brokers: this.addresses.split(","), logLevel: logLevel.NOTHING }).admin();
    try {
      await admin.connect();
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const [partition] = topics[0]?.partitions ?? [];
      return { leader: partition?.leader ?? 0, inSync: partition?.isr.length ?? 0 };
    } finally {
      await admin.disconnect();
    }
  }
}

/** Appends until told to stop. @returns the keys that were acknowledged, in their order. */
async function writeNumbered(
  append: (keys: readonly string[]) => Promise<unknown>,
  goesOn: () => boolean,
): Promise<readonly string[]> {
  const acknowledged: string[] = [];
  while (goesOn()) {
    const keys = Array.from({ length: 500 }, (_, at) => JSON.stringify(["n", String(acknowledged.length + at)]));
    await append(keys);
    acknowledged.push(...keys);
  }
  return acknowledged;
}

const skip = process.env["TORTURE"] === "1" ? false : "it takes minutes: make torture";

void t.test(
  "whatever leader dies, what a writer was told to be there is there once, in its order",
  { skip },
  async (t) => {
    if ((await kafkaBrokers(t)) === null) return;
    const brokers = await Brokers.start(t);
    const { another, database, prefix } = await freshKafkaLogs(t, brokers.addresses);
    const log = another({ replicas: 3 });
    for (const topic of ["roster.a", "changesets"]) await log.createTopic(topic);
    const lease = await takeLease(database.sql, { name: "roster.a", holder: "h", ttlMs: limitMs });
    if (lease === null) return t.fail("the lease is free");
    const writer = await log.openWriter("roster.a", lease);
    let goes = true;
    const value = Buffer.alloc(200);
    const written = writeNumbered(
      (keys) => writer.append(keys.map((key) => ({ key, value }))),
      () => goes,
    );
    const sent = writeNumbered(
      (keys) =>
        log.transaction(async (tx) =>
          tx.append(
            "changesets",
            keys.map((key) => ({ key, value })),
          ),
        ),
      () => goes,
    );
    for (let kill = 0; kill < kills; kill++) {
      await sleep(1_000);
      const topic = kill % 2 === 0 ? "roster.a" : "changesets";
      t.comment(`${topic} was without a leader for ${Math.round(await brokers.killLeader(prefix + topic))} ms`);
    }
    goes = false;
    await isThereOnce(t, { acknowledged: await written, found: await keysOf(log, "roster.a") });
    const acknowledged = await sent;
    while ((await database.sql("outbox").first("topic")) !== undefined) await sleep(100);
    await isThereOnce(t, { acknowledged, found: await keysOf(log, "changesets") });
  },
);

type Log = Awaited<ReturnType<typeof freshKafkaLogs>>["log"];

/** Keys in the order of the log; of records that the outbox sent again, the first. */
async function keysOf(log: Log, topic: string): Promise<readonly string[]> {
  const extent = await log.extent(topic);
  if (extent === null) return [];
  const seen = new Set<string>();
  const keys: string[] = [];
  for await (const batch of log.scan({ topic, generation: extent.generation, from: 0, to: extent.end }))
    for (const record of batch) {
      const number = record.header("outbox");
      const key = Buffer.from(record.key).toString();
      if (key !== '["writer"]' && (number === undefined || !seen.has(number))) keys.push(key);
      if (number !== undefined) seen.add(number);
    }
  return keys;
}

async function isThereOnce(
  t: Test,
  { acknowledged, found }: { readonly acknowledged: readonly string[]; readonly found: readonly string[] },
): Promise<void> {
  t.comment(`${acknowledged.length} records were acknowledged`);
  t.ok(acknowledged.length > 1_000, "something was written");
  t.equal(found.length, acknowledged.length);
  t.ok(
    found.every((key, at) => key === acknowledged[at]),
    "each once, in its order",
  );
  await Promise.resolve();
}

void t.test("the services go on while the leaders of their topics die", { skip }, async (t) => {
  if ((await kafkaBrokers(t)) === null) return;
  const brokers = await Brokers.start(t);
  const stage = await kafkaStage(t, { brokers: brokers.addresses, replicas: 3 });
  if (stage === null) return;
  await stage.start(...serviceNames.map((service) => ({ service, number: 1 })));
  const calm = await storyIn(stage, "calm", 1);
  await tell(calm);
  const wanted = await stateInTime(calm, isWhole);
  t.ok(typeof wanted !== "string" && isWhole(wanted), "a clean run ends well", { wanted });

  const run = await storyIn(stage, "storm", 2);
  const told = tell(run, () => 1_000);
  await stateInTime(run, (state) => Object.keys(state).length > 0);
  for (const topic of [districtTopic("roster", run.district), "deliveries", "changesets"]) {
    t.comment(`${topic} was without a leader for ${Math.round(await brokers.killLeader(stage.prefix + topic))} ms`);
    await sleep(500);
  }
  await told;
  t.strictSame(await stateInTime(run, (state) => JSON.stringify(state) === JSON.stringify(wanted)), wanted);
  await same(t, run);
  await isSaidOnce(t, run);
});
