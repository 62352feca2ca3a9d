// Facts become what their owners would do: a set is delivered and published, a record is appended, a rule is changed.
// Each run has a district, an address domain and NCES ids of its own, so that many runs share one database.

import { join } from "node:path";

import { outcomeOf } from "../../libs/cli/outcome.ts";
import { factChanged, personsOf } from "../../libs/adapters/postgres/people.ts";
import { unreachable } from "../../libs/domain/assert.ts";
import { type DistrictId, parseSourceId } from "../../libs/domain/ids.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
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
import { mailOf, ncesIds, type Place, type Roster, rowsOf, writeSet } from "../support/people-set.ts";
import { addDistrict, type TestSystem } from "../support/system.ts";
import { type Fact, firstDay, type Step } from "./people-scenario.ts";

const dayMs = 86_400_000;

/** A district of one run. Ids of licenses and accounts begin with the district's id. */
export type Run = Place & { readonly system: TestSystem; readonly district: DistrictId };

let runs = 0;

/** Takes the steps in a new district, and settles. Diff must be running beside it. */
export async function runSteps(system: TestSystem, steps: readonly Step[]): Promise<Run> {
  const number = ++runs;
  const name = `run-${number}`;
  const domain = `${name}.example`;
  const district = await addDistrict(system, name, policyOf(domain, {}));
  await system.sql("districts").where({ id: name }).update({ state: "released" });
  let now = firstDay;
  // The days of a run are its own: what is delivered and published does not depend on them.
  const own = { ...system, clock: { now: () => now } };
  const run: Run = { system: own, district, domain, nces: `0${900_000 + number}` };
  for (const { fact, settle } of steps) {
    if (fact.op === "day") now += dayMs;
    else await happen(run, fact);
    if (settle) await settlePeople(own);
  }
  await settlePeople(own);
  return run;
}

/** So that the days of later runs do not concern this one. */
export async function forget({ system, district }: Run): Promise<void> {
  await system.sql("roster_positions").where({ district }).delete();
}

function policyOf(domain: string, changes: Partial<Policy>): Policy {
  return {
    ...defaultPolicy,
    features: { autoRegistration: "simple" },
    signOn: { issuers: [issuer], userIdTypes: ["SIS"] },
    emailDomains: [domain],
    timeZone: "UTC",
    ...changes,
  };
}

async function happen(run: Run, fact: Exclude<Fact, { readonly op: "day" }>): Promise<void> {
  const { system, district } = run;
  const { key } = fact;
  const name = { district, issuer, subject: key, at: firstDay };
  switch (fact.op) {
    case "deliver":
      return deliverRoster(run, fact.roster);
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

async function login(run: Run, subject: string, fact: Extract<Fact, { readonly op: "login" }>): Promise<void> {
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

async function account(run: Run, key: string, fact: Extract<Fact, { readonly op: "account" }>): Promise<void> {
  const { product, mail, subject, active } = fact;
  const link = subject === null ? null : linkTo({ district: run.district, issuer, subject });
  const email = mail === null ? null : mailOf(run, mail);
  await putAccount(run.system, { account: `${run.district}-${key}`, product, email, link, active });
}

/** What the verbs `district set`, `pilot`, `release` and `leave` do. */
async function rules(run: Run, fact: Extract<Fact, { readonly op: "district" }>): Promise<void> {
  const { system, district: id, domain } = run;
  await system.sql.transaction(async (trx) => {
    await factChanged(trx, id);
    const persons = new Set((await personsOf(trx, id, fact.pilot)).values());
    await trx("pilot_teachers").where({ district: id }).delete();
    if (persons.size > 0)
      await trx("pilot_teachers").insert([...persons].map((person) => ({ district: id, person, named_by: "tester" })));
    await trx("districts")
      .where({ id })
      .update({ state: fact.state, policy: JSON.stringify(policyOf(domain, fact.policy)) });
  });
}

let sets = 0;

/** Delivers as `rollcall deliver` does, and waits until the changeset is published. */
export async function deliverRoster(run: Run, roster: Roster): Promise<void> {
  const { system, district } = run;
  const path = writeSet(join(system.folder, `people-${++sets}`), rowsOf(roster, run));
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const { signal } = new AbortController();
  const clock = { now: () => firstDay };
  const { id, verdict } = await deliver({ ...system, clock }, { district, source, path, signal });
  if (verdict.outcome === "refused") throw new Error(`the set was refused: ${verdict.refusal ?? ""}`);
  const { outcome, plan, reason } = await outcomeOf(system, { district, delivery: id });
  if (outcome !== "published") throw new Error(`the set was ${outcome}: ${JSON.stringify(plan ?? reason)}`);
}
