// Facts become what their owners would do: a set is delivered and published, a record is appended, a rule is changed.
// Each run has a district, an address domain and NCES ids of its own, so that many runs share one database.

import { factChanged, personsOf } from "../../libs/adapters/postgres/people.ts";
import { unreachable } from "../../libs/domain/assert.ts";
import {
  chooseSchool,
  decideLink,
  issuer,
  linkTo,
  putAccount,
  putLicense,
  settlePeople,
  signIn,
  withdrawLicense,
} from "../support/people.ts";
import {
  deliverRows,
  firstDay,
  peopleDistrict,
  type PeopleDistrict,
  peoplePolicy,
} from "../support/people-district.ts";
import { mailOf, ncesIds, rowsOf } from "../support/people-set.ts";
import type { TestSystem } from "../support/system.ts";
import type { Fact, Step } from "./people-scenario.ts";

const dayMs = 86_400_000;

/** Takes the steps in a new district, and settles. Diff must be running beside it. */
export async function runSteps(system: TestSystem, steps: readonly Step[]): Promise<PeopleDistrict> {
  let now = firstDay;
  // The days of a run are its own: what is delivered and published does not depend on them.
  const run = await peopleDistrict({ ...system, clock: { now: () => now } });
  for (const { fact, settle } of steps) {
    if (fact.op === "day") now += dayMs;
    else await happen(run, fact);
    if (settle) await settlePeople(run.system);
  }
  await settlePeople(run.system);
  return run;
}

/** So that the days of later runs do not concern this one. */
export async function forget({ system, district }: PeopleDistrict): Promise<void> {
  await system.sql("roster_positions").where({ district }).delete();
}

/** One fact happens. */
export async function happen(run: PeopleDistrict, fact: Exclude<Fact, { readonly op: "day" }>): Promise<void> {
  const { system, district } = run;
  const { key } = fact;
  const name = { district, issuer, subject: key, at: firstDay };
  switch (fact.op) {
    case "deliver":
      await deliverRows(run, rowsOf(fact.roster, run));
      return;
    case "login":
      return login(run, key, fact);
    case "school":
      return chooseSchool(system, { ...name, school: ncesIds(run)[fact.school] });
    case "link":
      return decideLink(system, { ...name, verdict: "link", users: fact.users, by: "tester" });
    case "license":
      return putLicense(system, {
        ...fact,
        license: `${district}-${key}`,
        orgs: fact.orgs.map((org) => ncesIds(run)[org]),
      });
    case "no-license":
      return withdrawLicense(system, `${district}-${key}`);
    case "account":
      return account(run, key, fact);
    case "district":
      return rules(run, fact);
    default:
      return unreachable(fact);
  }
}

async function login(
  run: PeopleDistrict,
  subject: string,
  fact: Extract<Fact, { readonly op: "login" }>,
): Promise<void> {
  const { sourcedId, sis, name, mail } = fact.claims;
  await signIn(run.system, {
    district: run.district,
    subject,
    at: fact.at,
    sourcedId,
    userIds: sis === null ? [] : [{ type: "SIS", identifier: `x-${sis}` }],
    username: name === null ? null : `N${name}`,
    email: mail === null ? null : mailOf(run, mail).toUpperCase(),
  });
}

async function account(
  run: PeopleDistrict,
  key: string,
  fact: Extract<Fact, { readonly op: "account" }>,
): Promise<void> {
  const { product, mail, subject, active } = fact;
  const link = subject === null ? null : linkTo({ district: run.district, issuer, subject });
  const email = mail === null ? null : mailOf(run, mail);
  await putAccount(run.system, { account: `${run.district}-${key}`, product, email, link, active });
}

/** What the verbs `district set`, `pilot`, `release` and `leave` do. */
async function rules(run: PeopleDistrict, fact: Extract<Fact, { readonly op: "district" }>): Promise<void> {
  const { system, district: id } = run;
  await system.sql.transaction(async (trx) => {
    await factChanged(trx, id);
    const persons = new Set((await personsOf(trx, id, fact.pilot)).values());
    await trx("pilot_teachers").where({ district: id }).delete();
    if (persons.size > 0)
      await trx("pilot_teachers").insert([...persons].map((person) => ({ district: id, person, named_by: "tester" })));
    await trx("districts")
      .where({ id })
      .update({ state: fact.state, policy: JSON.stringify(peoplePolicy(run, fact.policy)) });
  });
}
