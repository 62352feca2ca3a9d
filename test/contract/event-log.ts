// What every log must keep, whatever it is made of: run this suite on each adapter of the port EventLog.
// It uses two logs over the same store, as two processes would, because most of the promises are about others.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import type { Database } from "../../libs/adapters/postgres/database.ts";
import { takeLease } from "../../libs/adapters/postgres/leases.ts";
import type { Codec } from "../../libs/adapters/registry/codec.ts";
import { isAppError } from "../../libs/errors.ts";
import type { ErrorCode } from "../../libs/errors.ts";
import type { EventLog, Lease, LogRange, NewRecord, StoredRecord, TopicWriter } from "../../libs/ports.ts";
import type { Teardown } from "../support/postgres.ts";

/** Two logs over one store, the database of leases and work, and the codec that reads what they write. */
export type LogUnderTest = {
  readonly log: EventLog;
  readonly other: EventLog;
  readonly database: Database;
  readonly codec: Codec;
  /** Makes the topic forget what lies before the offset, as retention does. */
  expire(topic: string, before: number): Promise<void>;
};

export type MakeLog = (t: Teardown) => Promise<LogUnderTest>;

const leaseMs = 60_000;
const topic = "roster.springfield";

/** Every record of a topic, or of the range that is given. */
export async function readAll(
  log: EventLog,
  name: string,
  range: Partial<LogRange> = {},
): Promise<readonly StoredRecord[]> {
  const extent = await log.extent(name);
  if (extent === null) throw new Error(`there is no topic ${name}`);
  const records: StoredRecord[] = [];
  const whole = { topic: name, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of log.scan({ ...whole, ...range })) records.push(...batch);
  return records;
}

/** The code of the AppError with which a promise fails. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "resolved"> {
  try {
    await promise;
    return "resolved";
  } catch (thrown) {
    if (isAppError(thrown)) return thrown.code;
    throw thrown;
  }
}

/** The lease of a topic under a holder of its own. */
export async function leaseOf(database: Database, ttlMs = leaseMs): Promise<Lease> {
  const lease = await takeLease(database.sql, { name: topic, holder: randomUUID(), ttlMs });
  if (lease === null) throw new Error("the lease is held by someone else");
  return lease;
}

/** Makes whoever holds the lease lose it, as time would. */
async function lapse(database: Database): Promise<void> {
  await database.sql("leases").where({ name: topic }).update({ expires_at: "-infinity" });
}

export function keysOf(records: readonly StoredRecord[]): readonly string[] {
  return records.map((record) => Buffer.from(record.key).toString("utf8"));
}

export function record(key: string, value: string | null = key): NewRecord {
  return { key, value: value === null ? null : Buffer.from(value) };
}

function numbered(count: number, prefix = ""): readonly NewRecord[] {
  return Array.from({ length: count }, (_, i) => record(`${prefix}${i}`));
}

/** @param name what the log is, for the names of the tests. */
export function eventLogContract(name: string, make: MakeLog): void {
  t.test(`${name}: topics and ranges`, (suite) => rangeTests(suite, make));
  t.test(`${name}: transactions`, (suite) => transactionTests(suite, make));
  t.test(`${name}: order under concurrent transactions`, (suite) => orderTests(suite, make));
  t.test(`${name}: one fenced writer`, (suite) => writerTests(suite, make));
  t.test(`${name}: waiting for appends`, (suite) => waitTests(suite, make));
}

type Suite = typeof t;

async function rangeTests(suite: Suite, make: MakeLog): Promise<void> {
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
    t.same(
      read.map((one) => one.headers()),
      [{}, {}, long.headers, {}],
    );
    t.equal(read[2]?.header("origin"), "users.csv:7");
    t.equal(read[2]?.header("missing"), undefined);
    t.ok(Math.abs(Date.now() - (read[0]?.timestamp ?? 0)) < 600_000, "the time is the log's, in epoch milliseconds");
  });

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
    const gone = log.scan({ topic, generation, from: 10, to: 20 });
    t.equal(await codeOf(Array.fromAsync(gone)), "log.generation");
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

async function transactionTests(suite: Suite, make: MakeLog): Promise<void> {
  await suite.test(
    "appended records and the transaction's other effects become visible together or not at all",
    async (t) => {
      const { log, database } = await make(t);
      await log.createTopic("a");
      await log.createTopic("b");
      await database.sql.raw("create table effects (id integer)");
      const work = (fails: boolean) =>
        log.transaction(async (tx) => {
          tx.append("b", [record("1")]);
          await tx.sql("effects").insert({ id: 1 });
          tx.append("a", [record("2")]);
          tx.append("b", [record("3")]);
          if (fails) throw new Error("planned");
          return "result";
        });
      await t.rejects(work(true), { message: "planned" });
      t.same([(await log.extent("a"))?.end, (await log.extent("b"))?.end], [0, 0], "no offset was taken");
      t.same(await database.sql("effects"), []);
      t.equal(await work(false), "result");
      t.same(keysOf(await readAll(log, "b")), ["1", "3"]);
      t.same(keysOf(await readAll(log, "a")), ["2"]);
      t.same(await database.sql("effects"), [{ id: 1 }]);
    },
  );

  await suite.test("appending to a topic that does not exist undoes the whole transaction", async (t) => {
    const { log } = await make(t);
    await log.createTopic("a");
    const both = log.transaction(async (tx) => {
      tx.append("a", [record("1")]);
      tx.append("z", [record("1")]);
    });
    t.equal(await codeOf(both), "log.unknown-topic");
    t.equal((await log.extent("a"))?.end, 0);
  });

  await suite.test("a reader never sees half of a transaction", async (t) => {
    const { log, other } = await make(t);
    const names = ["a", "b"];
    for (const name of names) await log.createTopic(name);
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; i < 30; i++) {
        await log.transaction(async (tx) => {
          for (const name of names) tx.append(name, numbered(1_500, `${i}-`));
        });
      }
      isWriting = false;
    })();
    let looks = 0;
    while (isWriting) {
      for (const name of names) {
        const records = await readAll(other, name);
        const end = (records.at(-1)?.offset ?? -1) + 1;
        if (end % 1_500 !== 0 || records.length !== end) t.fail(`read ${records.length} records up to ${end}`);
      }
      looks++;
    }
    await writing;
    t.ok(looks > 2, `looked ${looks} times`);
    t.equal((await readAll(other, "b")).length, 45_000);
  });
}

