// Changesets become rows and teachers' classes: exactly what the sets say, all of a changeset at once, and nothing twice.

import t from "tap";

import { controlTopics } from "../../../libs/topics.ts";
import { readImage } from "../../sample/naive.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../../support/pipeline.ts";
import { checkRosters, deliverAlone, deliverThrough, endOf, shown, workThrough } from "./at-work.ts";
import { changed, small, written } from "./small-set.ts";

const students = 120;

async function eagerDistrict(t: Parameters<typeof freshDistrict>[0]): Promise<TestDistrict> {
  const district = await freshDistrict(t, { rosters: "eager" });
  await district.system.sql("districts").update({ state: "released" });
  return district;
}

type Rows = readonly { readonly total: number }[];

/** How many rows the tables of the district hold, by table. */
async function tableSizes({ system }: TestDistrict): Promise<Readonly<Record<string, number>>> {
  const sizes: Record<string, number> = {};
  for (const table of ["roster_orgs", "roster_classes", "roster_users", "roster_roles", "roster_enrollments"]) {
    const [row]: Rows = await system.sql(table).count({ total: "*" });
    sizes[table] = row?.total ?? 0;
  }
  return sizes;
}

for (const version of ["1.1", "1.2"] as const) {
  t.test(`C002 C018 four nights of OneRoster ${version} are what a naive reader makes of the sets`, async (t) => {
    const district = await eagerDistrict(t);
    for (const night of [1, 2, 3, 4]) {
      const bulk = await district.sample({ students, version, night });
      const mode = night === 3 ? "delta" : "bulk";
      const set = mode === "bulk" ? bulk : await district.sample({ students, version, night, mode });
      await deliverThrough(district, set.directory);
      await checkRosters(t, district, bulk.directory, `night ${night}`);
      const image = readImage(bulk.directory);
      t.match(await tableSizes(district), {
        roster_orgs: image.get("org")?.size,
        roster_classes: image.get("class")?.size,
        roster_users: image.get("user")?.size,
        roster_roles: image.get("role")?.size,
        roster_enrollments: image.get("enrollment")?.size,
      });
    }
  });
}

t.test("the same set again publishes no roster anew", async (t) => {
  const district = await eagerDistrict(t);
  const set = await district.sample({ students });
  await deliverThrough(district, set.directory);
  const end = await endOf(district);
  t.ok(end > 50, "the first one publishes");
  for (const again of [1, 2]) {
    await deliverThrough(district, set.directory);
    t.equal(await endOf(district), end, `time ${again}`);
  }
  const [position] = await district.system.sql("roster_positions").select("changeset");
  t.match(position, { changeset: 3 }, "the position moves all the same");
});

t.test("several changesets that wait are applied in their order", async (t) => {
  const district = await eagerDistrict(t);
  let last = "";
  for (const night of [1, 2, 3]) {
    last = (await district.sample({ students, night })).directory;
    await deliverAlone(district, last);
  }
  await workThrough(district.system);
  await checkRosters(t, district, last, "after all three");
});

t.test("what was deleted and comes back is there", async (t) => {
  const district = await eagerDistrict(t);
  const without = changed(small, { "enrollments art-s2": null });
  for (const set of [small, without, small, without]) await deliverAlone(district, written(district, set));
  await workThrough(district.system);
  t.same(await shown(district), ["Art t1: s1", "Music t2: s3"]);
  await deliverThrough(district, written(district, small));
  t.same(await shown(district), ["Art t1: s1 s2", "Music t2: s3"]);
});

t.test("a reader never sees half a changeset", async (t) => {
  const district = await eagerDistrict(t);
  const { sql } = district.system;
  const look = async (): Promise<string> => {
    const { rows } = await sql.raw<{ readonly rows: readonly unknown[] }>(
      `select changeset, (select count(*) from roster_enrollments), (select max(e.changeset) from roster_enrollments e),
         (select count(*) from roster_users), (select string_agg(title, ' ' order by sourced_id) from roster_courses),
         (select md5(string_agg(hash::text, ' ' order by person, class_id)) from teacher_rosters),
         (select next_offset from log_topics where name like 'teacher-rosters.%') as end
       from roster_positions`,
    );
    return JSON.stringify(rows);
  };
  await deliverThrough(district, (await district.sample({ students })).directory);
  await deliverAlone(district, (await district.sample({ students, night: 2 })).directory);
  const before = await look();
  const seen: string[] = [];
  let isOver = false;
  const reading = (async () => {
    while (!isOver) seen.push(await look());
  })();
  await workThrough(district.system);
  isOver = true;
  await reading;
  const after = await look();
  t.ok(seen.length > 3, "the reader read meanwhile");
  t.not(after, before);
  t.same(
    seen.filter((state) => state !== before && state !== after),
    [],
  );
});

t.test("a crash before the commit leaves nothing behind, and the work is done again", async (t) => {
  const district = await eagerDistrict(t);
  const { system } = district;
  const set = await district.sample({ students });
  await deliverAlone(district, set.directory);
  const crash = new Error("crash");
  const crashing = { ...system, inbox: { ...system.inbox, finish: () => Promise.reject(crash) } };
  await t.rejects(workThrough(crashing), crash);
  t.same(Object.values(await tableSizes(district)), [0, 0, 0, 0, 0]);
  t.equal(await endOf(district), 0);
  t.same(await system.sql("teacher_rosters").select("person"), []);
  t.same(await system.sql("roster_positions").select("district"), []);
  await workThrough(system);
  await checkRosters(t, district, set.directory, "the second attempt");
});

t.test("a changeset that the tables do not take stops its district alone, says so, and can be resumed", async (t) => {
  const district = await eagerDistrict(t);
  const { system } = district;
  const { sql } = system;
  const other = await district.neighbour("shelbyville");
  await sql.raw(
    "alter table roster_classes add constraint refused check (district <> 'springfield' or title <> 'Music')",
  );
  await deliverAlone(district, written(district, small));
  await deliverAlone(other, written(other, small));
  await workThrough(system);
  const [stopped, ...more] = await system.inbox.stopped("rosters");
  t.match(stopped, {
    district: "springfield",
    reason: "roster.unappliable: applying a changeset to the roster tables",
  });
  t.same(more, []);
  const position = await sql("roster_positions").select("district", "changeset");
  t.same(position, [{ district: "shelbyville", changeset: 1 }], "the other district goes on");
  const notices = await topicRecords(system, controlTopics.notices.name);
  t.match(notices.at(-1)?.value, { district: "springfield", code: "roster.unappliable", severity: "error" });
  await sql.raw("alter table roster_classes drop constraint refused");
  await system.inbox.resume(stopped?.id ?? 0);
  await workThrough(system);
  t.same(await shown(district), ["Art t1: s1 s2", "Music t2: s3"]);
});

t.test("identifiers of users are remembered for good", async (t) => {
  const district = await eagerDistrict(t);
  const holders = async (): Promise<number> => (await district.system.sql("identifier_holders")).length;
  await deliverThrough(district, written(district, small));
  t.equal(await holders(), 15, "sourcedId, username and email of five users");
  await deliverThrough(district, written(district, changed(small, { "users s1": { email: "new@oak.example" } })));
  t.equal(await holders(), 16, "the new address beside the old one");
  const fewer = { "users s1": null, "roles role-s1": null, "enrollments art-s1": null };
  await deliverThrough(district, written(district, changed(small, fewer)));
  t.equal(await holders(), 16, "also of a user that is gone");
});
