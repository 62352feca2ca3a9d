// Contract of the log: topics, what comes back, and ranges that are read whole or fail.

import { randomUUID } from "node:crypto";
import type { Test } from "tap";
import type { NewRecord } from "../../libs/ports.ts";
import { codeOf, headersOf, numbered, readAll, record, topic } from "./log-under-test.ts";
import type { MakeLog } from "./log-under-test.ts";

export async function contentTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a topic is made once, and an empty one can be read", async (t) => {
    const { log } = await make(t);
    t.equal(await log.extent(topic), null);
    const made = await log.createTopic(topic);
    t.match(made, { start: 0, end: 0 });
    t.same(await log.createTopic(topic), made, "making it again changes nothing");
    t.same(await readAll(log, topic), []);
  });

  await suite.test("records come back in order and byte for byte, nulls and headers included", async (t) => {
    const { log, other } = await make(t);
    await log.createTopic(topic);
    const every = Uint8Array.from({ length: 256 }, (_, i) => i);
    const long = {
      key: every,
      value: Buffer.alloc(300_000, "Zoë "),
      headers: { origin: "users.csv:7", "": "", ключ: "雪\u0000" },
    };
    const sent: readonly NewRecord[] = [
      { key: "ключ", value: null },
      { key: "empty", value: new Uint8Array(0) },
      long,
      record("last"),
    ];
    await log.transaction(async (tx) => tx.append(topic, sent));
    const read = await readAll(other, topic);
    t.same(
      read.map((one) => one.offset),
      [0, 1, 2, 3],
    );
    t.same(
      read.map((one) => Buffer.from(one.key)),
      sent.map((one) => Buffer.from(one.key)),
    );
    t.same(
      read.map((one) => one.value && Buffer.from(one.value)),
      sent.map((one) => one.value && Buffer.from(one.value)),
    );
    t.same(read.map(headersOf), [{}, {}, long.headers, {}]);
    t.equal(read[2]?.header("origin"), "users.csv:7");
    t.equal(read[2]?.header("missing"), undefined);
    t.ok(Math.abs(Date.now() - (read[0]?.timestamp ?? 0)) < 600_000, "the time is the log's, in epoch milliseconds");
  });
}

export async function partTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("any part of a topic can be read, across all borders of storage", async (t) => {
    const { log } = await make(t);
    await log.createTopic(topic);
    for (const count of [1, 999, 1_000, 1_001, 2, 12_345])
      await log.transaction(async (tx) => tx.append(topic, numbered(count)));
    const whole = await readAll(log, topic);
    t.same(
      whole.map((one) => one.offset),
      Array.from({ length: 15_348 }, (_, i) => i),
    );
    for (const [from, to] of [
      [0, 0],
      [0, 1],
      [1, 1_000],
      [999, 1_001],
      [2_000, 2_004],
      [15_347, 15_348],
      [15_348, 15_348],
    ] as const) {
      const part = await readAll(log, topic, { from, to });
      t.same(
        part.map((one) => one.offset),
        whole.slice(from, to).map((one) => one.offset),
        `${from} to ${to}`,
      );
    }
  });
}

export async function rangeTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a range that the log does not hold whole fails instead of ending early", async (t) => {
    const { log, expire } = await make(t);
    const { generation } = await log.createTopic(topic);
    await log.transaction(async (tx) => tx.append(topic, numbered(10)));
    t.equal(await codeOf(readAll(log, topic, { from: 0, to: 11 })), "log.range-short");
    t.equal(await codeOf(readAll(log, topic, { generation: randomUUID() })), "log.generation");
    await log.transaction(async (tx) => tx.append(topic, numbered(10)));
    await expire(topic, 10);
    t.equal((await log.extent(topic))?.start, 10);
    t.equal(await codeOf(readAll(log, topic, { from: 9, to: 20 })), "log.range-expired");
    t.equal((await readAll(log, topic, { from: 10, to: 20 })).length, 10);
    await log.deleteTopic(topic);
    const gone = log.scan({ topic, generation, from: 10, to: 20 })[Symbol.asyncIterator]();
    t.equal(await codeOf(gone.next()), "log.generation");
  });

  await suite.test("a topic that is deleted and made again has another generation and begins at 0", async (t) => {
    const { log } = await make(t);
    const first = await log.createTopic(topic);
    await log.transaction(async (tx) => tx.append(topic, numbered(3)));
    await log.deleteTopic(topic);
    await log.deleteTopic(topic);
    t.equal(await log.extent(topic), null);
    const second = await log.createTopic(topic);
    t.not(second.generation, first.generation);
    t.match(second, { start: 0, end: 0 });
  });

  await suite.test("a scan under which the topic is removed fails and does not end early", async (t) => {
    const { log, other } = await make(t);
    await log.createTopic(topic);
    await log.transaction(async (tx) => tx.append(topic, numbered(60_000)));
    const { generation, end } = await log.createTopic(topic);
    const removed = async (): Promise<void> => {
      for await (const batch of log.scan({ topic, generation, from: 0, to: end })) {
        if (batch[0]?.offset === 0) await other.deleteTopic(topic);
      }
    };
    t.equal(await codeOf(removed()), "log.generation");
  });
}
