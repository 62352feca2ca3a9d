// Night after night through the whole pipeline: what is published is what the sets say, and what comes out as changed is
// what the generator knows to have changed.

import t from "tap";

import type { ChangeLine } from "../../libs/cli/changes.ts";
import { readImage, readLedger } from "../sample/naive.ts";
import { checkPublished, sameLines } from "../support/checker.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const students = 120;

/** Change lines and ledger lines alike: type, id, operation, names of changed fields. */
function accounts(
  lines: readonly Pick<ChangeLine, "type" | "sourcedId" | "op">[],
  changedOf: (index: number) => readonly string[],
): readonly string[] {
  return lines.map(({ type, sourcedId, op }, index) => JSON.stringify([type, sourcedId, op, ...changedOf(index)]));
}

async function sameAsLedger(
  test: Pick<typeof t, "same">,
  district: TestDistrict,
  ledger: string,
  what: string,
): Promise<void> {
  const lines = await district.changes();
  const expected = readLedger(ledger);
  sameLines(
    test,
    accounts(lines, (index) => lines[index]?.changed ?? []),
    accounts(expected, (index) => expected[index]?.changed ?? []),
    what,
  );
}

for (const version of ["1.1", "1.2"] as const) {
  t.test(`four nights of OneRoster ${version}, bulk and delta by turns`, async (t) => {
    const district = await freshDistrict(t, { demographics: true });
    for (const night of [1, 2, 3, 4]) {
      const bulk = await district.sample({ students, version, night });
      const mode = night % 2 === 1 && night > 1 ? "delta" : "bulk";
      const set = mode === "bulk" ? bulk : await district.sample({ students, version, night, mode });
      const { outcome } = await district.deliver(set.directory);
      t.equal(outcome, "published", `night ${night}`);
      await sameAsLedger(t, district, set.ledger, `the changes of night ${night}, ${mode}`);
      await checkPublished(t, district, readImage(bulk.directory), `night ${night}`);
    }
  });
}

t.test("I3 applying what is published gives exactly what the sets say", async (t) => {
  for (const version of ["1.1", "1.2"] as const) {
    const district = await freshDistrict(t);
    for (const night of [1, 2, 3]) {
      const set = await district.sample({ students, version, night, seed: 4 });
      t.equal((await district.deliver(set.directory)).outcome, "published");
      await checkPublished(t, district, set.directory, `${version}, night ${night}`);
    }
    const delta = await district.sample({ students, version, night: 4, seed: 4, mode: "delta" });
    const whole = await district.sample({ students, version, night: 4, seed: 4 });
    await district.deliver(delta.directory);
    await checkPublished(t, district, whole.directory, `${version}, a delta on top`);
  }
});

t.test("I4 the same set again publishes an empty changeset", async (t) => {
  const district = await freshDistrict(t);
  const set = await district.sample({ students });
  await district.deliver(set.directory);
  const published = (await district.records("roster")).filter(({ name }) => name.endsWith("Change")).length;
  t.ok(published > 500, "the first one publishes everything");
  for (const again of [set.directory, district.edited(set.directory, {})]) {
    const outcome = await district.deliver(again);
    t.match(outcome, { outcome: "published", changeset: { counts: [] } });
    t.same(await district.changes(), []);
    t.same((await district.plan()).parts, [], "nothing was planned either");
  }
  const records = await district.records("roster");
  t.equal(records.filter(({ name }) => name.endsWith("Change")).length, published, "no entity is written again");
  t.equal(records.filter(({ key }) => key === '["changeset"]').length, 3, "each has its changeset");
});

t.test("the last but one set again is a change back", async (t) => {
  const district = await freshDistrict(t);
  const one = await district.sample({ students, night: 1 });
  const two = await district.sample({ students, night: 2 });
  for (const set of [one, two, one]) await district.deliver(set.directory);
  t.ok((await district.changes()).length > 5);
  await checkPublished(t, district, one.directory);
});

t.test("a new dateLastModified alone is no change", async (t) => {
  const district = await freshDistrict(t);
  const set = await district.sample({ students, filled: true });
  await district.deliver(set.directory);
  const touch = (text: string): string => text.replaceAll(/,active,[^,]*,/gu, ",active,2025-12-24T12:00:00.000Z,");
  const touched = district.edited(set.directory, { "users.csv": touch, "enrollments.csv": touch, "orgs.csv": touch });
  t.match(await district.deliver(touched), { outcome: "published", changeset: { counts: [] } });
  const renamed = district.edited(touched, { "orgs.csv": (text) => text.replace(/Larkspur [^,]*/u, "Elsewhere") });
  t.match(await district.deliver(renamed), {
    outcome: "published",
    changeset: { counts: [{ type: "org", op: "updated", count: 1 }] },
  });
});

t.test("the order of rows is no change", async (t) => {
  const district = await freshDistrict(t);
  const set = await district.sample({ students });
  await district.deliver(set.directory);
  const reversed = (text: string): string => {
    const [header = "", ...rows] = text.trimEnd().split("\r\n");
    return `${[header, ...rows.toReversed()].join("\r\n")}\r\n`;
  };
  const names = ["users", "roles", "enrollments", "classes", "orgs", "courses"];
  const edits = Object.fromEntries(names.map((name) => [`${name}.csv`, reversed]));
  t.match(await district.deliver(district.edited(set.directory, edits)), {
    outcome: "published",
    changeset: { counts: [] },
  });
});
