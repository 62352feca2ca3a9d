// A login at the same instant as the fact it needs, in two processes whose services run for real. `TORTURE=1` tries five
// hundred instants, `SEED=7` other ones.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import type { System } from "../../libs/cli/system.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { holdRosters } from "../../services/rosters/context.ts";
import { issuer, linkTo, loginState, putAccount, putLicense, signIn } from "../support/people.ts";
import {
  deliverRows,
  peopleDistrict,
  type PeopleDistrict,
  peoplePolicy,
  runPeopleServices,
  systemWithDiff,
} from "../support/people-district.ts";
import { mailOf, ncesIds, type Roster, rowsOf } from "../support/people-set.ts";
import { Random } from "../support/seeded.ts";
import { anotherProcess, type TestSystem } from "../support/system.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const rounds = isTorture ? 500 : 15;
const limitMs = isTorture ? 1_700_000 : 100_000;
/** Far more than it takes, and far less than for ever. */
const patienceMs = 20_000;
/** How far apart the two facts may begin. */
const apartMs = 40;
t.setTimeout(limitMs);

const roster: Roster = {
  teachers: {
    t1: { enabled: true, mail: 1, name: 1, role: "teacher", org: "s1", roleFrom: "", roleTo: "", classes: ["k1"] },
  },
  students: { k1: ["p1"] },
  identifier: "whole",
};

const kinds = ["changeset", "license", "account"] as const;
type Kind = (typeof kinds)[number];

void t.test(
  "I14 a login beside a changeset, a license or an account at the same instant never waits for ever",
  { timeout: limitMs },
  async (t) => {
    const system = await systemWithDiff(t);
    const other = await anotherProcess(t, system);
    for (const each of [system, other]) runPeopleServices(t, each);
    const random = new Random(seed, rounds);
    let longestMs = 0;
    for (let round = 0; round < rounds; round++) {
      const kind = kinds[round % kinds.length] ?? "changeset";
      const run = await peopleDistrict(system);
      const fact = await allBut(run, kind, other);
      const [loginAfterMs, factAfterMs] = [random.next() * apartMs, random.next() * apartMs];
      const [login] = await Promise.all([
        sleep(loginAfterMs).then(() => signIn(other, { district: run.district, subject: "s", email: mailOf(run, 1) })),
        sleep(factAfterMs).then(fact),
      ]);
      const tookMs = await untilShown(run, login);
      if (tookMs === null) {
        const found = await loginState(system, login);
        t.fail(`SEED=${seed}, round ${round}, ${kind}: the login is ${found.state}, ${found.reason}`);
        return;
      }
      longestMs = Math.max(longestMs, tookMs);
    }
    t.pass(`${rounds} teachers saw their class, the last one of them after ${Math.round(longestMs)} ms`);
  },
);

/** Everything that the login needs but one fact, which is brought by calling what is returned. */
async function allBut(run: PeopleDistrict, kind: Kind, other: System): Promise<() => Promise<void>> {
  const { system, district } = run;
  const orgs = Object.values(ncesIds(run));
  const license = (): Promise<void> => putLicense(other, { license: `${district}-l`, orgs });
  if (kind === "changeset") {
    await license();
    return changesetIn(run);
  }
  if (kind === "account") await byAccountAlone(run);
  await deliverRows(run, rowsOf(roster, run));
  const link = linkTo({ district, issuer, subject: "s" });
  const account = (): Promise<void> => putAccount(system, { account: `${district}-a`, link });
  return kind === "license" ? license : account;
}

async function byAccountAlone(run: PeopleDistrict): Promise<void> {
  const policy: Partial<Policy> = { features: { autoRegistration: "off" } };
  await run.system
    .sql("districts")
    .where({ id: run.district })
    .update({ policy: JSON.stringify(peoplePolicy(run, policy)) });
}

/** A changeset that is published and may be applied once what is returned is called. */
async function changesetIn(run: PeopleDistrict): Promise<() => Promise<void>> {
  const held = await holdRosters(run.system.sql, run.district);
  if (held === null) throw new Error("someone works on the rosters");
  await deliverRows(run, rowsOf(roster, run));
  return async () => {
    await held.release();
  };
}

/** @returns after how long the teacher's class was published and the login was active; null when it was not in time. */
async function untilShown({ system, district }: PeopleDistrict, login: string): Promise<number | null> {
  const begin = performance.now();
  while (performance.now() < begin + patienceMs) {
    if (await isShown(system, district, login)) return performance.now() - begin;
    await sleep(20);
  }
  return null;
}

async function isShown({ sql }: TestSystem, district: string, login: string): Promise<boolean> {
  const row: unknown = await sql("logins as l")
    .join("teacher_rosters as r", "r.person", "l.person")
    .where({ "l.id": login, "l.state": "active", "r.district": district, "r.class_id": "k1" })
    .first("l.id");
  return row !== undefined;
}
