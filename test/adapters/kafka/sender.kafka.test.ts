// The outbox on its way to the brokers: order, repeats, senders that die or sleep, and brokers that are away.

import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import t from "tap";
import { newAdmin } from "../../../libs/adapters/kafka/shim.ts";
import { takeLease } from "../../../libs/adapters/postgres/leases.ts";
import { openInbox } from "../../../libs/adapters/postgres/inbox.ts";
import type { Database } from "../../../libs/adapters/postgres/database.ts";
import type { EventLog } from "../../../libs/ports.ts";
import { startBroker } from "../../../libs/stack/broker.ts";
import { codeOf, keysOf, numbered, readAll, record } from "../../contract/log-under-test.ts";
import { kafkaBrokers, ownBroker } from "../../support/kafka.ts";
import { freshKafkaLogs } from "./fresh-logs.ts";
import type { KafkaLogs } from "./fresh-logs.ts";

const brokers = await kafkaBrokers(t);
const name = "deliveries";

async function append(log: EventLog, ...keys: readonly string[]): Promise<void> {
  const records = keys.map((key) => record(JSON.stringify(["springfield", key])));
  await log.transaction(async (tx) => tx.append(name, records));
}

async function makeTopic(topic: string, numPartitions: number): Promise<void> {
  const admin = newAdmin({ brokers: (brokers ?? "").split(","), clientId: "test" });
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries: [] }] });
  await admin.disconnect();
}

async function sentKeys({ log }: KafkaLogs): Promise<readonly string[]> {
  return keysOf(await readAll(log, name)).map((key) => key.split('"')[3] ?? "");
}

/** What an inbox would take: the first of each number. */
async function takenKeys({ log }: KafkaLogs): Promise<readonly string[]> {
  const firsts = new Map((await readAll(log, name)).toReversed().map((one) => [one.header("outbox"), one]));
  return keysOf([...firsts.values()].toSorted((a, b) => a.offset - b.offset)).map((key) => key.split('"')[3] ?? "");
}

/** A database whose first answer with rows of the outbox comes when it is let go, as to a process that sleeps meanwhile. */
function sleepingReader(database: Database): {
  readonly database: Database;
  readonly read: Promise<void>;
  wake(): void;
} {
  const read = Promise.withResolvers<void>();
  const woken = Promise.withResolvers<void>();
  const asked = async (text: string, bindings: Knex.ValueDict = {}): Promise<unknown> => {
    const answer = await database.sql.raw<{ readonly rows: readonly unknown[] }>(text, bindings);
    if (/^select .* from outbox where/u.test(text) && answer.rows.length > 0) {
      read.resolve();
      await woken.promise;
    }
    return answer;
  };
  const sql = new Proxy(database.sql, {
    get: (target, name): unknown => (name === "raw" ? asked : Reflect.get(target, name)),
  });
  return { database: { ...database, sql }, read: read.promise, wake: woken.resolve };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 40_000; !(await holds());) {
    if (Date.now() > deadline) throw new Error("it did not come about in 40 s");
    await sleep(50);
  }
}

