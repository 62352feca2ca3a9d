// A district of its own for people in a test, of which many share one database: its address domain, its NCES ids, and the
// ids of its licenses and accounts are nobody else's.

import { join } from "node:path";

import type { System } from "../../libs/cli/system.ts";
import { outcomeOf } from "../../libs/cli/outcome.ts";
import { type DistrictId, parseSourceId } from "../../libs/domain/ids.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { runDiff } from "../../services/diff/service.ts";
import { runRegistration } from "../../services/registration/service.ts";
import { runRosters } from "../../services/rosters/service.ts";
import { issuer } from "./people.ts";
import { type Place, type Rows, writeSet } from "./people-set.ts";
import { addDistrict, freshSystem, type TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

/** The day on which everything begins: within the school year of the sets, at noon in most of America. */
export const firstDay = Date.UTC(2025, 9, 1, 16);

export type PeopleDistrict = Place & { readonly system: TestSystem; readonly district: DistrictId };

/** A system in which diff works, and rosters and registration when they are told to. */
export async function systemWithDiff(t: Teardown): Promise<TestSystem> {
  const system = { ...(await freshSystem(t)), clock: { now: () => firstDay } };
  const stop = new AbortController();
  const diff = runDiff(system, { pollIntervalMs: 1000, stoppedPauseMs: 1000 }, stop.signal);
  t.teardown(async () => {
    stop.abort();
    await diff;
  });
  return system;
}

/** Rosters and registration at work, until the end of the test. */
export function runPeopleServices(t: Teardown, system: System): void {
  const stop = new AbortController();
  const times = { pollIntervalMs: 1000, stoppedPauseMs: 1000 };
  const running = [runRosters(system, times, stop.signal), runRegistration(system, times, stop.signal)];
  t.teardown(async () => {
    stop.abort();
    await Promise.all(running);
  });
}

let made = 0;

/** A new, released district. */
export async function peopleDistrict(system: TestSystem): Promise<PeopleDistrict> {
  const number = ++made;
  const name = `run-${number}`;
  const domain = `${name}.example`;
  const district = await addDistrict(system, name, peoplePolicy({ domain }));
  await system.sql("districts").where({ id: name }).update({ state: "released" });
  return { system, district, domain, nces: `0${900_000 + number}` };
}

/** Teachers are registered by license, and signed on by `issuer`. */
export function peoplePolicy({ domain }: Pick<Place, "domain">, changes: Partial<Policy> = {}): Policy {
  return {
    ...defaultPolicy,
    features: { autoRegistration: "simple" },
    signOn: { issuers: [issuer], userIdTypes: ["SIS"] },
    emailDomains: [domain],
    timeZone: "UTC",
    ...changes,
  };
}

let sets = 0;

/** Delivers as `rollcall deliver` does, and waits until the changeset is published. @returns the delivery's id. */
export async function deliverRows({ system, district }: PeopleDistrict, rows: Rows): Promise<string> {
  const path = writeSet(join(system.folder, `people-${++sets}`), rows);
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const { signal } = new AbortController();
  const clock = { now: () => firstDay };
  const { id, verdict } = await deliver({ ...system, clock }, { district, source, path, signal });
  if (verdict.outcome === "refused") throw new Error(`the set was refused: ${verdict.refusal ?? ""}`);
  const { outcome, plan, reason } = await outcomeOf(system, { district, delivery: id });
  if (outcome !== "published") throw new Error(`the set was ${outcome}: ${JSON.stringify(plan ?? reason)}`);
  return id;
}
