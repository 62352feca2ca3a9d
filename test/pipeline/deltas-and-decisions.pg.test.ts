// What is held while deltas come in, which say nothing of it: it is neither forgotten, nor decided unseen.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { controlKey, controlTopics } from "../../libs/topics.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const students = 120;
const modified = "2025-10-02T00:00:00.000Z";

type Row = (cells: readonly string[]) => readonly string[] | null;

/** A delta of one file: the rows of a bulk set that `change` returns, with status and time filled in. */
function delta(
  district: TestDistrict,
  directory: string,
  { file, change }: { readonly file: string; readonly change: Row },
): string {
  const folder = district.folder();
  const modes = `propertyName,value\r\nmanifest.version,1.0\r\noneroster.version,1.2\r\nfile.${file},delta\r\n`;
  writeFileSync(join(folder, "manifest.csv"), modes);
  const [header = "", ...lines] = readFileSync(join(directory, `${file}.csv`), "utf8")
    .trimEnd()
    .split("\r\n");
  const rows = lines.flatMap((line) => {
    const cells = change(line.split(","));
    return cells === null ? [] : [cells.join(",")];
  });
  writeFileSync(join(folder, `${file}.csv`), `${[header, ...rows].join("\r\n")}\r\n`);
  return folder;
}

/** The first rows of a file as rows that delete. */
function deleting(count: number): Row {
  let left = count;
  return ([id = "", , , ...rest]) => (left-- > 0 ? [id, "tobedeleted", modified, ...rest] : null);
}

/** One row of courses.csv with another title. */
function retitled(title: string): Row {
  let done = false;
  return ([id = "", , , year = "", , ...rest]) => {
    if (done) return null;
    done = true;
    return [id, "active", modified, year, title, ...rest];
  };
}

t.setTimeout(240_000);

void t.test("deletes that are held stay held when the next delta does not repeat them", async (t) => {
  const district = await freshDistrict(t);
  const { directory } = await district.sample({ students, night: 1 });
  t.match(await district.deliver(directory), { outcome: "published" });
  const dropped = delta(district, directory, { file: "enrollments", change: deleting(300) });
  const first = await district.deliver(dropped);
  t.match(first, { outcome: "held", plan: { held: { enrollment: 300 } } });
  const second = await district.deliver(delta(district, directory, { file: "courses", change: retitled("Another") }));
  t.match(second, { outcome: "held", plan: { state: "open", held: { enrollment: 300 } } });
  t.match(await district.changes(), [{ type: "course", op: "updated" }], "what is new goes out");
  const plan = await district.plan();
  t.match(await district.decide("approve", plan.version), { outcome: "applied", plan: { state: "closed" } });
  t.equal((await district.changes()).filter(({ op }) => op === "deleted").length, 300);
});

void t.test("a delta waits while a plan is held as a whole, and goes on when that is decided", async (t) => {
  for (const verdict of ["approve", "reject"] as const) {
    const district = await freshDistrict(t);
    const night = { students, seed: 3 };
    const { directory } = await district.sample({ ...night, night: 1 });
    await district.deliver(directory);
    const renamed = await district.sample({ ...night, night: 2, scenario: "renamed-ids" });
    const held = await district.deliver(renamed.directory);
    t.match(held, { outcome: "held", reason: "ids-changed" });
    const later = await district.deliver(delta(district, directory, { file: "courses", change: retitled("Later") }));
    t.match(later, { outcome: "held", changeset: null }, "it waits behind the plan");
    const plan = await district.plan();
    t.match(plan, { state: "open", verdict: "hold-all", cause: "ids-changed" }, "which nothing has superseded");
    const decided = await district.decide(verdict, plan.version, verdict === "approve" ? { cause: "ids-changed" } : {});
    t.match(decided, { outcome: "applied" });
    const published = await district.deliver(delta(district, directory, { file: "courses", change: retitled("Last") }));
    t.match(published, { outcome: "published" });
    const titles = (await district.records("roster")).filter(({ value }) => JSON.stringify(value).includes('"Later"'));
    t.equal(titles.length, 1, "the delta that waited was published");
  }
});

