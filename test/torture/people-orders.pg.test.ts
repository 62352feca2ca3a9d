// The same facts in every order. `TORTURE=1` tries hundreds of seeds, `SEED=7` one alone. What fails is made smaller, a
// fact at a time, and printed.

import t from "tap";

import { Random } from "../support/seeded.ts";
import { systemWithDiff } from "../support/people-district.ts";
import type { TestSystem } from "../support/system.ts";
import type { Teardown } from "../support/teardown.ts";
import { forget, runSteps } from "./people-run.ts";
import { facts, inReferenceOrder, interleaved, type Step } from "./people-scenario.ts";
import { type PeopleState, peopleState } from "./people-state.ts";

const isTorture = process.env["TORTURE"] === "1";
const one = Number(process.env["SEED"] ?? 0);
const seeds = isTorture ? 300 : 10;
const limitMs = isTorture ? 1_800_000 : 170_000;
const shrinkMs = 90_000;
t.setTimeout(limitMs);

/** A system for many runs, until one of them breaks it. */
class Shared {
  readonly #t: Teardown;
  #system: Promise<TestSystem> | null = null;

  constructor(t: Teardown) {
    this.#t = t;
  }

  get(): Promise<TestSystem> {
    return (this.#system ??= systemWithDiff(this.#t));
  }

  isBroken(): void {
    this.#system = null;
  }
}

void t.test("I12 the same facts in any order end in the same state", { timeout: limitMs }, async (t) => {
  const shared = new Shared(t);
  const told = new Map<string, number>();
  for (let seed = one || 1; seed <= (one || seeds); seed++) {
    const random = new Random(seed, seeds);
    const steps = interleaved(random, facts(random));
    const failure = await differs(shared, steps, told);
    if (failure === null) continue;
    const small = await smaller(shared, steps);
    t.fail(`SEED=${seed}`, { facts: small.steps.map((step) => JSON.stringify(step)), differences: small.failure });
    return;
  }
  for (const what of [...told.keys()].toSorted()) t.comment(`${told.get(what)} logins: ${what}`);
  t.ok(one > 0 || told.size >= 6, "logins end in many ways");
});

/** What differs between the order and the reference order; null when nothing does. */
async function differs(
  shared: Shared,
  steps: readonly Step[],
  told: Map<string, number> = new Map(),
): Promise<readonly string[] | null> {
  try {
    const wanted = await stateAfter(shared, inReferenceOrder(steps));
    const found = await stateAfter(shared, steps);
    for (const [name, line] of Object.entries(wanted)) {
      const [state = ""] = /(?<="told":")[^"]+/u.exec(line) ?? [];
      if (name.startsWith("login")) told.set(state, (told.get(state) ?? 0) + 1);
    }
    const names = [...new Set([...Object.keys(found), ...Object.keys(wanted)])];
    const differences = names.filter((name) => found[name] !== wanted[name]);
    if (differences.length === 0) return null;
    return differences.map((name) => `${name}: found ${found[name]}, in the reference order ${wanted[name]}`);
  } catch (error) {
    shared.isBroken();
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}

async function stateAfter(shared: Shared, steps: readonly Step[]): Promise<PeopleState> {
  const run = await runSteps(await shared.get(), steps);
  const state = await peopleState(run);
  await forget(run);
  return state;
}

type Failing = { readonly steps: readonly Step[]; readonly failure: readonly string[] };

/** Leaves facts out for as long as it still fails. */
async function smaller(shared: Shared, steps: readonly Step[]): Promise<Failing> {
  const deadline = performance.now() + shrinkMs;
  let best: Failing = { steps, failure: (await differs(shared, steps)) ?? ["not again"] };
  for (let index = steps.length - 1; index >= 0 && performance.now() < deadline; index--) {
    const fewer = best.steps.toSpliced(index, 1);
    const failure = await differs(shared, fewer);
    if (failure !== null) best = { steps: fewer, failure };
  }
  return best;
}
