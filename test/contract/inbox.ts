// What the inbox must keep on every log: a control record becomes work once and is done once, wherever a process dies.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import t from "tap";
import type { Test } from "tap";
import { openInbox } from "../../libs/adapters/postgres/inbox.ts";
import type { Inbox } from "../../libs/adapters/postgres/inbox.ts";
import type { AppError } from "../../libs/errors.ts";
import type { NewRecord } from "../../libs/ports.ts";
import { codeOf, leaseOf, readAll, record, topic } from "./log-under-test.ts";
import type { LogUnderTest, MakeLog } from "./log-under-test.ts";

const consumer = "diff";
const crashConsumer = join(import.meta.dirname, "..", "support", "crash-consumer.ts");

/** A delivery's control record, as far as the inbox looks at it. */
function delivery(district: string, value: string): NewRecord {
  return { key: JSON.stringify([district, "sftp"]), value: Buffer.from(value), headers: { delivery: value } };
}

async function withInbox(t: Test, make: MakeLog): Promise<LogUnderTest & { readonly inbox: Inbox }> {
  const under = await make(t);
  await under.log.createTopic("deliveries");
  return { ...under, inbox: openInbox({ log: under.log, sql: under.database.sql }) };
}

async function publish({ log }: LogUnderTest, ...records: readonly NewRecord[]): Promise<void> {
  await log.transaction(async (tx) => tx.append("deliveries", records));
}

/** @param name what the log is, for the names of the tests. */
export function inboxContract(name: string, make: MakeLog): void {
  t.test(`${name}: the inbox`, (suite) => pumpTests(suite, make));
  t.test(`${name}: the order of work`, (suite) => workTests(suite, make));
  t.test(`${name}: positions`, (suite) => positionTests(suite, make));
  t.test(`${name}: what cannot be followed any more`, (suite) => stuckTests(suite, make));
  t.test(`${name}: away for long`, (suite) => awayTests(suite, make));
  t.test(`${name}: redelivery after a crash`, (suite) => crashTests(suite, make));
}

async function pumpTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a record becomes work once, with all that it holds", async (t) => {
    const { inbox, ...under } = await withInbox(t, make);
    await publish(under, delivery("springfield", "1"), { ...delivery("springfield", ""), value: null });
    t.same(await inbox.pump({ consumer, topics: ["missing", "deliveries"] }), { copied: 2, restarted: [] });
    t.same(await inbox.pump({ consumer, topics: ["deliveries"] }), { copied: 0, restarted: [] });
    const work = await inbox.nextWork(consumer, "springfield");
    t.match(work, { topic: "deliveries", offset: 0, headers: { delivery: "1" }, attempts: 1 });
    t.same(
      [Buffer.from(work?.key ?? []).toString(), Buffer.from(work?.value ?? []).toString()],
      ['["springfield","sftp"]', "1"],
    );
    await under.database.sql.transaction((trx) => inbox.finish(trx, work?.id ?? 0));
    t.match(await inbox.nextWork(consumer, "springfield"), { offset: 1, value: null });
    t.equal(await inbox.nextWork("someone else", "springfield"), null);
  });

  await suite.test(
    "writer records are no work, and an unreadable key is stopped work without a district",
    async (t) => {
      const { inbox, ...under } = await withInbox(t, make);
      await under.log.createTopic(topic);
      await under.log.openWriter(topic, await leaseOf(under.database));
      t.match(await inbox.pump({ consumer, topics: [topic] }), { copied: 0 });
      await publish(under, { key: "no json", value: null }, delivery("springfield", "1"));
      await inbox.pump({ consumer, topics: ["deliveries"] });
      t.match(await inbox.stopped(consumer), [{ district: null, offset: 0 }]);
      t.same(await inbox.waitingDistricts(consumer), ["springfield"], "the others go on");
    },
  );

  await suite.test("many that pump at once copy each record once, in order", async (t) => {
    const { inbox, ...under } = await withInbox(t, make);
    const second = openInbox({ log: under.other, sql: under.database.sql });
    for (let i = 0; i < 40; i++) await publish(under, delivery("springfield", String(i)));
    const pumps = Array.from({ length: 6 }, (_, i) =>
      (i % 2 === 0 ? inbox : second).pump({ consumer, topics: ["deliveries"] }),
    );
    const copied = (await Promise.all(pumps)).reduce((sum, one) => sum + one.copied, 0);
    const rest = await inbox.pump({ consumer, topics: ["deliveries"] });
    t.equal(copied + rest.copied, 40);
    const offsets = await under.database.sql("work").orderBy("id").pluck("offset");
    t.same(
      offsets,
      Array.from({ length: 40 }, (_, i) => i),
    );
  });
}

