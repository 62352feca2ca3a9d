// `rollcall roster` and `rollcall rebuild` as an operator gives them, and `resume` for a changeset that stopped.

import { join } from "node:path";

import t from "tap";

import { type Ended, finish } from "../support/child.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";
import { deliverAlone, workThrough } from "../services/rosters/at-work.ts";
import { changed, small, written } from "../services/rosters/small-set.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
t.setTimeout(120_000);

/** The command line on the district's database. */
function commands({ system }: TestDistrict): (line: string) => Promise<Ended> {
  const env = { ROLLCALL_DATA: system.folder, DATABASE_URL: system.database.url };
  return (line) => finish([launcher, ...line.split(" ")], { env, cwd: system.folder });
}

/** A set whose classes last: a command lives today, whenever that is. */
const lasting = changed(small, { "academicSessions fall": { startDate: "2020-01-01", endDate: "2120-01-01" } });

const jsonOf = ({ stdout }: Ended): unknown => JSON.parse(stdout);

async function releasedDistrict(t: Parameters<typeof freshDistrict>[0]): Promise<TestDistrict> {
  const district = await freshDistrict(t, { rosters: "eager" });
  await district.system.sql("districts").update({ state: "released" });
  return district;
}

void t.test(
  "roster shows a teacher's classes by sourcedId and by person, and what was delivered a moment ago",
  async (t) => {
    const district = await releasedDistrict(t);
    const rollcall = commands(district);
    await deliverAlone(district, written(district, lasting));
    const shown = await rollcall("roster springfield t1");
    t.equal(shown.code, 0);
    t.equal(
      shown.stdout,
      [
        "Art  art",
        "  school: Oak Hill  school",
        "  course: Course  course",
        "  terms: Fall 2020-01-01 to 2120-01-01",
        "  students: 2",
        "    Family s1, Given  s1",
        "    Family s2, Given  s2",
        "",
      ].join("\n"),
    );
    const [row] = await district.system.sql("person_users").where({ sourced_id: "t1" });
    const json = jsonOf(await rollcall(`roster springfield ${row?.person} --json`));
    t.match(json, {
      person: row?.person,
      classes: [{ class: "art", primary: true, students: [{ sourcedId: "s1" }, {}] }],
    });
    const none = await rollcall("roster springfield s1");
    t.match(none, { code: 0, stdout: "s1 sees no classes\n  why:  rollcall explain springfield s1\n" });
    t.match(await rollcall("roster springfield nobody"), { code: 2, stderr: /nobody in springfield/u });
  },
);

void t.test("rebuild says how the tables differ, mends them, and finds nothing the second time", async (t) => {
  const district = await releasedDistrict(t);
  const rollcall = commands(district);
  t.match(await rollcall("rebuild springfield"), { code: 1, stderr: /nothing was published for springfield yet/u });
  await deliverAlone(district, written(district, lasting));
  await workThrough(district.system);
  await district.system.sql("roster_users").where({ sourced_id: "s1" }).delete();
  const difference = "  user: 0 only in the tables, 1 only on the topic, 0 differ\n";
  const dry = await rollcall("rebuild springfield --dry-run");
  t.equal(dry.stdout, `the topic up to changeset 1 differs from the tables\n${difference}nothing was changed\n`);
  const same = "rebuilt; teachers' classes: 0 published, 0 withdrawn\n";
  const mended = await rollcall("rebuild springfield");
  t.equal(mended.stdout, `the topic up to changeset 1 differs from the tables\n${difference}${same}`);
  t.match(jsonOf(await rollcall("rebuild springfield --json")), {
    district: "springfield",
    isDryRun: false,
    changeset: 1,
    differences: [],
    published: 0,
    withdrawn: 0,
  });
});

void t.test("resume lets a changeset go on that the tables did not take", async (t) => {
  const district = await releasedDistrict(t);
  const rollcall = commands(district);
  const { sql } = district.system;
  await sql.raw("alter table roster_classes add constraint refused check (title <> 'Refused')");
  await deliverAlone(district, written(district, changed(lasting, { "classes art": { title: "Refused" } })));
  await workThrough(district.system);
  const stopped = [{ consumer: "rosters", topic: "changesets", reason: /^roster\.unappliable: / }];
  t.match(jsonOf(await rollcall("resume springfield --json")), { resumed: 1, done: 0, stopped });
  await sql.raw("alter table roster_classes drop constraint refused");
  t.match(jsonOf(await rollcall("resume springfield --json")), { resumed: 1, done: 1, stopped: [] });
  t.match(await rollcall("roster springfield t1"), { stdout: /^Refused {2}art\n/u });
});
