// A rebuild makes a district's tables what its topic says, whatever they were, and nothing else changes.

import t from "tap";

import { compact } from "../../../libs/adapters/postgres/compact.ts";
import { controlTopics, districtTopic } from "../../../libs/topics.ts";
import { holdRosters } from "../../../services/rosters/context.ts";
import { rebuild } from "../../../services/rosters/rebuild.ts";
import { freshDistrict, type TestDistrict } from "../../support/pipeline.ts";
import { checkRosters, deliverAlone, deliverThrough, endOf, shown, workThrough } from "./at-work.ts";
import { changed, small, written } from "./small-set.ts";

const students = 120;
const now = { isDryRun: false, patienceMs: 1000 };
const dry = { ...now, isDryRun: true };
const everything = { olderThanMs: -1, tombstonesOlderThanMs: -1 };

async function eagerDistrict(t: Parameters<typeof freshDistrict>[0]): Promise<TestDistrict> {
  const district = await freshDistrict(t, { rosters: "eager" });
  await district.system.sql("districts").update({ state: "released" });
  return district;
}

/** Every row of a district's tables, as text, sorted. */
async function contents({ system, id }: TestDistrict): Promise<readonly string[]> {
  const tables = ["orgs", "sessions", "courses", "classes", "users", "roles", "enrollments", "resources"];
  const rows = await Promise.all(
    [...tables.map((name) => `roster_${name}`), "teacher_rosters", "person_users"].map((table) =>
      system.sql(table).where({ district: id }),
    ),
  );
  return rows
    .flat()
    .map((row) => JSON.stringify(row))
    .toSorted();
}

t.test("twice equals once: a healthy district does not change, and nothing is published", async (t) => {
  const district = await eagerDistrict(t);
  const set = await district.sample({ students, night: 2 });
  for (const directory of [(await district.sample({ students })).directory, set.directory])
    await deliverThrough(district, directory);
  const before = [await contents(district), await endOf(district)];
  for (const time of [1, 2]) {
    const rebuilt = await rebuild(district.system, district.id, now);
    t.same(rebuilt, { changeset: 2, differences: [], published: 0, withdrawn: 0 }, `time ${time}`);
    t.same([await contents(district), await endOf(district)], before);
  }
  await checkRosters(t, district, set.directory, "still what the set says");
  await deliverThrough(district, (await district.sample({ students, night: 3 })).directory);
  const [position] = await district.system.sql("roster_positions").select("changeset");
  t.match(position, { changeset: 3 }, "the next changeset goes on from there");
});

t.test("a rebuild keeps what identifies users, for logins to come", async (t) => {
  const district = await eagerDistrict(t);
  const { sql } = district.system;
  await deliverThrough(district, written(district, small));
  const count = async (): Promise<number> => (await sql("identifier_holders").where({ district: district.id })).length;
  const kept = await count();
  t.ok(kept > 0);
  await sql("identifier_holders").delete();
  await rebuild(district.system, district.id, dry);
  t.equal(await count(), 0, "not where one only looks");
  await rebuild(district.system, district.id, now);
  t.equal(await count(), kept);
});

t.test("a rebuild mends what is wrong, and a dry run only says so", async (t) => {
  const district = await eagerDistrict(t);
  const { sql } = district.system;
  await deliverThrough(district, written(district, small));
  const healthy = await contents(district);
  await sql("roster_enrollments").where({ sourced_id: "art-s1" }).delete();
  await sql("roster_users").where({ sourced_id: "s2" }).update({ family_name: "Wrong" });
  const [user] = await sql("roster_users").where({ sourced_id: "s3" });
  await sql("roster_users").insert({ ...user, user_ids: "[]", sourced_id: "ghost" });
  const broken = await contents(district);
  const differences = [
    { type: "user", onlyLive: 1, onlyTopic: 0, differing: 1 },
    { type: "enrollment", onlyLive: 0, onlyTopic: 1, differing: 0 },
  ];
  const end = await endOf(district);
  t.same(await rebuild(district.system, district.id, dry), { changeset: 1, differences, published: 0, withdrawn: 0 });
  t.same([await contents(district), await endOf(district)], [broken, end], "nothing was touched");
  t.match(await rebuild(district.system, district.id, now), { differences });
  t.same(await contents(district), healthy);
  t.equal(await endOf(district), end, "what was never published wrong is not published again");
  t.match(await rebuild(district.system, district.id, now), { differences: [] });
});

