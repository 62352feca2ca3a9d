// The fenced writer while brokers stop, die, come back or refuse, and while others write.

import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import t from "tap";
import type { Test } from "tap";
import { KafkaCluster } from "../../../libs/adapters/kafka/cluster.ts";
import { FencedWriter, LeaseRight } from "../../../libs/adapters/kafka/writer.ts";
import { takeLease } from "../../../libs/adapters/postgres/leases.ts";
import { startBroker } from "../../../libs/stack/broker.ts";
import { codeOf, keysOf, lapse, leaseOf, numbered, readAll, record, topic } from "../../contract/log-under-test.ts";
import { kafkaBrokers, ownBroker } from "../../support/kafka.ts";
import { freshKafkaLogs } from "./fresh-logs.ts";

// Tests with a broker of their own mostly wait, for requests that time out and brokers that start: side by side.
t.jobs = 3;
const beside = { buffered: true };
const brokers = await kafkaBrokers(t);

async function foreignProducer(test: Test): Promise<kafkajs.Producer> {
  const client = new kafkajs.Kafka({ brokers: (brokers ?? "").split(","), logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  test.teardown(() => producer.disconnect());
  return producer;
}

/** A lease that ends while the second window of batches is on its way. */
class EndingRight extends LeaseRight {
  #asked = 0;

  override async check(): Promise<void> {
    await super.check();
    // Once before all, then before each window.
    if (++this.#asked > 3) throw this.fenced(topic);
  }
}

if (brokers !== null) {
  t.test("another producer's record between a writer's own ends the writer: it is not the only one", async (t) => {
    const { log, database, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic(topic);
    const writer = await log.openWriter(topic, await leaseOf(database));
    await writer.append([record("1")]);
    const foreign = await foreignProducer(t);
    await foreign.send({ topic: prefix + topic, messages: [{ key: "foreign", value: "x" }] });
    t.equal(await codeOf(writer.append([record("2")])), "log.writer-fenced");
    t.equal(await codeOf(writer.append([record("3")])), "log.writer-fenced");
  });

  t.test("on a topic that others write too a transaction lands once, whatever they write meanwhile", async (t) => {
    const { log, prefix, database } = await freshKafkaLogs(t, brokers);
    await log.createTopic("accounts");
    const foreign = await foreignProducer(t);
    let goes = true;
    const traffic = (async () => {
      while (goes) await foreign.send({ topic: `${prefix}accounts`, messages: [{ key: "foreign", value: "x" }] });
    })();
    for (const count of [1, 8_000, 1])
      await log.transaction(async (tx) => tx.append("accounts", numbered(count, `${count}-`)));
    goes = false;
    await traffic;
    t.equal((await database.sql("outbox")).length, 0);
    const ours = (await readAll(log, "accounts")).filter((one) => one.header("outbox") !== undefined);
    t.equal(ours.length, 8_002, "each once");
    t.equal(log.failures().size, 0);
  });

  t.test("nothing is sent any more when the lease ends in the middle of an append", async (t) => {
    const { log, database, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic(topic);
    const generation = (await log.extent(topic))?.generation ?? "";
    const cluster = new KafkaCluster({ brokers: brokers.split(","), clientId: "rollcall-test" });
    t.teardown(() => cluster.close());
    const name = prefix + topic;
    const session = await cluster.initProducer(name, name);
    const right = new EndingRight(database.sql, await leaseOf(database));
    const place = { topic, name, generation, isShared: false };
    const writer = new FencedWriter({ cluster, place, session, right });
    t.equal(await codeOf(writer.append(numbered(20_000))), "log.writer-fenced");
    const end = (await log.extent(topic))?.end ?? 0;
    t.ok(end > 0 && end < 20_000, `it began, and ended in the middle: ${end}`);
  });

  for (const [what, value] of [
    ["an upsert", "1"],
    ["a null", null],
  ] as const) {
    t.test(`${what} of a writer that slept through its lease is refused by the broker itself`, async (t) => {
      const { log, other, database } = await freshKafkaLogs(t, brokers);
      await log.createTopic(topic);
      const sleeper = await log.openWriter(topic, await leaseOf(database));
      await lapse(database);
      const young = await other.openWriter(topic, await leaseOf(database));
      // The sleeper believes in its lease still: it does not ask again before the time it knows is over.
      await t.rejects(sleeper.append([record("a", value)]), {
        code: "log.writer-fenced",
        cause: { type: "INVALID_PRODUCER_EPOCH" },
      });
      t.equal((await log.extent(topic))?.end, young.barrier + 1);
    });
  }

  t.test("fault N: a record that brokers would refuse is refused before anything is sent", async (t) => {
    const { log, database } = await freshKafkaLogs(t, brokers);
    await log.createTopic(topic);
    const writer = await log.openWriter(topic, await leaseOf(database));
    const huge = { key: "huge", value: Buffer.alloc(1_100_000) };
    t.equal(await codeOf(writer.append([record("1"), huge])), "log.record-too-large");
    t.equal(await codeOf(log.transaction(async (tx) => tx.append(topic, [huge]))), "log.record-too-large");
    t.same(await writer.append([record("2")]), { from: 1, to: 2 }, "the writer goes on");
  });

  t.test("as many writers as there are connections are opened at once without waiting for each other", async (t) => {
    const { log, database } = await freshKafkaLogs(t, brokers);
    const names = Array.from({ length: 12 }, (_, i) => `roster.district-${i}`);
    await Promise.all(names.map((each) => log.createTopic(each)));
    const start = performance.now();
    const writers = names.map(async (each) => {
      const lease = await takeLease(database.sql, { name: each, holder: each, ttlMs: 60_000 });
      return lease === null ? null : log.openWriter(each, lease);
    });
    t.ok((await Promise.all(writers)).every((writer) => writer?.barrier === 0));
    t.ok(performance.now() - start < 10_000);
  });

  t.test("many batches are in flight at once and stand in order, without a gap", async (t) => {
    const { log, database } = await freshKafkaLogs(t, brokers);
    await log.createTopic(topic);
    const writer = await log.openWriter(topic, await leaseOf(database));
    const parts = [1, 20_000, 1, 7_500, 999];
    const appended = await Promise.all(parts.map((count, i) => writer.append(numbered(count, `${i}-`))));
    t.same(
      appended.map(({ from, to }) => to - from),
      parts,
    );
    const keys = keysOf(await readAll(log, topic)).slice(1);
    t.same(
      keys,
      parts.flatMap((count, i) => Array.from({ length: count }, (_, k) => `${i}-${k}`)),
    );
  });

  t.test("fault C: a broker that stops in mid-send and goes on gets every batch once", beside, async (t) => {
    const own = await ownBroker(t);
    if (own === null) return;
    const { log, database } = await freshKafkaLogs(t, own.server.address);
    await log.createTopic(topic);
    const writer = await log.openWriter(topic, await leaseOf(database));
    await writer.append([record("before")]);
    process.kill(own.server.pid, "SIGSTOP");
    const appending = writer.append(numbered(5_000));
    // Longer than a request waits for its answer: all of it is sent again.
    await sleep(17_000);
    process.kill(own.server.pid, "SIGCONT");
    t.same(await appending, { from: 2, to: 5_002 });
    t.same(keysOf(await readAll(log, topic)), ['["writer"]', "before", ...numbered(5_000).map(({ key }) => key)]);
  });

  t.test(
    "a broker that is killed in mid-send and comes back has every batch once, and fences as before",
    beside,
    async (t) => {
      const own = await ownBroker(t);
      if (own === null) return;
      const { log, other, database } = await freshKafkaLogs(t, own.server.address);
      await log.createTopic(topic);
      const writer = await log.openWriter(topic, await leaseOf(database));
      const appending = (async () => {
        let sent = 0;
        for (let i = 0; i < 40; i++) ({ to: sent } = await writer.append(numbered(2_000, `${i}-`)));
        return sent;
      })();
      await sleep(150);
      await own.server.kill();
      const again = await startBroker(own.settings);
      t.teardown(() => again.kill());
      t.equal(await appending, 80_001);
      t.same(
        keysOf(await readAll(log, topic)).slice(1),
        Array.from({ length: 40 }, (_, i) => Array.from({ length: 2_000 }, (_, k) => `${i}-${k}`)).flat(),
      );
      await lapse(database);
      const young = await other.openWriter(topic, await leaseOf(database));
      await again.kill();
      const third = await startBroker(own.settings);
      t.teardown(() => third.kill());
      t.equal(await codeOf(writer.append([record("late", null)])), "log.writer-fenced", "fenced also after a restart");
      t.equal(await codeOf(young.append([record("young")])), "resolved");
    },
  );

  t.test("requests that a sleeping writer left behind are refused after a newer one opened", beside, async (t) => {
    const own = await ownBroker(t);
    if (own === null) return;
    const { log, another, database } = await freshKafkaLogs(t, own.server.address);
    await log.createTopic(topic);
    const sleeper = await another().openWriter(topic, await leaseOf(database));
    // What it sent while its lease was good stands in the broker's queue behind the newer writer's opening.
    const late = [record("1"), record("1", null)].map((one) => codeOf(sleeper.append([one])));
    await lapse(database);
    const young = await log.openWriter(topic, await leaseOf(database));
    const codes = await Promise.all(late);
    const after = keysOf(await readAll(log, topic, { from: young.barrier + 1 }));
    t.same(after, [], `nothing of it stands after the barrier, whatever became of it: ${codes.join(", ")}`);
    t.equal(await codeOf(sleeper.append([record("2", null)])), "log.writer-fenced");
  });
}