void t.test("a cause is no way around the types of a decision", async (t) => {
  const district = await freshDistrict(t);
  const { directory } = await district.sample({ students, night: 1 });
  await district.deliver(directory);
  await district.deliver(delta(district, directory, { file: "enrollments", change: deleting(300) }));
  const plan = await district.plan();
  const decided = await district.decide("approve", plan.version, { types: ["demographics"], cause: "ids-changed" });
  t.match(decided, { outcome: "refused" });
  t.match(await district.plan(), { state: "open", held: { enrollment: 300 } });
});

void t.test("a decision touches what its version of the plan showed, and nothing else", async (t) => {
  const district = await freshDistrict(t);
  const { directory } = await district.sample({ students, night: 1 });
  await district.deliver(directory);
  await district.deliver(delta(district, directory, { file: "enrollments", change: deleting(300) }));
  const isHeld = (await district.exceptions()).filter((line) => line.startsWith("held enrollment"));
  // Their rows come again, all but one broken: they are claimed, so the plan says nothing of them.
  const [returned = "", ...rest] = isHeld;
  const broken: Row = ([id = "", , , ...cells]) => {
    if (returned === `held enrollment ${id}`) return [id, "active", modified, ...cells];
    return rest.includes(`held enrollment ${id}`) ? [id, "active", modified, ...cells.with(3, "nobody")] : null;
  };
  const claims = delta(district, directory, { file: "enrollments", change: broken });
  await district.system.sql("districts").update({
    policy: district.system.sql.raw(`jsonb_set(policy, '{maximumRejectShare}', '1')`),
  });
  t.match(await district.deliver(claims), { outcome: "published" });
  const seen = await district.plan();
  t.match(await district.decide("approve", seen.version), { outcome: "refused" });
  t.same(
    (await district.exceptions()).filter((line) => line.startsWith("approved")),
    [],
  );
});

void t.test("a delivery that is older than one already planned changes nothing", async (t) => {
  const district = await freshDistrict(t);
  const { directory } = await district.sample({ students, night: 1 });
  await district.deliver(directory);
  const { directory: second } = await district.sample({ students, night: 2 });
  await district.deliver(second);
  const before = (await district.records("roster")).filter(({ key }) => key.includes(","));
  const [first] = await district.system.sql("plans").where({ district: district.id }).orderBy("version");
  const again = [{ key: controlKey(district.id, "files"), value: first.delivery_record }];
  await district.system.log.transaction(async (tx) => tx.append(controlTopics.deliveries.name, again));
  const { directory: third } = await district.sample({ students, night: 3 });
  const outcome = await district.deliver(third);
  t.match(outcome, { outcome: "published" });
  const after = (await district.records("roster")).filter(({ key }) => key.includes(","));
  const { ledger } = await district.sample({ students, night: 3 });
  t.equal(
    after.filter(({ value }) => value !== null).length - before.filter(({ value }) => value !== null).length,
    readFileSync(ledger, "utf8")
      .trimEnd()
      .split("\n")
      .filter((line) => !line.includes('"demographics"')).length,
    "only the third night was added",
  );
});

void t.test("a refusal of new ids outlives a delta that does not mention them", async (t) => {
  const district = await freshDistrict(t);
  const night = { students, seed: 3 };
  const { directory } = await district.sample({ ...night, night: 1 });
  await district.deliver(directory);
  await district.deliver((await district.sample({ ...night, night: 2, scenario: "renamed-ids" })).directory);
  const plan = await district.plan();
  await district.decide("reject", plan.version);
  const refused = await district.exceptions();
  await district.deliver(delta(district, directory, { file: "courses", change: retitled("Another") }));
  t.same(await district.exceptions(), refused);
});

void t.test("a user who returns brings back the roles that a delta had taken along", async (t) => {
  const district = await freshDistrict(t);
  const { directory } = await district.sample({ students, night: 1, version: "1.1" });
  await district.deliver(directory);
  const later = (await district.sample({ students, night: 1 })).directory;
  const gone = await district.deliver(delta(district, later, { file: "users", change: deleting(60) }));
  t.match(gone, { outcome: "held", plan: { held: { user: 60, role: 60 } } });
  let left = 60;
  const returning: Row = ([id = "", , , ...rest]) => (left-- > 0 ? [id, "active", modified, ...rest] : null);
  const back = await district.deliver(delta(district, later, { file: "users", change: returning }));
  t.match(back, { outcome: "published" });
  t.same(await district.exceptions(), []);
});
