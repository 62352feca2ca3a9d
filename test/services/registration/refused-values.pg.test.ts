// Values that PostgreSQL does not take: each is dropped, and says nothing of itself.

import t from "tap";

import { topicRecords } from "../../support/pipeline.ts";
import { loginState, putLicense, settleRegistration, signIn } from "../../support/people.ts";
import { freshPeople, putTeacher, school } from "../../support/roster-rows.ts";
import { addDistrict } from "../../support/system.ts";

void t.test("a value that the tables do not take is dropped with a notice, and nobody else waits", async (t) => {
  const system = await freshPeople(t);
  await addDistrict(system, "elm");
  await putTeacher(system, "oak", { id: "t1", email: "t1@oak.example" });
  await signIn(system, { district: "elm", subject: "s", email: "secret\0@elm.example" });
  await signIn(system, { district: "elm\0secret", subject: "s" });
  await putLicense(system, { license: "l1", orgs: [school], validFrom: "secret" });
  await putLicense(system, { license: "l2\0secret", orgs: [school] });
  await putLicense(system, { license: "l3", orgs: [school] });
  const login = await signIn(system, { district: "oak", subject: "s", email: "t1@oak.example" });
  await settleRegistration(system);
  t.match(await loginState(system, login), { state: "active" });
  const stopped: readonly { readonly district: string | null; readonly reason: string }[] = await system
    .sql("work")
    .where({ state: "stopped" })
    .orderBy("district")
    .select("district", "reason");
  t.same(
    stopped.map(({ district }) => district),
    [null, null],
    "only what a key cannot be read of",
  );
  const notices = (await topicRecords(system, "notices")).map(({ key }) => key);
  t.ok(notices.includes(JSON.stringify(["elm", "fact.unappliable"])), "a login is dropped, and that is said");
  t.ok(notices.includes(JSON.stringify(["l1", "fact.unappliable"])), "and so is a license");
  t.notMatch(JSON.stringify(stopped) + system.logged(), /secret/u);
});
