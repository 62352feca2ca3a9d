// Contract of the log: what a transaction appends is seen whole or not at all, and offset order is commit order.

import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { codeOf, keysOf, numbered, readAll, record, topic } from "./log-under-test.ts";
import type { MakeLog } from "./log-under-test.ts";

export async function transactionTests(suite: Test, make: MakeLog): Promise<void> {
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
}

export async function visibilityTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("a reader never sees half of a transaction", async (t) => {
    const { log, other, showsParts } = await make(t);
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
        const isWhole = end % 1_500 === 0 || showsParts === true;
        if (!isWhole || records.length !== end) t.fail(`read ${records.length} records up to ${end}`);
      }
      looks++;
    }
    await writing;
    t.ok(looks > 2, `looked ${looks} times`);
    const all = keysOf(await readAll(other, "b"));
    t.equal(all.length, 45_000);
    t.ok(
      all.every((key, i) => key === `${Math.floor(i / 1_500)}-${i % 1_500}`),
      "nothing comes between the records of a transaction",
    );
  });
}

export async function orderTests(suite: Test, make: MakeLog): Promise<void> {
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
}

export async function deadlockTests(suite: Test, make: MakeLog): Promise<void> {
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
