// The rules of following, on any log: whatever happens to the topic or to the reader, in the end the reader holds what a
// naive fold of everything that was published comes to, and was told when it had to start over.

import type { Test } from "tap";

import { ChangeCodec } from "../../libs/adapters/registry/change-codec.ts";
import { openCodec } from "../../libs/adapters/registry/codec.ts";
import { recordCodec } from "../../libs/adapters/registry/record-codec.ts";
import { repositoryRegistry } from "../../libs/adapters/registry/repository.ts";
import { type EntityChange, registrationsFeed, rosterFeed } from "../../libs/subscriber/feeds.ts";
import { catchUp, type Following, type Source } from "../../libs/subscriber/follow.ts";
import { longestAwayMs, type StartOver } from "../../libs/subscriber/rules.ts";
import type { MakeLog } from "../contract/log-under-test.ts";
import type { Teardown } from "../support/teardown.ts";
import { linesOf, MemoryStore, Publisher, springfield, topic } from "./publisher.ts";

const dayMs = 24 * 60 * 60 * 1000;
const registry = repositoryRegistry();

class Reader {
  readonly store = new MemoryStore();
  readonly told: StartOver[] = [];
  readonly following: Following<EntityChange>;
  now = 0;

  constructor(source: Source) {
    const clock = { now: () => this.now };
    const startsOver = (reason: StartOver): void => void this.told.push(reason);
    this.following = { source, feed: rosterFeed(springfield), store: this.store, clock, startsOver };
  }

  async read(): Promise<readonly string[]> {
    await catchUp(this.following);
    return this.store.lines;
  }
}

async function stage(t: Teardown, make: MakeLog) {
  const made = await make(t);
  await made.log.createTopic(topic);
  const source: Source = { log: made.other, codec: made.codec, changes: await ChangeCodec.open(registry) };
  const publisher = await Publisher.open(made.log, registry);
  return { ...made, source, publisher, expected: () => linesOf(publisher.held), reader: () => new Reader(source) };
}

/** The suite of one log. @param make its log can compact and expire. */
export function followingTests(suite: Test, make: MakeLog): void {
  followTests(suite, make);
  startOverTests(suite, make);
  compactionTests(suite, make);
}

function followTests(suite: Test, make: MakeLog): void {
  void suite.test("a reader follows: what changes, what a null removes, and where changesets end", async (t) => {
    const { publisher, expected, reader, log } = await stage(t, make);
    const live = reader();
    t.same(await live.read(), [], "a topic without records is followed too");
    await publisher.publish({ a: "upsert", b: "upsert" });
    t.same(await live.read(), expected());
    await publisher.publish({ b: "delete", c: "upsert", a: "upsert" });
    await publisher.publish({ d: "upsert" });
    t.same(await live.read(), expected());
    t.same([live.told, live.store.changesets], [["new"], [1, 2, 3]]);
    t.equal(live.store.position?.next, (await log.extent(topic))?.end);
    const origin = live.store.batches.at(-1)?.items.at(-1)?.origin;
    t.equal(origin, "users.csv:d", "where the row stood");
    const seen = live.store.batches.length;
    await live.read();
    t.equal(live.store.batches.length, seen, "nothing is read twice, and nothing is stored for nothing");
    t.same(await reader().read(), expected(), "who begins now holds the same");
  });

  void suite.test("unknown keys are skipped, an unknown op is an upsert, a new form is learned", async (t) => {
    const { publisher, expected, reader, source } = await stage(t, make);
    await publisher.publish({ a: "upsert" }, "rekeyed");
    const value = Buffer.from("of a form that is not known");
    await publisher.append(['["alias","user","a"]', '["writer"]', '["parent","x"]'].map((key) => ({ key, value })));
    await publisher.publish({ b: "upsert" }, "blessed");
    t.same(await reader().read(), expected());
    t.equal(expected().length, 2);
    const empty = { ...registry, ids: async () => [] };
    const early = new Reader({ ...source, codec: await openCodec(empty), changes: await ChangeCodec.open(empty) });
    t.same(await early.read(), expected(), "schemas that came after the start are loaded");
    t.same(early.store.changesets, [1, 2]);
  });

  void suite.test("whole states by key are followed by the same rules", async (t) => {
    const { log, source, codec } = await stage(t, make);
    const feed = registrationsFeed(springfield);
    await log.createTopic(feed.topic);
    const key = JSON.stringify(["p1", "math"]);
    const registration = { district: springfield, person: "p1", product: "math", status: "granted", reason: "open" };
    const rest = { basis: "account", account: "A1", license: null, since: 1, welcome: null, at: 1 };
    const value = recordCodec(codec).encode("rollcall.registration.Registration", { ...registration, ...rest });
    await log.transaction(async (tx) =>
      tx.append(feed.topic, [
        { key, value },
        { key, value: null },
      ]),
    );
    const items: unknown[] = [];
    const store = {
      load: async () => null,
      apply: async (batch: { readonly items: readonly unknown[] }) => void items.push(...batch.items),
      sweep: async () => {},
    };
    await catchUp({ source, feed, store, clock: { now: () => 0 }, startsOver: () => {} });
    t.match(items, [
      { person: "p1", of: "math", state: { status: "granted", account: "A1" } },
      { person: "p1", of: "math", state: null },
    ]);
  });
}

