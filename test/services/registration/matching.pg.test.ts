// Whom logins belong to, over the tables: evidence that comes and goes, and what people decide.

import t from "tap";

import { loginId } from "../../../libs/adapters/postgres/people.ts";
import type { System } from "../../../libs/cli/system.ts";
import { explain } from "../../../services/registration/explain.ts";
import { decideLink, issuer, loginState, putLicense, settleRegistration, signIn } from "../../support/people.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { freshPeople, peoplePolicy, putTeacher, school } from "../../support/roster-rows.ts";
import { addDistrict } from "../../support/system.ts";

const name = { district: "oak", issuer, subject: "s1" };

async function decide(system: System, verdict: "link" | "undo", users: readonly string[]): Promise<void> {
  await decideLink(system, { ...name, verdict, users, by: "tester", at: system.clock.now() });
  await settleRegistration(system);
}

async function usersOf(system: System, person: string | null): Promise<readonly string[]> {
  const rows: readonly { readonly sourced_id: string }[] = await system
    .sql("person_users")
    .where({ person })
    .orderBy("sourced_id");
  return rows.map((row) => row.sourced_id);
}

t.test("a shared mailbox goes to review, a person decides, and can undo it", async (t) => {
  const system = await freshPeople(t);
  await putLicense(system, { license: "l1", orgs: [school] });
  await putTeacher(system, "oak", { id: "t1", email: "office@oak.example" });
  await putTeacher(system, "oak", { id: "t2", email: "office@oak.example" });
  const login = await signIn(system, { ...name, email: "office@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "review", reason: "match.shared", person: null });
  const [row]: readonly { readonly evidence: unknown }[] = await system.sql("logins").select("evidence");
  t.same(row?.evidence, { candidates: ["user:t1", "user:t2"] }, "the evidence names who is in question");
  await decide(system, "link", ["t2"]);
  const linked = await loginState(system, login);
  t.same(await usersOf(system, linked.person), ["t2"]);
  t.equal(linked.reason, "open");
  t.equal((await system.sql("registrations")).length, 1);
  await decide(system, "undo", []);
  t.match(await loginState(system, login), { state: "review", person: null });
  t.equal((await system.sql("registrations")).length, 0, "what hung on the link is gone with it");
});

t.test("several sourcedIds of one person are one person, and their address is evidence again", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "g@oak.example" });
  await putTeacher(system, "oak", { id: "t2", email: "g@oak.example" });
  const login = await signIn(system, { ...name, email: "g@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { reason: "match.shared" });
  await decide(system, "link", ["t1", "t2"]);
  const { person } = await loginState(system, login);
  t.same(await usersOf(system, person), ["t1", "t2"]);
  const other = await signIn(system, { ...name, subject: "s2", email: "g@oak.example" });
  await settleRegistration(system);
  t.equal((await loginState(system, other)).person, person, "another login of the same address is the same person");
});

t.test("users who were linked apart become one person, and nothing stays with the other", async (t) => {
  const system = await freshPeople(t);
  await putLicense(system, { license: "l1", orgs: [school] });
  await putTeacher(system, "oak", { id: "t1", email: "a@oak.example" });
  await putTeacher(system, "oak", { id: "t2", email: "b@oak.example" });
  const first = await signIn(system, { ...name, sourcedId: "t1" });
  const second = await signIn(system, { ...name, subject: "s2", sourcedId: "t2" });
  await settleRegistration(system);
  t.not((await loginState(system, first)).person, (await loginState(system, second)).person);
  await decide(system, "link", ["t1", "t2"]);
  await settleRegistration(system);
  const { person } = await loginState(system, first);
  t.equal((await loginState(system, second)).person, person);
  const rows: readonly { readonly person: string }[] = await system.sql("registrations").select("person");
  t.same(
    rows.map((row) => row.person),
    [person],
    "one grant for both",
  );
  await decide(system, "link", ["t1"]);
  t.same(await usersOf(system, (await loginState(system, first)).person), ["t1"], "and apart again");
  t.same(await usersOf(system, (await loginState(system, second)).person), ["t2"]);
});

t.test("a link that was undone stays undone, however often and whenever it is said", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "a@oak.example" });
  await putTeacher(system, "oak", { id: "t2", email: "b@oak.example" });
  const login = await signIn(system, { ...name, email: "a@oak.example" });
  await settleRegistration(system);
  const { person } = await loginState(system, login);
  for (const again of [1, 2]) {
    await decide(system, "undo", []);
    t.match(await loginState(system, login), { state: "review", reason: "match.undone" }, `said ${again} times`);
  }
  await signIn(system, { ...name, subject: "s2", sourcedId: "t2" });
  const other = { ...name, subject: "s2", verdict: "link", users: ["t2", "t1"], by: "tester", at: system.clock.now() };
  await decideLink(system, other);
  await settleRegistration(system);
  t.match(await loginState(system, login), { reason: "match.undone" }, "also when the user is another person since");
  t.not(person, null);
});

