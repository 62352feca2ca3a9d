// Whom logins belong to, over the tables: evidence that comes and goes, and what people decide.

import t from "tap";

import { loginId } from "../../../libs/adapters/postgres/people.ts";
import type { System } from "../../../libs/cli/system.ts";
import { controlKey, controlTopics } from "../../../libs/topics.ts";
import { append, issuer, loginState, settleRegistration, signIn } from "../../support/people.ts";
import { freshPeople, peoplePolicy, putTeacher } from "../../support/roster-rows.ts";
import { addDistrict } from "../../support/system.ts";

const name = { district: "oak", issuer, subject: "s1" };

async function decide(system: System, verdict: "link" | "undo", users: readonly string[]): Promise<void> {
  const record = { ...name, verdict, users, person: null, by: "tester", at: system.clock.now() };
  const key = controlKey(name.district, name.issuer, name.subject);
  await append(system, { topic: controlTopics.logins.name, key, name: "rollcall.control.LinkDecision", record });
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
  t.equal(linked.reason, "license.none");
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
  t.ok(rows.every((row) => row.person === person));
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
