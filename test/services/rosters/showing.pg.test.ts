// Who sees which class on which day: a district's state, its policy, its days, the grants, and what was not delivered.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { markRosterDue, personsOf } from "../../../libs/adapters/postgres/people.ts";
import { defaultPolicy, type Policy } from "../../../libs/domain/policy.ts";
import type { EventLog } from "../../../libs/ports.ts";
import { controlKey, controlTopics, districtTopic } from "../../../libs/topics.ts";
import { runRosters } from "../../../services/rosters/service.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../../support/pipeline.ts";
import { deliverThrough, endOf, publishedRosters, shown, workThrough } from "./at-work.ts";
import { changed, small, type SmallSet, written } from "./small-set.ts";

const both = ["Art t1: s1 s2", "Music t2: s3"];

async function inState(district: TestDistrict, state: string): Promise<void> {
  await district.system.sql("districts").where({ id: district.id }).update({ state });
  await workThrough(district.system);
}

async function withPolicy(district: TestDistrict, policy: Partial<Policy>): Promise<void> {
  const whole = { ...defaultPolicy, rosters: "eager", ...policy };
  await district.system
    .sql("districts")
    .where({ id: district.id })
    .update({ policy: JSON.stringify(whole) });
  await workThrough(district.system);
}

/** A district that shows all rosters, with a set delivered. */
async function showing(
  t: Parameters<typeof freshDistrict>[0],
  { policy = {}, set = small }: { readonly policy?: Partial<Policy>; readonly set?: SmallSet } = {},
): Promise<TestDistrict> {
  const district = await freshDistrict(t, { rosters: "eager", ...policy });
  await district.system.sql("districts").update({ state: "released" });
  await deliverThrough(district, written(district, set));
  return district;
}

async function personOf({ system, id }: TestDistrict, user: string): Promise<string> {
  const persons = await system.sql.transaction((trx) => personsOf(trx, id, [user]));
  return persons.get(user) ?? "";
}

/** What registration does when a grant changes: the row, the mark and the record, in one transaction. */
async function grant({ system, id }: TestDistrict, person: string, status: string): Promise<void> {
  const row = { district: id, person, product: "music", status, reason: "open", since: new Date(0) };
  await system.log.createTopic(districtTopic("registrations", id));
  await system.log.transaction(async (tx) => {
    await tx.sql("registrations").insert(row).onConflict(["district", "person", "product"]).merge();
    await markRosterDue(tx.sql, id, [person]);
    tx.append(districtTopic("registrations", id), [{ key: controlKey(person, "music"), value: null }]);
  });
}

t.test("A109 a lazy district shows a teacher's classes from the grant until it is taken back", async (t) => {
  const district = await showing(t, { policy: { rosters: "lazy" } });
  t.same(await shown(district), [], "nobody has signed in");
  t.same(await district.system.sql("persons").select("id"), [], "and nobody is made a person");
  const person = await personOf(district, "t1");
  await grant(district, person, "granted");
  await workThrough(district.system);
  t.same(await shown(district), ["Art t1: s1 s2"]);
  t.same([...(await publishedRosters(district.system, district.id)).keys()], [controlKey(person, "art")]);
  await deliverThrough(district, written(district, changed(small, { "enrollments art-s2": null })));
  t.same(await shown(district), ["Art t1: s1"], "the next night changes it");
  await grant(district, person, "refused");
  await workThrough(district.system);
  t.same(await shown(district), []);
  t.same(await district.system.sql("roster_due").select("person"), [], "no mark is left");
});

t.test("a class that no record can hold is left out and said, and takes no other away", async (t) => {
  const district = await showing(t);
  const { sql } = district.system;
  const notices = () => topicRecords(district.system, controlTopics.notices.name);
  t.same(await shown(district), both);
  // As thousands of students would make it.
  await sql("roster_classes")
    .where({ sourced_id: "art" })
    .update({ title: "x".repeat(1_000_000) });
  await deliverThrough(district, written(district, changed(small, { "classes music": { title: "Choir" } })));
  t.same(await shown(district), ["Choir t2: s3"], "what was published of it is true no more");
  t.match((await notices()).at(-1)?.value, { district: district.id, code: "roster.too-large", message: / art$/u });
  t.equal((await notices()).length, 1);
  await sql("roster_classes").where({ sourced_id: "art" }).update({ title: "Art" });
  await deliverThrough(district, written(district, small));
  t.same(await shown(district), both);
  t.equal((await notices()).length, 1);
});

