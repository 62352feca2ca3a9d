// Contract of the log: one writer per topic, and nothing of an earlier one once a newer has opened.

import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import type { EventLog, TopicWriter } from "../../libs/ports.ts";
import { codeOf, keysOf, lapse, leaseOf, numbered, readAll, record, topic } from "./log-under-test.ts";
import type { MakeLog } from "./log-under-test.ts";

export async function writerTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("opening a writer says so in the log, and the writer appends after it", async (t) => {
    const { log, database, codec } = await make(t);
    const { generation } = await log.createTopic(topic);
    const lease = await leaseOf(database);
    const writer = await log.openWriter(topic, lease);
    t.match(writer, { generation, barrier: 0 });
    t.same(await writer.append(numbered(2_500)), { from: 1, to: 2_501 });
    t.same(await writer.append([record("gone", null)]), { from: 2_501, to: 2_502 });
    t.same(await writer.append([]), { from: 2_502, to: 2_502 });
    const records = await readAll(log, topic);
    t.same(keysOf(records.slice(0, 2)), ['["writer"]', "0"]);
    t.match(codec.decode(records[0]?.value ?? Buffer.alloc(0)), {
      name: "rollcall.log.Writer",
      value: { generation, epoch: lease.epoch },
    });
  });

  await suite.test("a late writer is refused, upsert and null alike, and nothing of it is written", async (t) => {
    const { log, other, database } = await make(t);
    await log.createTopic(topic);
    const old = await log.openWriter(topic, await leaseOf(database));
    await old.append([record("1")]);
    await lapse(database);
    const young = await other.openWriter(topic, await leaseOf(database));
    t.equal(await codeOf(old.append([record("2")])), "log.writer-fenced");
    t.equal(await codeOf(old.append([record("1", null)])), "log.writer-fenced");
    t.equal(await codeOf(old.append([])), "log.writer-fenced");
    await young.append([record("3")]);
    t.same(keysOf(await readAll(log, topic)), ['["writer"]', "1", '["writer"]', "3"]);
    t.equal(young.barrier, 2);
  });

  await suite.test("opening again under the same lease fences the first writer too", async (t) => {
    const { log, other, database } = await make(t);
    await log.createTopic(topic);
    const lease = await leaseOf(database);
    const first = await log.openWriter(topic, lease);
    const second = await other.openWriter(topic, lease);
    t.equal(await codeOf(first.append([record("1")])), "log.writer-fenced");
    t.equal(await codeOf(second.append([record("1")])), "resolved");
  });
}

export async function lateWriterTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a writer whose lease lapsed is refused even if nobody took it", async (t) => {
    const { log, database } = await make(t);
    await log.createTopic(topic);
    const lease = await leaseOf(database, 150);
    const writer = await log.openWriter(topic, lease);
    await writer.append([record("1")]);
    await sleep(250);
    t.equal(await codeOf(writer.append([record("2")])), "log.writer-fenced");
    t.equal(await codeOf(log.openWriter(topic, lease)), "log.writer-fenced");
    t.equal((await log.extent(topic))?.end, 2);
  });

  await suite.test("an older lease opens no writer, and a topic that is gone takes no record", async (t) => {
    const { log, database } = await make(t);
    await log.createTopic(topic);
    const old = await leaseOf(database);
    await lapse(database);
    const lease = await leaseOf(database);
    t.equal(await codeOf(log.openWriter(topic, old)), "log.writer-fenced");
    t.equal(await codeOf(log.openWriter("missing", lease)), "log.unknown-topic");
    const writer = await log.openWriter(topic, lease);
    await log.deleteTopic(topic);
    await log.createTopic(topic);
    t.equal(await codeOf(writer.append([record("1")])), "log.writer-fenced", "a writer belongs to one generation");
  });

  await suite.test("of writers that race, only records of the last opened follow its barrier", async (t) => {
    const { log, other, database } = await make(t);
    await log.createTopic(topic);
    const lease = await leaseOf(database);
    const writers: TopicWriter[] = [];
    const racing = async (one: EventLog, name: string): Promise<void> => {
      const writer = await one.openWriter(topic, lease);
      writers.push(writer);
      for (let i = 0; i < 20; i++) {
        const code = await codeOf(writer.append([record(`${name}-${writer.barrier}-${i}`)]));
        if (code === "log.writer-fenced") return;
      }
    };
    await Promise.all([racing(log, "a"), racing(other, "b"), racing(log, "c"), racing(other, "d")]);
    let barrier = -1;
    for (const one of await readAll(log, topic)) {
      const key = Buffer.from(one.key).toString("utf8");
      if (key === '["writer"]') barrier = one.offset;
      else if (Number(key.split("-")[1]) !== barrier) t.fail(`${key} stands after the barrier ${barrier}`);
    }
    t.equal(Math.max(...writers.map((writer) => writer.barrier)), barrier);
  });
}
