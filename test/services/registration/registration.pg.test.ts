// Registration on a real PostgreSQL: facts come by their topics, the roster's by its tables.

import t from "tap";

import { topicRecords } from "../../support/pipeline.ts";
import {
  issuer,
  linkTo,
  loginState,
  putAccount,
  putLicense,
  settleRegistration,
  signIn,
} from "../../support/people.ts";
import { freshPeople, putTeacher, school } from "../../support/roster-rows.ts";

t.test("A046 A110 a login without a roster waits, and becomes active by itself", async (t) => {
  const system = await freshPeople(t);
  const login = await signIn(system, { district: "oak", subject: "s1", email: "g@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "waiting", reason: "match.none" });
  await putTeacher(system, "oak", { id: "t1", email: "G@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "inactive", reason: "license.none" });
  await putLicense(system, { license: "l1", orgs: [school.slice(0, 7), school] });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "active", reason: "open" });
  const records = await topicRecords(system, "registrations.oak");
  t.equal(records.length, 1, "one record says it");
  t.match(records[0]?.value, { status: "granted", basis: "license", license: "l1", product: "music" });
  const marks: readonly unknown[] = await system.sql("roster_due").select("person");
  t.equal(marks.length, 1, "the person's roster is to be looked at");
  await putTeacher(system, "oak", { id: "t1", email: "G@oak.example", enabled: false });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "inactive", reason: "user.disabled" });
  t.match((await topicRecords(system, "registrations.oak")).at(-1)?.value, {
    status: "refused",
    reason: "user.disabled",
  });
});

t.test("seats go in the order of commit, and one that is given back goes to who waits", async (t) => {
  const system = await freshPeople(t);
  await putLicense(system, { license: "l1", orgs: [school], seats: 1 });
  const logins: string[] = [];
  for (const id of ["t1", "t2"]) {
    await putTeacher(system, "oak", { id, email: `${id}@oak.example` });
    logins.push(await signIn(system, { district: "oak", subject: id, email: `${id}@oak.example` }));
    await settleRegistration(system);
  }
  const [first = "", second = ""] = logins;
  t.match(
    [await loginState(system, first), await loginState(system, second)],
    [{ state: "active" }, { reason: "seat.none" }],
  );
  await putTeacher(system, "oak", { id: "t1", email: "t1@oak.example", enabled: false });
  await settleRegistration(system);
  t.match(
    [await loginState(system, first), await loginState(system, second)],
    [{ reason: "user.disabled" }, { state: "active" }],
  );
  await putTeacher(system, "oak", { id: "t1", email: "t1@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, first), { reason: "seat.none" });
  await putLicense(system, { license: "l1", orgs: [school], seats: 2 });
  await settleRegistration(system);
  t.match(await loginState(system, first), { state: "active" });
  await putLicense(system, { license: "l1", orgs: [school], seats: 1 });
  await settleRegistration(system);
  t.match(
    [await loginState(system, first), await loginState(system, second)],
    [{ reason: "seat.none" }, { state: "active" }],
    "who came last loses it",
  );
});

t.test("seats of a license that is cut go to nobody until they fit again", async (t) => {
  const system = await freshPeople(t);
  await putLicense(system, { license: "l1", orgs: [school], seats: 3 });
  for (const id of ["t1", "t2", "t3", "t4", "t5"]) {
    await putTeacher(system, "oak", { id, email: `${id}@oak.example` });
    await signIn(system, { district: "oak", subject: id, email: `${id}@oak.example` });
    await settleRegistration(system);
  }
  const before = (await topicRecords(system, "registrations.oak")).length;
  await putLicense(system, { license: "l1", orgs: [school], seats: 1 });
  await settleRegistration(system);
  const after = (await topicRecords(system, "registrations.oak")).slice(before);
  t.equal(after.length, 2, "two lose their seats, and nobody else hears of it");
  t.match(
    after.map(({ value }) => value),
    [
      { status: "refused", reason: "seat.none" },
      { status: "refused", reason: "seat.none" },
    ],
  );
});

t.test("an account of a shared mailbox is offered to nobody", async (t) => {
  const system = await freshPeople(t);
  await putLicense(system, { license: "l1", orgs: [school] });
  for (const id of ["t1", "t2"]) {
    await putTeacher(system, "oak", { id, email: "office@oak.example" });
    await signIn(system, { district: "oak", subject: id, sourcedId: id });
  }
  await putAccount(system, { account: "a1", email: "office@oak.example" });
  await settleRegistration(system);
  const states: readonly unknown[] = await system.sql("logins").select("state");
  t.same(states, [{ state: "active" }, { state: "active" }]);
});

t.test("a record that can never be taken in is dropped with a notice, and nobody else waits for it", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "t1@oak.example" });
  await signIn(system, { district: "oak", subject: "bad", given: "G\u0000" });
  const login = await signIn(system, { district: "oak", subject: "t1", sourcedId: "t1" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { reason: "license.none" });
  t.match((await topicRecords(system, "notices"))[0]?.value, { code: "fact.unappliable", district: "oak" });
});

t.test("A044 a possible account is offered, and linked by proof alone", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "t1@oak.example" });
  await putLicense(system, { license: "l1", orgs: [school] });
  const login = await signIn(system, { district: "oak", subject: "t1", username: "t1" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "active" }, "nobody is in the way");
  await putAccount(system, { account: "a1", email: "T1@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "unlinked", reason: "account.offer" });
  const link = linkTo({ district: "oak", issuer, subject: "t1" });
  await putAccount(system, { account: "a1", email: "T1@oak.example", link, active: false });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "inactive", reason: "account.inactive" });
  await putAccount(system, { account: "a1", email: "T1@oak.example", link });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "active" });
  t.match((await topicRecords(system, "registrations.oak")).at(-1)?.value, {
    basis: "account",
    account: "a1",
    welcome: null,
  });
});

t.test("a login of an issuer that is not the district's, or of no district, opens nothing", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "t1@oak.example" });
  const login = await signIn(system, {
    district: "oak",
    issuer: "https://elsewhere.example",
    subject: "t1",
    sourcedId: "t1",
  });
  await signIn(system, { district: "elm", subject: "t1", sourcedId: "t1" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "inactive", reason: "login.issuer", person: null });
  t.equal((await system.sql("logins").where({ district: "elm" })).length, 0);
  t.equal((await system.sql("work").whereNot({ state: "done" })).length, 0);
});
