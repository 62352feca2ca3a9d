// Leases: one holder, a growing epoch, and a loss that is noticed in time.

import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { checkLease, holdLease, releaseLease, renewLease, takeLease } from "../../../libs/adapters/postgres/leases.ts";
import { isAppError } from "../../../libs/errors.ts";
import { codeOf } from "../../contract/log-under-test.ts";
import { freshDatabase } from "../../support/postgres.ts";

const name = "springfield";
const ttlMs = 60_000;

t.test("a lease has one holder, also among many that take it at once", async (t) => {
  const { sql } = await freshDatabase(t);
  const takes = Array.from({ length: 8 }, (_, i) => takeLease(sql, { name, holder: String(i), ttlMs }));
  const held = (await Promise.all(takes)).filter((lease) => lease !== null);
  t.equal(held.length, 1);
  t.equal(
    await takeLease(sql, { name, holder: held[0]?.holder ?? "", ttlMs }),
    null,
    "nor does its holder get it twice",
  );
  t.ok(await takeLease(sql, { name: "shelbyville", holder: "x", ttlMs }), "another name is another lease");
});

t.test("the epoch only grows, through release and lapse", async (t) => {
  const { sql } = await freshDatabase(t);
  const epochs: (number | undefined)[] = [];
  for (const end of ["release", "lapse", "release"]) {
    const lease = await takeLease(sql, { name, holder: "a", ttlMs: end === "lapse" ? 30 : ttlMs });
    epochs.push(lease?.epoch);
    if (end === "lapse") await sleep(60);
    else if (lease !== null) await releaseLease(sql, lease);
  }
  t.same(epochs, [1, 2, 3]);
});

t.test("a lapsed lease cannot be renewed or released from under its next holder", async (t) => {
  const { sql } = await freshDatabase(t);
  const old = await takeLease(sql, { name, holder: "a", ttlMs: 30 });
  if (old === null) return t.fail("not taken");
  t.equal(await renewLease(sql, old, 30), true);
  await sleep(60);
  t.equal(await renewLease(sql, old, ttlMs), false);
  const next = await takeLease(sql, { name, holder: "b", ttlMs });
  if (next === null) return t.fail("not taken");
  await releaseLease(sql, old);
  t.equal(await renewLease(sql, next, ttlMs), true);
  t.equal(await codeOf(sql.transaction((trx) => checkLease(trx, old))), "lease.lost");
  t.equal(await codeOf(sql.transaction((trx) => checkLease(trx, next))), "resolved");
});

t.test("nobody takes a lease over while a transaction that checked it is open", async (t) => {
  const { sql } = await freshDatabase(t);
  const lease = await takeLease(sql, { name, holder: "a", ttlMs: 200 });
  if (lease === null) return t.fail("not taken");
  let isCommitted = false;
  const working = sql.transaction(async (trx) => {
    await checkLease(trx, lease);
    await sleep(500);
    isCommitted = true;
  });
  await sleep(300);
  t.ok(await takeLease(sql, { name, holder: "b", ttlMs }));
  t.ok(isCommitted, "the take waited for the commit");
  await working;
});

t.test("a held lease is renewed until it is released", async (t) => {
  const { sql } = await freshDatabase(t);
  const held = await holdLease(sql, { name, holder: "a", ttlMs: 300 });
  if (held === null) return t.fail("not taken");
  await sleep(700);
  t.equal(held.signal.aborted, false);
  t.equal(await holdLease(sql, { name, holder: "b", ttlMs: 300 }), null);
  await held.release();
  await held.release();
  t.ok(await takeLease(sql, { name, holder: "b", ttlMs }), "free at once");
});

t.test("losing a held lease aborts its signal", async (t) => {
  const { sql } = await freshDatabase(t);
  const held = await holdLease(sql, { name, holder: "a", ttlMs: 300 });
  if (held === null) return t.fail("not taken");
  await sql("leases").update({ holder: "b", epoch: 2 });
  await sleep(250);
  t.ok(held.signal.aborted && isAppError(held.signal.reason, "lease.lost"));
  await held.release();
});

t.test("a holder that cannot reach the database gives up before the lease could be another's", async (t) => {
  const database = await freshDatabase(t);
  const held = await holdLease(database.sql, { name, holder: "a", ttlMs: 400 });
  if (held === null) return t.fail("not taken");
  await database.close();
  await sleep(700);
  t.ok(held.signal.aborted);
  await t.rejects(held.release());
});