function startOverTests(suite: Test, make: MakeLog): void {
  void suite.test("a topic that was made again is noticed, and what it no longer says is swept", async (t) => {
    const { log, publisher, expected, reader } = await stage(t, make);
    const live = reader();
    await publisher.publish({ a: "upsert", b: "upsert" });
    await live.read();
    await log.deleteTopic(topic);
    t.equal((await live.read()).length, 2, "without a topic nothing is known, and nothing is removed");
    await log.createTopic(topic);
    publisher.held.clear();
    for (const name of ["c", "d", "e"]) await publisher.publish({ a: "upsert", [name]: "upsert" });
    t.same(await live.read(), expected());
    t.same(live.told, ["new", "generation"]);
  });

  void suite.test(
    "a place that the log does not hold, past its end or before its start, is never chosen anew in silence",
    async (t) => {
      const { publisher, expected, reader, expire, log } = await stage(t, make);
      const [beyond, behind] = [reader(), reader()];
      await publisher.publish({ gone: "upsert" });
      for (const each of [beyond, behind]) await each.read();
      const { position } = beyond.store;
      beyond.store.position = position === null ? null : { ...position, next: position.next + 1 };
      beyond.store.batchesLeft = 1;
      await t.rejects(beyond.read(), /the store is away/u);
      beyond.store.batchesLeft = Number.POSITIVE_INFINITY;
      await publisher.publish({ a: "upsert", gone: "delete" });
      t.same(await beyond.read(), expected(), "also where the log has grown past the place meanwhile");
      t.same(beyond.told, ["new", "outside"]);
      await publisher.publish({ a: "upsert", b: "upsert" });
      await expire(topic, ((await log.extent(topic))?.end ?? 0) - 3);
      t.same(await behind.read(), expected());
      t.same(behind.told, ["new", "outside"]);
    },
  );

  void suite.test("a start over that was interrupted goes on where it was, and sweeps at its end", async (t) => {
    const { publisher, expected, reader, log } = await stage(t, make);
    const live = reader();
    await publisher.publish({ gone: "upsert", a: "upsert" });
    await live.read();
    for (const name of ["gone", "b", "c"]) await publisher.publish({ [name]: name === "gone" ? "delete" : "upsert" });
    live.now = longestAwayMs + 1;
    live.store.batchesLeft = 3;
    await t.rejects(live.read(), /the store is away/u);
    t.match(live.store.position, { round: 2, sweepAt: (await log.extent(topic))?.end, atEnd: live.now });
    live.store.batchesLeft = Number.POSITIVE_INFINITY;
    await publisher.publish({ d: "upsert" });
    t.same(await live.read(), expected());
    t.match(live.store.position, { round: 2, sweepAt: null });
    t.same(live.told, ["new", "away"], "it is the same start over");
  });
}

function compactionTests(suite: Test, make: MakeLog): void {
  void suite.test(
    "who was away for too long is told so and rebuilds, and holds what a live reader holds",
    async (t) => {
      const { publisher, expected, reader, compact } = await stage(t, make);
      if (compact === undefined) return t.fail("this log cannot compact");
      const [live, away, careless] = [reader(), reader(), reader()];
      const names = Array.from({ length: 40 }, (_, index) => `u${index}`);
      await publisher.publish(Object.fromEntries(names.map((name) => [name, "upsert"])));
      for (const each of [live, away, careless]) await each.read();
      for (let night = 1; night <= 5; night++) {
        const wish = names.filter((_, index) => index % 5 <= night % 3);
        await publisher.publish(
          Object.fromEntries(wish.map((name, index) => [name, index % 4 === night % 4 ? "delete" : "upsert"])),
        );
        live.now += dayMs;
        await live.read();
      }
      await compact(topic);
      away.now = longestAwayMs + 1;
      careless.now = longestAwayMs;
      const naive = expected();
      t.same(await live.read(), naive);
      t.same(await away.read(), naive);
      t.same(await reader().read(), naive, "and so does who begins now");
      t.same([live.told, away.told], [["new"], ["new", "away"]]);
      t.notSame(await careless.read(), naive, "without the rule, what was deleted meanwhile would stay for good");
      t.same(careless.told, ["new"], "to the millisecond");
    },
  );

  void suite.test("a silent topic makes nobody start over who looks at it", async (t) => {
    const { publisher, reader } = await stage(t, make);
    const live = reader();
    await publisher.publish({ a: "upsert" });
    for (let day = 0; day < 80; day += 30) {
      live.now = day * dayMs;
      await live.read();
    }
    t.same(live.told, ["new"]);
    t.equal(live.store.position?.atEnd, live.now);
  });
}
