// Paging that cannot lose: whatever a source does, either every record that was there all the time is kept, or the
// collection is said to be incomplete.

import t from "tap";

import { Random } from "../../support/seeded.ts";
import { type Habits, plain, readShelf, Shelf } from "./shelf.ts";

type Case = {
  readonly name: string;
  readonly habits: Partial<Habits>;
  readonly incomplete?: RegExp;
  /** The reason by which it may be incomplete: it depends on when rows go. */
  readonly mayBe?: RegExp;
};

const cases: readonly Case[] = [
  { name: "totals and whole pages", habits: {} },
  { name: "one page that is not full", habits: { rows: 3 } },
  { name: "one page that is just full", habits: { rows: 10, total: "none" } },
  { name: "one record", habits: { rows: 1, total: "none" } },
  { name: "no record", habits: { rows: 0 } },
  { name: "no record and no total", habits: { rows: 0, total: "none" } },
  { name: "no total and no link", habits: { total: "none" } },
  { name: "a silent clamp", habits: { clamp: 4, total: "none" } },
  { name: "a clamp to one record", habits: { clamp: 1, total: "none" } },
  { name: "short pages", habits: { short: 0.7, total: "none" } },
  { name: "links by offset", habits: { link: "offset" } },
  { name: "links that skip a record", habits: { link: "off-by-one", total: "none" } },
  { name: "links that lead back to the beginning", habits: { link: "loop", total: "none" } },
  { name: "links without brackets", habits: { link: "bare" } },
  { name: "links to another host, which is not asked", habits: { link: "foreign", total: "none" } },
  { name: "links without offsets", habits: { link: "cursor", total: "none" } },
  {
    name: "links without offsets, all on one page, and offsets that mean nothing",
    habits: { link: "cursor", offsets: "ignore", total: "none", rows: 5 },
  },
  { name: "links without offsets that loop", habits: { link: "cursor-loop", total: "none" } },
  { name: "links without offsets, and offsets that mean nothing", habits: { link: "cursor", offsets: "ignore" } },
  {
    name: "links without offsets, offsets that mean nothing, and no total",
    habits: { link: "cursor", offsets: "ignore", total: "none" },
  },
  {
    name: "links that loop, offsets that mean nothing, and no total",
    habits: { link: "cursor-loop", offsets: "ignore", total: "none" },
    incomplete: /a link to its next page leads to nothing new/u,
  },
  {
    name: "links that are lost once, offsets that mean nothing, and no total",
    habits: { link: "cursor-lost", offsets: "ignore", total: "none" },
  },
  {
    name: "links that lead to an empty page, offsets that mean nothing, and no total",
    habits: { link: "cursor", offsets: "ignore", total: "none", emptyFrom: 10 },
    incomplete: /a link to its next page leads to nothing new/u,
  },
  { name: "a total that is a text", habits: { total: "text" } },
  { name: "a total of the page alone", habits: { total: "page" } },
  { name: "a total of the page alone where one page is all", habits: { rows: 4, total: "page" } },
  { name: "a total of what was received so far", habits: { total: "running" } },
  { name: "a total of 0", habits: { total: "zero" } },
  { name: "a total below 0", habits: { total: "negative" } },
  { name: "a total that is too small", habits: { total: "few" } },
  { name: "a total that is too large", habits: { total: "many" }, incomplete: /25 of 28 records came/u },
  { name: "404 past the end", habits: { pastEnd: 404, total: "none" } },
  { name: "400 past the end", habits: { pastEnd: 400, total: "none" } },
  { name: "offsets rounded to whole pages", habits: { offsets: "pages" } },
  {
    name: "offsets rounded to whole pages, without a total",
    habits: { offsets: "pages", total: "none" },
    incomplete: /shows what was shown before/u,
  },
  { name: "offsets refused unless they are whole pages", habits: { offsets: "refuse" } },
  {
    name: "offsets refused unless they are whole pages, without a total",
    habits: { offsets: "refuse", total: "none" },
    incomplete: /refuses offset 25/u,
  },
  { name: "all of it whatever is asked", habits: { offsets: "ignore", ignoresLimit: true, total: "none" } },
  {
    name: "all of it whatever is asked, less than was asked for",
    habits: { rows: 7, offsets: "ignore", ignoresLimit: true, total: "none" },
  },
  { name: "one record whatever is asked", habits: { rows: 1, offsets: "ignore", ignoresLimit: true, total: "none" } },
  { name: "the first page whatever is asked, which is all", habits: { rows: 7, offsets: "ignore" } },
  {
    name: "the first page whatever is asked",
    habits: { offsets: "ignore" },
    incomplete: /the same page whatever offset is asked/u,
  },
  {
    name: "the first page whatever is asked, without a total",
    habits: { offsets: "ignore", total: "none" },
    incomplete: /the same page whatever offset is asked/u,
  },
  { name: "everything from the offset on", habits: { ignoresLimit: true, total: "none" } },
  { name: "rows that stand there twice, counted in the total", habits: { doubles: 3 } },
  { name: "rows that stand there twice, without a total", habits: { doubles: 3, total: "none" } },
  {
    name: "a stop in the middle",
    habits: { emptyFrom: 8, total: "none", clamp: 9 },
    incomplete: /shows nothing at offset 8/u,
  },
  { name: "nothing from the first record on", habits: { emptyFrom: 0 }, incomplete: /counts 25 and shows none/u },
  { name: "rows that come while it is read", habits: { grow: 0.5 } },
  { name: "rows that go while it is read", habits: { shrink: 0.5 }, mayBe: /shrank/u },
  { name: "rows that go while it is read, without a total", habits: { shrink: 0.5, total: "none", limit: 4 } },
  { name: "rows that go as others come, so that the total stays", habits: { swap: 0.5, limit: 4 } },
  { name: "rows that go at every request", habits: { shrink: 1, movements: 999, limit: 2 }, incomplete: /shrank/u },
  { name: "mishaps", habits: { mishap: 0.4, limit: 4, total: "none" } },
];