async function orderTests(suite: Suite, make: MakeLog): Promise<void> {
  await suite.test(
    "concurrent transactions get offsets in the order of their commits, without a gap that fills later",
    async (t) => {
      const { log, other } = await make(t);
      await log.createTopic(topic);
      let running = 0;
      const writers = [log, other].flatMap((one, w) =>
        Array.from({ length: 3 }, async (_, k) => {
          running++;
          for (let i = 0; i < 25; i++) {
            await one.transaction(async (tx) => {
              tx.append(topic, [record(`${w}${k}-${i}-a`), record(`${w}${k}-${i}-b`)]);
              await sleep((i * 7 + k * 3) % 5);
            });
          }
          running--;
        }),
      );
      // Whatever was read up to an end once must read the same for ever: nothing is put in before it afterwards.
      let before: readonly string[] = [];
      do {
        const keys = keysOf(await readAll(other, topic));
        if (before.some((key, i) => key !== keys[i])) t.fail("a record appeared before the end that was read");
        before = keys;
        await sleep(1);
      } while (running > 0);
      await Promise.all(writers);
      const keys = keysOf(await readAll(log, topic));
      t.equal(keys.length, 300);
      t.ok(
        keys.every((key, i) => i % 2 === 1 || keys[i + 1] === key.replace(/a$/u, "b")),
        "a transaction's records stay together",
      );
      for (const writer of ["00", "01", "02", "10", "11", "12"]) {
        const own = keys
          .filter((key) => key.startsWith(writer) && key.endsWith("a"))
          .map((key) => Number(key.split("-")[1]));
        t.same(
          own,
          Array.from({ length: 25 }, (_, i) => i),
          "one after the other commits in that order",
        );
      }
    },
  );

  await suite.test(
    "transactions that append to the same topics in different orders do not block each other for ever",
    async (t) => {
      const { log, other } = await make(t);
      for (const name of ["a", "b", "c"]) await log.createTopic(name);
      const orders = [
        ["a", "b", "c"],
        ["c", "b", "a"],
        ["b", "c", "a"],
        ["c", "a", "b"],
      ];
      await Promise.all(
        orders.flatMap((order, i) =>
          Array.from({ length: 10 }, () =>
            (i % 2 === 0 ? log : other).transaction(async (tx) => {
              for (const name of order) tx.append(name, [record("x")]);
            }),
          ),
        ),
      );
      t.same((await log.extent("c"))?.end, 40);
    },
  );
}

async function writerTests(suite: Suite, make: MakeLog): Promise<void> {
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

async function waitTests(suite: Suite, make: MakeLog): Promise<void> {
  const timed = async (wait: Promise<void>): Promise<number> => {
    const start = performance.now();
    await wait;
    return performance.now() - start;
  };

  await suite.test(
    "a wait ends with an append by another process, with its time, and when it is aborted",
    async (t) => {
      const { log, other } = await make(t);
      await log.createTopic("a");
      await log.createTopic("b");
      const { signal } = new AbortController();
      // The first wait may end at once: it cannot know what came before.
      await log.waitForAppend(["a"], 50, signal);
      t.ok((await timed(log.waitForAppend(["a"], 120, signal))) >= 100, "nothing was appended");
      const waiting = timed(log.waitForAppend(["a"], 30_000, signal));
      await sleep(50);
      await other.transaction(async (tx) => tx.append("a", [record("1")]));
      t.ok((await waiting) < 5_000, "woken by the append");
      const abort = new AbortController();
      const aborted = timed(log.waitForAppend(["a"], 30_000, abort.signal));
      setTimeout(() => abort.abort(), 20);
      t.ok((await aborted) < 5_000, "woken by the abort");
      t.ok((await timed(log.waitForAppend(["a"], 30_000, AbortSignal.abort()))) < 1_000);
    },
  );

  await suite.test("an append that came while nobody waited ends the next wait at once", async (t) => {
    const { log, other } = await make(t);
    await log.createTopic("a");
    const { signal } = new AbortController();
    await log.waitForAppend(["a"], 50, signal);
    await other.transaction(async (tx) => tx.append("a", [record("1")]));
    t.ok((await timed(log.waitForAppend(["a"], 30_000, signal))) < 5_000);
  });
}
