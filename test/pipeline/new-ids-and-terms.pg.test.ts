// Nights on which much disappears for a reason that shows: every id is new, or a term is over.

import t from "tap";

import { defaultPolicy } from "../../libs/domain/policy.ts";
import { type LedgerLine, readLedger } from "../sample/naive.ts";
import { checkPublished, foldRoster, sameLines } from "../support/checker.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const students = 100;

const named = (lines: readonly Pick<LedgerLine, "type" | "sourcedId" | "op">[]): readonly string[] =>
  lines.map(({ type, sourcedId, op }) => `${op} ${type} ${sourcedId}`);

t.test("ids that seem to have changed hold the whole plan until the cause is named", async (t) => {
  const district = await freshDistrict(t);
  const normal = await district.sample({ students });
  await district.deliver(normal.directory);
  const renamed = await district.sample({ students, night: 2, scenario: "renamed-ids" });
  t.match(await district.deliver(renamed.directory), { outcome: "held", reason: "ids-changed", changeset: null });
  await checkPublished(t, district, normal.directory, "nothing went out");
  const { version } = await district.plan();
  t.match(await district.decide("approve", version), { outcome: "refused", reason: /ids-changed/u });
  t.match(await district.decide("approve", version, { cause: "other" }), { outcome: "refused" });
  t.match(await district.decide("approve", version, { cause: "ids-changed", types: ["user"] }), { outcome: "refused" });
  await checkPublished(t, district, normal.directory, "still nothing");
  const approved = await district.decide("approve", version, { cause: "ids-changed" });
  t.match(approved, { outcome: "applied", plan: { state: "closed" } });
  const ledger = readLedger(renamed.ledger).filter(({ type }) => type !== "demographics");
  sameLines(t, named(await district.changes(approved.changeset?.number)), named(ledger), "exactly the ledger");
  await checkPublished(t, district, renamed.directory);
});

t.test("a whole plan that was rejected stays out the next night", async (t) => {
  const district = await freshDistrict(t);
  const normal = await district.sample({ students });
  await district.deliver(normal.directory);
  const renamed = await district.sample({ students, night: 2, scenario: "renamed-ids" });
  await district.deliver(renamed.directory);
  const { version } = await district.plan();
  t.match(await district.decide("reject", version), { outcome: "applied", plan: { state: "closed" } });
  t.match(await district.deliver(renamed.directory), { outcome: "published", changeset: { counts: [] } });
  await checkPublished(t, district, normal.directory, "all is as it was");
  t.match(await district.deliver(normal.directory), { outcome: "published", changeset: { counts: [] } });
  t.same(await district.exceptions(), [], "the old ids again: nothing is left of the rejection");
  t.match(await district.deliver(renamed.directory), { outcome: "held", reason: "ids-changed" }, "judged anew");
});

t.test("what is missing after its term ended is deleted for that reason", async (t) => {
  const never = { share: 1, count: 0 };
  const deletes = { ...defaultPolicy.limits.deletes, class: never, enrollment: never, classResource: never };
  const district = await freshDistrict(t, { limits: { ...defaultPolicy.limits, deletes } });
  const set = await district.sample({ students });
  await district.deliver(set.directory);
  const firstRow = (text: string): string => `${text.split("\r\n").slice(0, 2).join("\r\n")}\r\n`;
  const over = { "enrollments.csv": firstRow, "classes.csv": firstRow, "classResources.csv": firstRow };
  const userGone = (text: string): string => text.replace(/^s0000001,.*\r\n/mu, "");
  const cleared = district.edited(set.directory, { ...over, "users.csv": userGone });
  district.system.sleepDays(300);
  t.equal((await district.deliver(cleared)).outcome, "published");
  const lines = await district.changes();
  t.ok(lines.length > 500);
  t.same([...new Set(lines.map(({ type, op, cause }) => `${type} ${op} ${cause ?? ""}`))].toSorted(), [
    "class deleted term-over",
    "classResource deleted term-over",
    "enrollment deleted term-over",
    "user deleted absent",
  ]);
  await checkPublished(t, district, cleared);
});

/** The set with another class in the place of each, and other enrollments in them. */
function nextTerm(district: TestDistrict, set: string): string {
  const classes = (text: string): string => text.replaceAll(/\bclass-(?=\d)/gu, "next-");
  return district.edited(set, {
    "classes.csv": classes,
    "classResources.csv": classes,
    "enrollments.csv": (text) => classes(text).replaceAll(/^e-/gmu, "n-"),
  });
}

t.test(
  "a change of term lets what is new go out and holds what is over; before its end it looks like new ids",
  async (t) => {
    for (const isOver of [true, false]) {
      const district = await freshDistrict(t);
      const set = await district.sample({ students });
      await district.deliver(set.directory);
      if (isOver) district.system.sleepDays(300);
      const outcome = await district.deliver(nextTerm(district, set.directory));
      t.match(outcome, { outcome: "held", reason: isOver ? null : "ids-changed" });
      if (!isOver) {
        await checkPublished(t, district, set.directory, "nothing went out");
        continue;
      }
      const classes = foldRoster(await district.records("roster")).get("class");
      t.ok(classes?.has("next-0000000"), "a new class is there");
      t.ok(classes?.has("class-0000000"), "an old one still is");
      const approved = await district.decide("approve", (await district.plan()).version);
      const lines = await district.changes(approved.changeset?.number);
      t.same([...new Set(lines.map(({ op, cause }) => `${op} ${cause ?? ""}`))], ["deleted term-over"]);
      await checkPublished(t, district, nextTerm(district, set.directory));
    }
  },
);
