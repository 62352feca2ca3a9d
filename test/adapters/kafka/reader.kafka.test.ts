// Reading ranges of topics that compaction, retention and other producers change.

import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import t from "tap";
import { KafkaCluster } from "../../../libs/adapters/kafka/cluster.ts";
import { readRange } from "../../../libs/adapters/kafka/reader.ts";
import type { StoredRecord } from "../../../libs/ports.ts";
import { codeOf, keysOf, leaseOf, numbered, readAll, record, topic } from "../../contract/log-under-test.ts";
import { kafkaBrokers } from "../../support/kafka.ts";
import { alterTopic, eagerCompaction, freshKafkaLogs } from "./fresh-logs.ts";

/** Counts what is asked of the leaders: fetches, and a few questions for offsets. */
class CountingCluster extends KafkaCluster {
  requests = 0;

  override tryLeader<T>(name: string, call: Parameters<typeof KafkaCluster.prototype.tryLeader<T>>[1]): Promise<T> {
    this.requests++;
    return super.tryLeader(name, call);
  }
}

/** One batch of one more producer: brokers keep the last one of each, even when nothing of it is left (record-batch.test.ts). */
async function sendAsAnother(
  brokers: string,
  about: { readonly topic: string; readonly count: number; readonly value: string | null },
): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const createPartitioner = kafkajs.Partitioners.DefaultPartitioner;
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner });
  await producer.connect();
  const messages = Array.from({ length: about.count }, (_, i) => ({ key: String(i), value: about.value }));
  await producer.send({ topic: about.topic, messages });
  await producer.disconnect();
}

const brokers = await kafkaBrokers(t);
if (brokers !== null) {
  t.test("fault D: a topic that compaction emptied in many places is read to its end, in few requests", async (t) => {
    const { log, database, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic(topic);
    await alterTopic(brokers, { name: prefix + topic, settings: eagerCompaction });
    for (const value of ["1", "2", null, "4"]) {
      await sendAsAnother(brokers, { topic: prefix + topic, count: value === null ? 800 : 1_000, value });
      await sleep(700);
    }
    const writer = await log.openWriter(topic, await leaseOf(database));
    for (let look = 0; look < 60; look++) {
      // The segment that is written to is never compacted: one more record begins another.
      await writer.append([record("roll", String(look))]);
      const count = (await readAll(log, topic)).length;
      if (count < 1_100) break;
      await sleep(500);
    }
    const end = (await log.extent(topic))?.end ?? 0;
    const cluster = new CountingCluster({ brokers: brokers.split(","), clientId: "rollcall-test" });
    t.teardown(() => cluster.close());
    const { generation } = await log.createTopic(topic);
    const read = async (range: { readonly from: number; readonly to: number }) => {
      const parts: StoredRecord[] = [];
      for await (const batch of readRange(cluster, {
        topic,
        name: prefix + topic,
        generation,
        stallMs: 3_000,
        ...range,
      }))
        parts.push(...batch);
      return parts;
    };
    const records = await read({ from: 0, to: end });
    t.ok(end > 3_800, `the log ends at ${end}`);
    t.ok(records.length < 1_100, `${records.length} records are left`);
    const last = new Map(records.map((one) => [Buffer.from(one.key).toString(), one.value]));
    t.equal(keysOf(records).filter((key) => /^\d+$/u.test(key)).length, 1_000);
    t.ok(
      Array.from({ length: 1_000 }, (_, i) => last.get(String(i))).every(
        (value) => value !== null && value !== undefined && Buffer.from(value).toString() === "4",
      ),
    );
    for (const [from, to] of [
      [1, 900],
      [999, 1_003],
      [1_002, 2_500],
      [2_500, end],
    ] as const) {
      const part = new Set((await read({ from, to })).map(({ offset }) => offset));
      // The broker goes on compacting: what it has left after the read was there, and what was read was there before.
      const left = (await readAll(log, topic))
        .map(({ offset }) => offset)
        .filter((offset) => offset >= from && offset < to);
      const were = new Set(records.map(({ offset }) => offset));
      t.ok(
        left.every((offset) => part.has(offset)),
        `${from} to ${to}: nothing is missing`,
      );
      t.ok(
        [...part].every((offset) => were.has(offset) && offset >= from && offset < to),
        `${from} to ${to}: nothing else`,
      );
    }
    // A fetch ends where a segment does; whoever loses sight of an emptied batch's end goes on by one offset a fetch.
    t.ok(cluster.requests < 60, `${cluster.requests} requests`);
  });

  t.test("fault F: an offset that is not kept, or not there yet, is an error and moves no position", async (t) => {
    const { log } = await freshKafkaLogs(t, brokers);
    const { generation } = await log.createTopic("deliveries");
    await log.transaction(async (tx) => tx.append("deliveries", numbered(20)));
    await log.deleteBefore("deliveries", 10);
    const scan = (from: number, to: number) => codeOf(readAll(log, "deliveries", { generation, from, to }));
    t.equal(await scan(0, 20), "log.range-expired");
    t.equal(await scan(10, 21), "log.range-short");
    t.equal(await scan(25, 30), "log.range-short");
    t.equal(await scan(10, 20), "resolved");
  });

  t.test("records of another product's producer are read, and wake who waits for them", async (t) => {
    const { log, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic("sso.logins");
    const { signal } = new AbortController();
    await log.waitForAppend(["sso.logins"], 300, signal);
    const producer = new kafkajs.Kafka({
      brokers: brokers.split(","),
      logLevel: kafkajs.logLevel.NOTHING,
    }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    const start = performance.now();
    const waiting = log.waitForAppend(["sso.logins"], 20_000, signal);
    await producer.send({
      topic: `${prefix}sso.logins`,
      compression: kafkajs.CompressionTypes.GZIP,
      messages: [{ key: '["springfield"]', value: "hello", headers: { trace: "7" } }],
    });
    await waiting;
    t.ok(performance.now() - start < 5_000);
    await producer.disconnect();
    const [read] = await readAll(log, "sso.logins");
    t.same([Buffer.from(read?.value ?? []).toString(), read?.headers()], ["hello", { trace: "7" }]);
  });

  t.test("records of another product's transaction, which may be aborted, are refused and not taken", async (t) => {
    const { log, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic("sso.logins");
    const client = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
    const producer = client.producer({ transactionalId: prefix, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic: `${prefix}sso.logins`, messages: [{ key: '["springfield"]', value: "no login" }] });
    await transaction.abort();
    await producer.disconnect();
    await t.rejects(readAll(log, "sso.logins"), { code: "registry.undecodable", details: { from: 0, next: 1 } });
  });

  t.test("a topic that others deleted and made again has another generation, whoever asks", async (t) => {
    const { log, prefix } = await freshKafkaLogs(t, brokers);
    const { generation } = await log.createTopic("deliveries");
    await log.transaction(async (tx) => tx.append("deliveries", numbered(3)));
    const admin = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [`${prefix}deliveries`] });
    while ((await log.extent("deliveries")) !== null) await sleep(20);
    await admin.createTopics({ topics: [{ topic: `${prefix}deliveries`, numPartitions: 1 }] });
    await admin.disconnect();
    t.equal(await codeOf(readAll(log, "deliveries", { generation, from: 0, to: 0 })), "log.generation");
    await log.transaction(async (tx) => tx.append("deliveries", numbered(5)));
    t.equal(await codeOf(readAll(log, "deliveries", { generation, from: 0, to: 3 })), "log.generation");
    t.equal((await readAll(log, "deliveries")).length, 5, "what comes later goes to the new one");
  });
}