t.test("a mark that is set while a grant is looked at survives", async (t) => {
  const district = await showing(t, { policy: { rosters: "lazy" } });
  const { log } = district.system;
  const person = await personOf(district, "t1");
  await grant(district, person, "granted");
  const left: unknown[] = [];
  const interrupted: EventLog = {
    description: log.description,
    createTopic: (topic) => log.createTopic(topic),
    extent: (topic) => log.extent(topic),
    deleteTopic: (topic) => log.deleteTopic(topic),
    scan: (range) => log.scan(range),
    openWriter: (topic, lease) => log.openWriter(topic, lease),
    waitForAppend: (topics, timeoutMs, signal) => log.waitForAppend(topics, timeoutMs, signal),
    transaction: (work) =>
      log.transaction(async (tx) => {
        // The marks are read by now, and not yet taken.
        if (left.length === 0) await grant(district, person, "refused");
        const result = await work(tx);
        left.push(...(await tx.sql("roster_due").select("mark")));
        return result;
      }),
  };
  await workThrough({ ...district.system, log: interrupted });
  t.same(left, [{ mark: 2 }], "left by the first look, taken by the second");
  t.same(await shown(district), []);
});

t.test("a grant reaches the page within a moment, because the record of it wakes the service", async (t) => {
  const district = await showing(t, { policy: { rosters: "lazy" } });
  const person = await personOf(district, "t1");
  const stop = new AbortController();
  const running = runRosters(district.system, { pollIntervalMs: 60_000, stoppedPauseMs: 1000 }, stop.signal);
  await sleep(200);
  await grant(district, person, "granted");
  const deadline = performance.now() + 10_000;
  while ((await endOf(district)) === 0 && performance.now() < deadline) await sleep(5);
  t.same(await shown(district), ["Art t1: s1 s2"]);
  stop.abort();
  await running;
});

t.test("A002 C032 setup, pilot, released and leaving show nobody's, the named ones', all and nobody's", async (t) => {
  const district = await showing(t);
  const { sql } = district.system;
  t.same(await shown(district), both);
  await inState(district, "setup");
  t.same(await shown(district), []);
  await inState(district, "pilot");
  t.same(await shown(district), [], "nobody is named");
  const person = await personOf(district, "t2");
  await sql("pilot_teachers").insert({ district: district.id, person, named_by: "tester" });
  await workThrough(district.system);
  t.same(await shown(district), ["Music t2: s3"]);
  await sql("pilot_teachers").delete();
  await workThrough(district.system);
  t.same(await shown(district), []);
  await inState(district, "released");
  t.same(await shown(district), both);
  await inState(district, "leaving");
  t.same(await shown(district), []);
  t.same(await sql("teacher_rosters").select("person"), []);
});

t.test("C032 before the start date nothing is shown, and on that day all is, without a delivery", async (t) => {
  const district = await showing(t);
  await withPolicy(district, { startDate: "2025-10-04" });
  t.same(await shown(district), [], "2025-10-02");
  district.system.sleepDays(1);
  await workThrough(district.system);
  t.same(await shown(district), []);
  district.system.sleepDays(1);
  await workThrough(district.system);
  t.same(await shown(district), both);
});

t.test("C050 enrollments begin and end with their days, without a delivery", async (t) => {
  const dated = changed(small, {
    "enrollments art-t1": { endDate: "2025-10-04" },
    "enrollments art-t2": {
      classSourcedId: "art",
      userSourcedId: "t2",
      schoolSourcedId: "school",
      role: "teacher",
      primary: "false",
      beginDate: "2025-10-03",
    },
    "enrollments music-s3": { beginDate: "2025-10-03", endDate: "2025-10-04" },
  });
  const district = await showing(t, { set: dated });
  const days: Record<string, readonly string[]> = {};
  for (const day of ["2025-10-02", "2025-10-03", "2025-10-04"]) {
    days[day] = await shown(district);
    district.system.sleepDays(1);
    await workThrough(district.system);
  }
  t.same(days, {
    "2025-10-02": ["Art t1: s1 s2", "Music t2: "],
    "2025-10-03": ["Art t1: s1 s2", "Art t2: s1 s2 not primary", "Music t2: s3"],
    "2025-10-04": ["Art t2: s1 s2 not primary", "Music t2: "],
  });
  const end = await endOf(district);
  await workThrough(district.system);
  t.equal(await endOf(district), end, "the same day again publishes nothing");
  const due = await district.system.sql("registration_due").where({ district: district.id }).first("mark");
  t.ok(Number(due?.mark) >= 3, "registration is told of each day");
});