t.test("what a teacher in review sees is explained by the review", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "office@oak.example" });
  await putTeacher(system, "oak", { id: "t2", email: "office@oak.example" });
  const login = await signIn(system, { ...name, email: "office@oak.example" });
  await settleRegistration(system);
  const explained = await explain(system, { district: "oak", who: "t2" });
  t.match(explained, { reason: "match.shared", person: null, logins: [{ id: login, candidates: ["t1", "t2"] }] });
  t.equal((await topicRecords(system, "notices")).length, 1, "and somebody is asked");
});

t.test("an address that was given to somebody else is no evidence from then on, whichever came first", async (t) => {
  for (const order of ["login first", "roster first"]) {
    const system = await freshPeople(t);
    await putTeacher(system, "oak", { id: "t1", email: "g@oak.example" });
    const enter = (): Promise<string> => signIn(system, { ...name, email: "g@oak.example" });
    const recycle = async (): Promise<void> => {
      await putTeacher(system, "oak", { id: "t1", email: "new@oak.example" });
      await putTeacher(system, "oak", { id: "t2", email: "g@oak.example" });
      await settleRegistration(system);
    };
    if (order === "roster first") await recycle();
    await enter();
    await settleRegistration(system);
    if (order === "login first") await recycle();
    t.match(await loginState(system, loginId(name)), { reason: "match.shared" }, order);
    await signIn(system, { ...name, eventId: "later", email: "new@oak.example" });
    await settleRegistration(system);
    const { person } = await loginState(system, loginId(name));
    t.same(await usersOf(system, person), ["t1"], "the new address says who it is");
  }
});

t.test("an address that only changed still leads to its person", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "maiden@oak.example" });
  await putTeacher(system, "oak", { id: "t1", email: "married@oak.example" });
  const login = await signIn(system, { ...name, email: "maiden@oak.example" });
  await settleRegistration(system);
  t.same(await usersOf(system, (await loginState(system, login)).person), ["t1"]);
});

t.test("the same sourcedId in two districts is two persons", async (t) => {
  const system = await freshPeople(t);
  await addDistrict(system, "elm", peoplePolicy);
  for (const district of ["oak", "elm"]) await putTeacher(system, district, { id: "t1", email: "g@oak.example" });
  const logins: string[] = [];
  for (const district of ["oak", "elm"]) logins.push(await signIn(system, { ...name, district, sourcedId: "t1" }));
  await settleRegistration(system);
  const persons = await Promise.all(logins.map(async (login) => (await loginState(system, login)).person));
  t.equal(new Set(persons).size, 2);
  t.notOk(persons.includes(null));
});

t.test("claims of logins that come in another order end in the same", async (t) => {
  const persons: (readonly string[])[] = [];
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const system = await freshPeople(t);
    await putTeacher(system, "oak", { id: "t1", email: "g@oak.example" });
    const at = system.clock.now();
    const logins = [
      { ...name, eventId: "e0", at, sourcedId: "t1", given: "G" },
      { ...name, eventId: "e1", at: at + 1, given: "H" },
    ];
    for (const index of order) await signIn(system, logins[index] ?? name);
    await settleRegistration(system);
    persons.push(await usersOf(system, (await loginState(system, loginId(name))).person));
    const [row]: readonly unknown[] = await system.sql("logins").select("claims", "event_id");
    t.match(row, { claims: { given: "H", sourcedId: "t1" }, event_id: "e1" });
  }
  t.same(persons, [["t1"], ["t1"]]);
});

t.test("a later login that says less takes nothing away, and a late one that is older changes nothing", async (t) => {
  const system = await freshPeople(t);
  await putTeacher(system, "oak", { id: "t1", email: "g@oak.example" });
  const at = system.clock.now();
  const login = await signIn(system, { ...name, at, sourcedId: "t1" });
  await signIn(system, { ...name, eventId: "e2", at: at + 1000 });
  await signIn(system, { ...name, eventId: "e0", at: at - 1000, sourcedId: "t9" });
  await settleRegistration(system);
  t.same(await usersOf(system, (await loginState(system, login)).person), ["t1"]);
});