t.test("what teachers see wrongly is published right, and persons keep their ids", async (t) => {
  const district = await eagerDistrict(t);
  const { sql } = district.system;
  await deliverThrough(district, written(district, small));
  const persons = await sql("person_users").orderBy("sourced_id");
  await sql("roster_users").where({ sourced_id: "t1" }).delete();
  await sql("roster_positions").update({ as_of: "2025-01-01" });
  await workThrough(district.system);
  t.same(await shown(district), ["Music t2: s3"]);
  t.match(await rebuild(district.system, district.id, now), { published: 1, withdrawn: 0 });
  t.same(await shown(district), ["Art t1: s1 s2", "Music t2: s3"]);
  t.same(await sql("person_users").orderBy("sourced_id"), persons);
});

t.test("another district does not notice", async (t) => {
  const district = await eagerDistrict(t);
  const other = await district.neighbour("shelbyville");
  await deliverThrough(district, written(district, small));
  await deliverThrough(other, written(other, small));
  const before = await contents(other);
  await district.system.sql("roster_enrollments").delete();
  t.match(await rebuild(district.system, district.id, now), {
    differences: [{ type: "enrollment", onlyTopic: 5 }],
  });
  t.same(
    await contents(other),
    before.filter((row) => !row.includes("class_id") || row.includes("hash")),
    "its own damage stays its own",
  );
});

t.test("a topic that was compacted gives the same tables", async (t) => {
  const district = await eagerDistrict(t);
  let last = "";
  for (const night of [1, 2, 3]) {
    last = (await district.sample({ students, night })).directory;
    await deliverThrough(district, last);
  }
  const before = await contents(district);
  const { dropped } = await compact(district.system.database, districtTopic("roster", district.id), everything);
  t.ok(dropped > 20);
  t.match(await rebuild(district.system, district.id, now), { changeset: 3, differences: [] });
  await district.system.sql("roster_users").delete();
  await district.system.sql("roster_enrollments").delete();
  await rebuild(district.system, district.id, now);
  t.same(await contents(district), before);
});

t.test(
  "a key that was created, deleted and created again is there, and one that was deleted last is not",
  async (t) => {
    const district = await eagerDistrict(t);
    const without = changed(small, { "enrollments art-s2": null });
    const last = changed(small, { "enrollments music-s3": null });
    for (const set of [small, without, last]) await deliverAlone(district, written(district, set));
    await rebuild(district.system, district.id, now);
    t.same(await shown(district), ["Art t1: s1 s2", "Music t2: "]);
    await workThrough(district.system);
    t.same(await district.system.inbox.waitingDistricts("rosters"), [], "what the rebuild held is only finished");
    t.same(await shown(district), ["Art t1: s1 s2", "Music t2: "]);
  },
);

t.test(
  "changesets older than the compaction's lag, or with a gap before them, are rebuilt instead of applied",
  async (t) => {
    for (const spoil of ["age", "gap", "expired"] as const) {
      const district = await eagerDistrict(t);
      const { system } = district;
      const { sql } = system;
      await deliverThrough(district, (await district.sample({ students })).directory);
      const last = (await district.sample({ students, night: 3 })).directory;
      for (const directory of [(await district.sample({ students, night: 2 })).directory, last])
        await deliverAlone(district, directory);
      await compact(system.database, districtTopic("roster", district.id), everything);
      await system.inbox.pump({ consumer: "rosters", topics: [controlTopics.changesets.name] });
      if (spoil === "age") await sql("work").update({ appended_at: new Date(0) });
      const [first] = await sql("work").where({ consumer: "rosters", state: "waiting" }).orderBy("id").select("id");
      if (spoil === "gap") await sql("work").where({ id: first?.id }).delete();
      if (spoil === "expired") await sql("roster_positions").update({ generation: "another" });
      await workThrough(system);
      await checkRosters(t, district, last, spoil);
      t.match(system.logged(), /rebuilding the rosters from the topic/u, spoil);
      t.same(await sql("work").where({ consumer: "rosters" }).whereNot({ state: "done" }), []);
    }
  },
);

t.test("a rebuild waits its turn, and says so when it does not come", async (t) => {
  const district = await eagerDistrict(t);
  await deliverThrough(district, written(district, small));
  const held = await holdRosters(district.system.sql, district.id);
  await t.rejects(rebuild(district.system, district.id, { ...now, patienceMs: 150 }), { code: "rosters.busy" });
  const waiting = rebuild(district.system, district.id, { ...now, patienceMs: 20_000 });
  await held?.release();
  t.match(await waiting, { changeset: 1 });
});

t.test("a district without a changeset has nothing to rebuild", async (t) => {
  const district = await eagerDistrict(t);
  await t.rejects(rebuild(district.system, district.id, now), { code: "log.unknown-topic" });
});