async function workTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a stopped district keeps its later work waiting, and only its own", async (t) => {
    const { inbox, ...under } = await withInbox(t, make);
    await publish(under, delivery("springfield", "1"), delivery("shelbyville", "2"), delivery("springfield", "3"));
    await inbox.pump({ consumer, topics: ["deliveries"] });
    t.same(await inbox.waitingDistricts(consumer), ["springfield", "shelbyville"]);
    const first = await inbox.nextWork(consumer, "springfield");
    const id = first?.id ?? 0;
    await inbox.stop(id, "a reason");
    t.same(await inbox.waitingDistricts(consumer), ["shelbyville"]);
    t.equal(await inbox.nextWork(consumer, "springfield"), null);
    t.match(await inbox.stopped(consumer), [{ id, district: "springfield", reason: "a reason", attempts: 1 }]);
    t.equal(await codeOf(inbox.stop(id, "again")), "work.not-waiting");
    await inbox.resume(id);
    t.match(await inbox.nextWork(consumer, "springfield"), { id, attempts: 2 });
  });

  await suite.test("work cannot be finished twice: the second transaction is rolled back", async (t) => {
    const { inbox, database, ...under } = await withInbox(t, make);
    await publish({ database, ...under }, delivery("springfield", "1"));
    await inbox.pump({ consumer, topics: ["deliveries"] });
    const id = (await inbox.nextWork(consumer, "springfield"))?.id ?? 0;
    await database.sql.transaction((trx) => inbox.finish(trx, id));
    t.equal(await codeOf(database.sql.transaction((trx) => inbox.finish(trx, id))), "work.not-waiting");
    t.same(await inbox.waitingDistricts(consumer), []);
    t.equal(await inbox.prune(60_000), 0);
    t.equal(await inbox.prune(-1), 1);
  });
}

async function positionTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a topic that was made again is noticed and read from its beginning", async (t) => {
    const { inbox, ...under } = await withInbox(t, make);
    await publish(under, delivery("springfield", "1"), delivery("springfield", "2"));
    await inbox.pump({ consumer, topics: ["deliveries"] });
    await under.log.deleteTopic("deliveries");
    await under.log.createTopic("deliveries");
    await publish(under, delivery("springfield", "3"));
    t.same(await inbox.pump({ consumer, topics: ["deliveries"] }), { copied: 1, restarted: ["deliveries"] });
    t.same(await inbox.pump({ consumer, topics: ["deliveries"] }), { copied: 0, restarted: [] });
  });

  await suite.test(
    "records that expired before they were copied are an error, for a new consumer they are the past",
    async (t) => {
      const { inbox, ...under } = await withInbox(t, make);
      await inbox.pump({ consumer, topics: ["deliveries"] });
      for (const value of ["1", "2", "3"]) await publish(under, delivery("springfield", value));
      await under.expire("deliveries", 2);
      t.equal(await codeOf(inbox.pump({ consumer, topics: ["deliveries"] })), "inbox.gap");
      t.match(await inbox.pump({ consumer: "new", topics: ["deliveries"] }), { copied: 1 });
    },
  );
}

async function stuckTests(suite: Test, make: MakeLog): Promise<void> {
  const place = { consumer, topic: "deliveries" };

  await suite.test("a topic that lost what was read of it is an error, and a person moves the position", async (t) => {
    const { inbox, ...under } = await withInbox(t, make);
    await publish(under, delivery("springfield", "1"));
    await inbox.pump({ consumer, topics: ["deliveries"] });
    // As if it had been read from the offset that the next record will have.
    await under.database.sql("work").update({ offset: 1 });
    await under.database.sql("inbox_positions").where(place).increment("next_offset", 3);
    for (const value of ["2", "3"]) {
      await publish(under, delivery("springfield", value));
      t.equal(await codeOf(inbox.pump({ consumer, topics: ["deliveries"] })), "inbox.ahead");
    }
    t.equal(await codeOf(inbox.skip({ ...place, to: 9 })), "usage", "not to where nothing is");
    t.equal(await codeOf(inbox.skip({ ...place, consumer: "nobody", to: 1 })), "usage");
    t.same(await inbox.skip({ ...place, to: 1 }), { from: 4, to: 1 });
    t.match(
      await inbox.pump({ consumer, topics: ["deliveries"] }),
      { copied: 2 },
      "also where an offset is used again",
    );
  });

  await suite.test(
    "what one topic has lost keeps no other from being read, and is passed over when told to",
    async (t) => {
      const { inbox, ...under } = await withInbox(t, make);
      await under.log.createTopic("plans");
      await inbox.pump({ consumer, topics: ["deliveries", "plans"] });
      for (const value of ["1", "2", "3"]) await publish(under, delivery("springfield", value));
      await under.log.transaction(async (tx) => tx.append("plans", [delivery("springfield", "4")]));
      await under.expire("deliveries", 2);
      t.equal(await codeOf(inbox.pump({ consumer, topics: ["deliveries", "plans"] })), "inbox.gap");
      t.equal((await under.database.sql("work").where({ topic: "plans" })).length, 1);
      t.same(await inbox.skip({ ...place, to: "start" }), { from: 0, to: 2 });
      t.match(await inbox.pump({ consumer, topics: ["deliveries", "plans"] }), { copied: 1 });
    },
  );
}