for (const { name, habits, incomplete, mayBe } of cases) {
  t.test(`a source with ${name} is ${incomplete === undefined ? "read whole" : "incomplete"}`, async (t) => {
    for (let seed = 1; seed <= 5; seed++) {
      const shelf = new Shelf(habits, new Random(seed, 1));
      const read = await readShelf(shelf, habits.limit);
      if (mayBe !== undefined && read.outcome === "incomplete") {
        t.match(read.reason, mayBe);
        continue;
      }
      if (incomplete !== undefined) {
        t.equal(read.outcome, "incomplete");
        t.match(read.reason, incomplete);
        continue;
      }
      t.equal(read.outcome, "read", `${read.reason}, after ${shelf.asked.length} requests`);
      t.strictSame(lostOf(shelf, read.ids), [], `seed ${seed}: none is lost`);
      t.equal(read.items, read.ids.length, "what is counted is what is kept");
      if ((habits.doubles ?? 0) === 0) t.equal(new Set(read.ids).size, read.ids.length, "none is kept twice");
    }
  });
}

t.test(
  "a source that changes in no way is asked for each page once, from the last record on, and for what is behind the last one",
  async (t) => {
    const shelf = new Shelf({});
    await readShelf(shelf);
    t.strictSame(
      shelf.asked,
      [0, 9, 18, 24, 25, 24].map((offset) => `?limit=10&offset=${offset}`),
      "the last three prove that there is nothing more",
    );
  },
);

t.test("links are left alone where the profile says so", async (t) => {
  const shelf = new Shelf({ link: "cursor", offsets: "ignore" });
  const read = await readShelf(shelf, 10, true);
  t.equal(read.outcome, "incomplete");
  t.notOk(shelf.asked.some((query) => query.includes("after")));
});

t.test("whatever a source does by seed, every record is kept or the collection is incomplete", async (t) => {
  const runs = process.env["TORTURE"] === "1" ? 60_000 : 2_000;
  const one = Number(process.env["SEED"] ?? 0);
  let whole = 0;
  for (let seed = one || 1; seed <= (one || runs); seed++) {
    const random = new Random(seed, 1);
    const habits = anyHabits(random);
    const shelf = new Shelf(habits, random);
    const read = await readShelf(shelf, habits.limit);
    const lost = read.outcome === "incomplete" ? [] : lostOf(shelf, read.ids);
    const made = read.ids.filter((id) => !shelf.ever.has(id));
    if (read.outcome === "read") whole += 1;
    if (lost.length === 0 && made.length === 0) continue;
    t.fail(`SEED=${seed}: ${lost.length} lost, ${made.length} made up; ${JSON.stringify(habits)}`);
    t.comment(shelf.asked.join(" "));
    return;
  }
  t.ok(one > 0 || whole > runs / 2, `${whole} of ${runs} were read whole`);
});

function lostOf(shelf: Shelf, ids: readonly string[]): readonly string[] {
  const kept = new Set(ids);
  return shelf.steady.filter((id) => !kept.has(id));
}

/** Most habits are good ones, so that the bad ones meet in all ways, and many are read whole. */
function anyHabits(random: Random): Habits {
  const seldom = <T>(value: T, usual: T): T => (random.chance(0.25) ? value : usual);
  const habits: Habits = {
    ...plain,
    rows: random.below(60),
    limit: 1 + random.below(12),
    clamp: seldom(1 + random.below(6), null),
    short: seldom(random.next(), 0),
    total: random.pick(["true", "true", "none", "none", "text", "page", "running", "zero", "negative", "many", "few"]),
    link: random.pick(["none", "none", "offset", "off-by-one", "loop", "bare", "foreign", "cursor", "cursor-loop"]),
    pastEnd: random.pick(["empty", "empty", 404, 400] as const),
    offsets: random.chance(0.2) ? random.pick(["pages", "refuse", "ignore"] as const) : "any",
    ignoresLimit: random.chance(0.05),
    grow: seldom(random.next() / 3, 0),
    shrink: seldom(random.next() / 3, 0),
    swap: seldom(random.next() / 3, 0),
    movements: 1 + random.below(5),
    mishap: seldom(random.next() / 2, 0),
    emptyFrom: random.chance(0.03) ? 1 + random.below(30) : null,
    doubles: seldom(random.below(4), 0),
    pretty: random.chance(0.2),
  };
  // Pages of one record, or whole pages alone, that end for ever without a total look as a collection does that ends there.
  // Who takes whole pages alone sends whole pages: else nobody could ask for what comes behind a short one. And who sends
  // one record whatever is asked cannot be told from who has one.
  const offsets = habits.short > 0 ? "any" : habits.offsets;
  const clamp = offsets === "ignore" && habits.clamp === 1 ? 2 : habits.clamp;
  const isSeen =
    habits.total === "true" || (habits.limit > 1 && habits.clamp !== 1 && habits.short === 0 && offsets === "any");
  return { ...habits, offsets, clamp, emptyFrom: isSeen ? habits.emptyFrom : null };
}