t.test("C048 C049 a class comes before its terms begin and is archived after they ended", async (t) => {
  const terms = changed(small, {
    "academicSessions soon": {
      title: "Soon",
      type: "term",
      startDate: "2025-10-17",
      endDate: "2025-12-01",
      schoolYear: "2026",
    },
    "academicSessions past": {
      title: "Past",
      type: "term",
      startDate: "2025-08-18",
      endDate: "2025-09-19",
      schoolYear: "2026",
    },
    "classes art": { termSourcedIds: "soon" },
    "classes music": { termSourcedIds: "past" },
  });
  const district = await showing(t, { set: terms });
  t.same(await shown(district), ["Music t2: s3"]);
  district.system.sleepDays(1);
  await workThrough(district.system);
  t.same(await shown(district), ["Art t1: s1 s2", "Music t2: s3 archived"], "both on 2025-10-03");
  await withPolicy(district, { classWindow: { leadDays: 0, trailDays: 30 } });
  t.same(await shown(district), ["Music t2: s3"], "a change of policy is looked at without a delivery");
});

t.test("C019 only classes of schools in the scope are shown", async (t) => {
  const wider = changed(small, {
    "orgs other": { name: "Elm", type: "school", parentSourcedId: "district" },
    "classes music": { schoolSourcedId: "other" },
  });
  const district = await showing(t, { set: wider });
  const scopes = [["school"], ["other"], ["district"], ["nothing"], []];
  const found: (readonly string[])[] = [];
  for (const orgScope of scopes) {
    await withPolicy(district, { orgScope });
    found.push(await shown(district));
  }
  t.same(found, [["Art t1: s1 s2"], ["Music t2: s3"], both, [], both]);
});

t.test("C018 course, school and terms may be missing; they are left out", async (t) => {
  const district = await showing(t);
  const { sql } = district.system;
  for (const table of ["roster_courses", "roster_orgs", "roster_sessions"]) await sql(table).delete();
  await sql("roster_positions").update({ as_of: "2025-01-01" });
  await workThrough(district.system);
  const [roster] = [...(await publishedRosters(district.system, district.id)).values()];
  t.match(roster, { course: null, school: null, terms: [], state: "current" });
  t.same(await shown(district), both);
});

t.test("A073 two users of one person in a class are one teacher of it", async (t) => {
  const second = changed(small, {
    "enrollments art-t2": {
      classSourcedId: "art",
      userSourcedId: "t2",
      schoolSourcedId: "school",
      role: "teacher",
      primary: "false",
    },
  });
  const district = await showing(t, { set: second });
  t.same(await shown(district), ["Art t1: s1 s2", "Art t2: s1 s2 not primary", "Music t2: s3"]);
  const [one, other] = [await personOf(district, "t1"), await personOf(district, "t2")];
  await district.system.sql("person_users").where({ person: other }).update({ person: one });
  await markRosterDue(district.system.sql, district.id, [one, other]);
  await workThrough(district.system);
  t.same(await shown(district), ["Art t1+t2: s1 s2", "Music t2: s3"]);
  const persons = [...(await publishedRosters(district.system, district.id)).values()].map(({ person }) => person);
  t.same(new Set(persons), new Set([one]));
});

t.test("a disabled teacher sees nothing and a disabled student is not seen", async (t) => {
  const disabled = { enabledUser: "false" };
  const district = await showing(t, { set: changed(small, { "users t2": disabled, "users s1": disabled }) });
  t.same(await shown(district), ["Art t1: s2"]);
});

t.test("a placeholder teacher of 200 classes with 5,000 students has them all", async (t) => {
  const classes = Array.from({ length: 200 }, (_, index) => `c${index}`);
  const many = Array.from({ length: 5000 }, (_, index) => `x${index}`);
  const place = (classId: string, user: string, role: string): Readonly<Record<string, string>> => ({
    sourcedId: `${classId}-${user}`,
    classSourcedId: classId,
    userSourcedId: user,
    schoolSourcedId: "school",
    role,
  });
  const set = {
    ...small,
    classes: classes.map((sourcedId) => ({ ...small["classes"]?.[0], sourcedId, title: sourcedId })),
    users: [
      ...(small["users"] ?? []),
      ...many.map((sourcedId) => ({ ...small["users"]?.[2], sourcedId, username: sourcedId, email: "" })),
    ],
    enrollments: [
      ...classes.map((id) => place(id, "t1", "teacher")),
      ...many.map((user, index) => place(classes[index % 200] ?? "", user, "student")),
    ],
  };
  const district = await showing(t, { set });
  const rosters = [...(await publishedRosters(district.system, district.id)).values()];
  t.equal(rosters.length, 200);
  t.equal(new Set(rosters.flatMap(({ students }) => students.map(({ sourcedId }) => sourcedId))).size, 5000);
});