async function awayTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test(
    "who was away from a compacted topic for weeks starts over, and what is gone there goes",
    async (t) => {
      const { log, database } = await make(t);
      const told: string[] = [];
      const tell = ({ code, details }: AppError): void => void told.push(`${code} ${String(details["topic"])}`);
      const inbox = openInbox({ log, sql: database.sql, tell });
      await log.createTopic("accounts");
      const keys = async (): Promise<readonly string[]> => {
        const rows: readonly { readonly key: Buffer; readonly value: Buffer | null }[] = await database
          .sql("work")
          .where({ state: "waiting" })
          .orderBy("id");
        await database.sql("work").update({ state: "done", finished_at: database.sql.fn.now() });
        return rows.map(({ key, value }) => `${key.toString()}${value === null ? " gone" : ""}`);
      };
      const pump = (held: readonly string[]) =>
        inbox.pump({ consumer, topics: ["accounts"], held: () => Promise.resolve(held) });
      await log.transaction(async (tx) =>
        tx.append(
          "accounts",
          ["a", "b"].map((id) => record(JSON.stringify([id]))),
        ),
      );
      await pump([]);
      t.same(await keys(), ['["a"]', '["b"]']);
      t.match(await pump(["a", "b", "c"]), { copied: 0, restarted: [] }, "who was there misses nothing");
      for (let round = 0; round < 2; round++) {
        await database.sql("inbox_positions").update({ at_end_at: database.sql.raw("now() - interval '60 days'") });
        t.match(await pump(["a", "b", "c"]), { restarted: ["accounts"] });
        t.same(await keys(), ['["a"]', '["b"]', '["c"] gone']);
        t.match(await pump(["a", "b"]), { copied: 0, restarted: [] });
      }
      t.same(told, ["inbox.restarted accounts", "inbox.restarted accounts"]);
    },
  );
}

async function crashTests(suite: Test, make: MakeLog): Promise<void> {
  for (const moment of ["after pump", "before commit", "after commit"]) {
    await suite.test(`killed ${moment}, effect, output and position are there once in the end`, async (t) => {
      const { inbox, ...under } = await withInbox(t, make);
      const { database, log } = under;
      await log.createTopic("plans");
      await database.sql.raw("create table effects (work bigint)");
      await publish(under, delivery("springfield", "1"));
      await killAt(under, moment);
      const isDone = moment === "after commit";
      t.same((await database.sql("effects")).length, isDone ? 1 : 0, "after the kill");
      t.equal((await log.extent("plans"))?.end, isDone ? 1 : 0);
      t.same(await inbox.waitingDistricts(consumer), isDone ? [] : ["springfield"]);
      await killAt(under, "never");
      t.same((await database.sql("effects")).length, 1, "after the second run");
      t.same(Buffer.from((await readAll(log, "plans"))[0]?.value ?? []).toString(), "1");
      t.equal((await log.extent("plans"))?.end, 1);
      t.same(await inbox.waitingDistricts(consumer), []);
    });
  }
}

/** Runs the consumer until it says that the moment has come, then kills it; or to its end if it never says so. */
async function killAt({ database, environment }: LogUnderTest, moment: string): Promise<void> {
  const child = spawn(process.execPath, [crashConsumer, database.url, moment], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  child.stdout.on("data", () => child.kill("SIGKILL"));
  const [code, signal]: readonly unknown[] = await once(child, "exit");
  const expected = moment === "never" ? code === 0 : signal === "SIGKILL";
  if (!expected) throw new Error(`the consumer ended with ${String(code ?? signal)}`);
}
