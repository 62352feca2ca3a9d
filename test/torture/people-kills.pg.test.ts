// Kills the process of all services while rosters, logins, licenses and accounts come in, starts it again, and compares
// what became of people with a run that nobody disturbed. `TORTURE=1` tries twenty points, `SEED=7` other ones.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { districtTopic } from "../../libs/topics.ts";
import type { Registration } from "../../libs/records.ts";
import { type Child, start } from "../support/child.ts";
import { firstDay, peopleDistrict, type PeopleDistrict, systemWithDiff } from "../support/people-district.ts";
import { Random } from "../support/seeded.ts";
import { freshSystem, type TestSystem } from "../support/system.ts";
import type { Teardown } from "../support/teardown.ts";
import { happen, runSteps } from "./people-run.ts";
import { facts, type Fact, inReferenceOrder, interleaved } from "./people-scenario.ts";
import { type PeopleState, peopleState } from "./people-state.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const points = isTorture ? 20 : 3;
const killsPerPoint = 3;
const patienceMs = 60_000;
const limitMs = isTorture ? 1_700_000 : 170_000;
t.setTimeout(limitMs);

/** The process of the services, which is started again after each kill. */
class Victim {
  readonly #system: TestSystem;
  #child: Child | null = null;
  kills = 0;

  constructor(t: Teardown, system: TestSystem) {
    this.#system = system;
    t.teardown(() => this.#end());
  }

  /** Kills at some moments of the work and of the seconds after it; it runs again when this resolves. */
  async killWhile(random: Random, work: () => Promise<void>): Promise<void> {
    await this.#start();
    await Promise.all([work(), this.#kill(random)]);
  }

  async #kill(random: Random): Promise<void> {
    for (let kill = 0; kill < killsPerPoint; kill++) {
      await sleep(random.next() * 700);
      await this.#end();
      this.kills++;
      // Nobody waits for the time of a lease whose holder is gone. Sets are delivered by this process, which lives.
      await this.#system.sql("leases").whereRaw("name not like 'entities.%'").update({ expires_at: "-infinity" });
      await this.#start();
    }
  }

  async #start(): Promise<void> {
    if (this.#child !== null) return;
    const { database, folder } = this.#system;
    const script = join(import.meta.dirname, "people-services.ts");
    const child = start([process.execPath, script, folder, database.url, String(firstDay)]);
    this.#child = child;
    await child.said("ready");
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    child.kill("SIGKILL");
    const { signal, stderr } = await child.ended;
    if (signal !== "SIGKILL") throw new Error(`the services ended by themselves: ${stderr}`);
  }
}

void t.test(
  "I16 services that are killed at any point lose nothing and say nothing twice that cannot be recognised",
  { timeout: limitMs },
  async (t) => {
    const undisturbed = await systemWithDiff(t);
    const system = { ...(await freshSystem(t)), clock: { now: () => firstDay } };
    const victim = new Victim(t, system);
    const random = new Random(seed, points);
    for (let point = 1; point <= points; point++) {
      const steps = interleaved(random, facts(random)).filter(({ fact }) => fact.op !== "day");
      const wanted = await peopleState(await runSteps(undisturbed, inReferenceOrder(steps)));
      const run = await peopleDistrict(system);
      await victim.killWhile(random, () =>
        happenAll(
          run,
          steps.map(({ fact }) => fact),
        ),
      );
      const found = await stateInTime(run, wanted);
      t.strictSame(found, wanted, `SEED=${seed}, point ${point}: ${steps.length} facts`);
      t.same(await welcomesTwice(run), [], "nobody is welcomed a second time by another id");
    }
    t.comment(`${victim.kills} kills`);
  },
);

async function happenAll(run: PeopleDistrict, all: readonly Fact[]): Promise<void> {
  for (const fact of all) if (fact.op !== "day") await happen(run, fact);
}

/** The state once it is as wanted, or whatever it is when it has had its time. */
async function stateInTime(run: PeopleDistrict, wanted: PeopleState): Promise<PeopleState | string> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await peopleState(run).catch(String);
    const isSame = JSON.stringify(found) === JSON.stringify(wanted);
    if (isSame || performance.now() > deadline) return found;
    await sleep(100);
  }
}

/** Keys of registrations with more than one welcome. */
async function welcomesTwice({ system, district }: PeopleDistrict): Promise<readonly string[]> {
  const topic = districtTopic("registrations", district);
  const extent = await system.log.extent(topic);
  if (extent === null) return [];
  const welcomes = new Map<string, string>();
  const twice: string[] = [];
  const range = { topic, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of system.log.scan(range)) {
    for (const { key, value } of batch) {
      if (value === null) continue;
      const { welcome }: Registration = system.records.decode("rollcall.registration.Registration", value);
      const name = Buffer.from(key).toString();
      if (welcome !== null && (welcomes.get(name) ?? welcome) !== welcome) twice.push(name);
      if (welcome !== null) welcomes.set(name, welcome);
    }
  }
  return twice;
}
