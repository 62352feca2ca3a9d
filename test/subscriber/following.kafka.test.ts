// Following on Kafka; and by a product that has nothing but brokers and registry.

import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { confluentRegistry, registerSchemas } from "../../libs/adapters/registry/confluent.ts";
import { rosterFeed } from "../../libs/subscriber/feeds.ts";
import { follow } from "../../libs/subscriber/follow.ts";
import { openKafkaSource } from "../../libs/subscriber/kafka.ts";
import { freshKafkaLogs } from "../adapters/kafka/fresh-logs.ts";
import { kafkaBrokers, registryUrl } from "../support/kafka.ts";
import { followingTests } from "./following.ts";
import { linesOf, MemoryStore, Publisher, springfield, topic } from "./publisher.ts";

const patienceMs = 30_000;
const brokers = await kafkaBrokers(t);

if (brokers !== null) {
  followingTests(t, (test) => freshKafkaLogs(test, brokers));

  void t.test("brokers and registry are all that a product needs to follow live", async (t) => {
    const url = await registryUrl(t);
    if (url === null) return;
    await registerSchemas({ url });
    const { log, prefix } = await freshKafkaLogs(t, brokers);
    await log.createTopic(topic);
    const publisher = await Publisher.open(log, confluentRegistry({ url }));
    await publisher.publish({ a: "upsert", b: "upsert" });
    const connection = { brokers: brokers.split(","), clientId: "product" };
    const source = await openKafkaSource({ connection, registry: { url }, prefix });
    t.teardown(() => source.close());
    const store = new MemoryStore();
    const over = new AbortController();
    const clock = { now: () => Date.now() };
    const feed = rosterFeed(springfield);
    const following = follow({ source, feed, store, clock, startsOver: () => {} }, over.signal);
    await publisher.publish({ b: "delete", c: "upsert" });
    const deadline = performance.now() + patienceMs;
    while (!store.changesets.includes(2) && performance.now() < deadline) await sleep(20);
    await publisher.publish({ d: "upsert" });
    while (!store.changesets.includes(3) && performance.now() < deadline) await sleep(20);
    over.abort();
    await following;
    t.same(store.lines, linesOf(publisher.held));
    t.same(store.changesets, [1, 2, 3]);
  });
}