if (brokers !== null) {
  t.test(
    "a sender that dies after the acknowledgement sends again, and the inbox takes the repeat for one",
    async (t) => {
      const logs = await freshKafkaLogs(t, brokers);
      const { log, another, database } = logs;
      await log.createTopic(name);
      // What a dead sender leaves: its lease until that lapses, and rows whose records the brokers have.
      await database.sql.raw(
        `create table kept as select * from outbox;
       create function keep() returns trigger language plpgsql as
         'begin insert into kept select old.*; return old; end';
       create trigger keep before delete on outbox for each row execute function keep()`,
      );
      await append(log, "1", "2");
      await database.sql.raw("insert into outbox select * from kept");
      await database.sql.raw("drop trigger keep on outbox");
      await append(another(), "3");
      t.same(await sentKeys(logs), ["1", "2", "1", "2", "3"], "in order, with the repeat");
      const inbox = openInbox({ log, sql: database.sql });
      t.match(await inbox.pump({ consumer: "diff", topics: [name] }), { copied: 3 });
      const work = await database.sql("work").orderBy("id").select<readonly { readonly key: Buffer }[]>("key");
      t.same(
        work.map(({ key }) => key.toString()),
        ['["springfield","1"]', '["springfield","2"]', '["springfield","3"]'],
      );
      t.match(
        await inbox.pump({ consumer: "diff", topics: [name] }),
        { copied: 0 },
        "the position is behind the repeat",
      );
    },
  );

  t.test("records say their topic's generation and their number, which grows", async (t) => {
    const { log } = await freshKafkaLogs(t, brokers);
    const { generation } = await log.createTopic(name);
    await append(log, "1");
    await append(log, "2");
    const records = await readAll(log, name);
    t.same(
      records.map((one) => one.header("generation")),
      [generation, generation],
    );
    const [first = 0, second = 0] = records.map((one) => Number(one.header("outbox")));
    t.ok(first > 1e15 && second > first, "it follows the clock, so that no copy put back repeats one");
  });

  t.test("what a dead sender left is sent by another process when the lease lapses", async (t) => {
    const logs = await freshKafkaLogs(t, brokers);
    const { another, database } = logs;
    const log = another({ settleMs: 100 });
    await log.createTopic(name);
    await takeLease(database.sql, { name: `outbox.${name}`, holder: "dead", ttlMs: 2_500 });
    await append(log, "1");
    await append(log, "2");
    t.same(await sentKeys(logs), [], "durable, and not yet in the topic");
    await until(async () => (await sentKeys(logs)).length === 2);
    t.same(await sentKeys(logs), ["1", "2"]);
  });

  t.test("a sender that slept through its lease adds nothing but repeats after another took over", async (t) => {
    const logs = await freshKafkaLogs(t, brokers);
    const { log, other, database } = logs;
    await log.createTopic(name);
    await append(log, "1");
    await database
      .sql("leases")
      .where({ name: `outbox.${name}` })
      .update({ expires_at: "-infinity" });
    await append(other, "2");
    // The sleeper wakes with its writer and its lease, as it believes.
    await Promise.all([append(log, "3"), append(log, "4"), append(other, "5")]);
    await until(async () => (await database.sql("outbox")).length === 0);
    const keys = await takenKeys(logs);
    t.same(keys.toSorted(), ["1", "2", "3", "4", "5"]);
    t.same(keys.slice(0, 2), ["1", "2"]);
  });

  t.test("what a process read of the outbox before it had the lease is not what it sends", async (t) => {
    const logs = await freshKafkaLogs(t, brokers);
    const { another, database } = logs;
    const first = another();
    await first.createTopic(name);
    await takeLease(database.sql, { name: `outbox.${name}`, holder: "dead", ttlMs: 1_500 });
    const sleeper = sleepingReader(database);
    const late = another({ database: sleeper.database });
    const appending = append(first, "1");
    await until(async () => (await database.sql("outbox")).length > 0);
    const flushing = late.flush();
    await sleeper.read;
    await appending;
    await append(first, "2");
    // It gives the lease back: the one that slept takes it as soon as it wakes.
    await first.close();
    sleeper.wake();
    await flushing;
    t.same(await sentKeys(logs), ["1", "2"], "nothing old stands behind what is newer");
    t.same([...late.failures().keys()], []);
  });

  t.test("a topic that others made takes records, one that is gone takes none", async (t) => {
    const { log, prefix, database } = await freshKafkaLogs(t, brokers);
    await makeTopic(prefix + name, 1);
    await append(log, "1");
    t.equal((await log.extent(name))?.end, 1);
    await log.deleteTopic(name);
    t.equal(await codeOf(append(log, "2")), "log.unknown-topic");
    t.same([await database.sql("outbox_topics"), await database.sql("outbox")], [[], []]);
  });

  t.test("a topic is refused in which records would stand where nobody reads", async (t) => {
    const { log, prefix } = await freshKafkaLogs(t, brokers);
    await makeTopic(prefix + name, 3);
    t.equal(await codeOf(log.createTopic(name)), "topics.changed");
    t.equal(await codeOf(append(log, "1")), "topics.changed");
  });

  t.test("what comes for a topic that is just deleted leaves no outbox behind", async (t) => {
    const { log, another, database } = await freshKafkaLogs(t, brokers);
    const other = another({ settleMs: 100 });
    for (let round = 0; round < 3; round++) {
      await log.createTopic(name);
      const late = Promise.all(Array.from({ length: 20 }, (_, i) => codeOf(append(other, String(i)))));
      await log.deleteTopic(name);
      for (const code of await late) t.ok(["resolved", "log.unknown-topic"].includes(code), code);
      t.equal(await codeOf(append(other, "after")), "log.unknown-topic");
      t.same([await database.sql("outbox_topics"), (await database.sql("outbox")).length], [[], 0]);
    }
  });

  t.test("the largest record that a transaction takes is sent", async (t) => {
    const { log, database } = await freshKafkaLogs(t, brokers);
    await log.createTopic(name);
    const sized = (bytes: number): Promise<unknown> =>
      log.transaction(async (tx) => tx.append(name, [{ key: '["springfield"]', value: Buffer.alloc(bytes) }]));
    let bytes = 999_700;
    while ((await codeOf(sized(bytes))) === "resolved") bytes += 20;
    t.same([(await database.sql("outbox")).length, log.failures().size], [0, 0]);
    t.ok(bytes > 999_700 && bytes < 1_000_000);
  });

  t.test("once something was sent that had been slow, others wait for what they append as before", async (t) => {
    const { log, another, database } = await freshKafkaLogs(t, brokers);
    await log.createTopic(name);
    await append(log, "1");
    const other = another({ settleMs: 700 });
    let goes = true;
    const busy = (async () => {
      for (; goes; await sleep(200)) await append(log, "busy");
    })();
    // While the lease's row is locked its holder cannot forget what it has sent.
    const slowly = async (ms: number): Promise<number> => {
      const lock = await database.sql.transaction();
      await lock("leases")
        .where({ name: `outbox.${name}` })
        .forUpdate()
        .select("epoch");
      setTimeout(() => void lock.rollback(), ms);
      const start = performance.now();
      await append(other, "2");
      return performance.now() - start;
    };
    await slowly(1_200);
    await sleep(2_000);
    t.ok((await slowly(300)) >= 300, "it waited until what it had appended was sent");
    goes = false;
    await busy;
  });

  t.test("with no broker a transaction is durable, and is sent in order when one is back", async (t) => {
    const own = await ownBroker(t);
    if (own === null) return;
    const logs = await freshKafkaLogs(t, own.server.address);
    const log = logs.another({ settleMs: 500 });
    await log.createTopic(name);
    await append(log, "0");
    await own.server.kill();
    const start = performance.now();
    for (let i = 1; i <= 20; i++) await append(log, String(i));
    t.ok(performance.now() - start < 5_000, "after the first nobody waits in vain");
    const again = await startBroker(own.settings);
    t.teardown(() => again.kill());
    await until(async () => (await logs.database.sql("outbox")).length === 0);
    t.same(
      await takenKeys(logs),
      Array.from({ length: 21 }, (_, i) => String(i)),
    );
    t.equal(log.failures().size, 0);
  });

  t.test("a large transaction and many topics at once are sent whole", async (t) => {
    const { log, other, database } = await freshKafkaLogs(t, brokers);
    const names = Array.from({ length: 12 }, (_, i) => `registrations.district-${i}`);
    await Promise.all(names.map((each) => log.createTopic(each)));
    await log.transaction(async (tx) => {
      for (const each of names) tx.append(each, numbered(3_000));
    });
    for (const each of names) t.equal((await readAll(other, each)).length, 3_000);
    t.same(await database.sql("outbox"), []);
  });
}
