// Kills the real command at random moments of three nights, starts it again, and compares what it holds in the end with
// a run that nobody disturbed. `TORTURE=1` tries thirty moments, `SEED=7` other ones.

import t from "tap";

import { Random } from "../support/seeded.ts";
import type { Child } from "../support/child.ts";
import { type FinalState, finalState } from "./final-state.ts";
import { type Moment, momentOf, reached } from "./moments.ts";
import { district, type Step, steps, writeNights } from "./nights.ts";
import { type Killing, orphanLimitMs, SystemUnderKill, temporaryFolder } from "./system-under-kill.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const points = isTorture ? 30 : 3;
const students = 150;
const attemptsMost = 8;
t.setTimeout(isTorture ? 1_800_000 : 120_000);

/** When to kill what. */
type Point = {
  readonly step: number;
  readonly moment: Moment;
  readonly how: Killing;
  /** Whether `rollcall up` does the work, and is what is killed, or the verb does its work itself. */
  readonly isUp: boolean;
};

type Undisturbed = { readonly state: FinalState; readonly stepMs: readonly number[] };

void t.test(
  "I7 A changeset that was begun is finished under its number and deletes no more than its row allows, whenever the process is killed",
  { timeout: isTorture ? 1_800_000 : 120_000 },
  async (t) => {
    const plan = steps(await writeNights(temporaryFolder(t), students));
    const undisturbed = await runUndisturbed(t, plan);
    t.strictSame(undisturbed.state.unfinished, []);
    t.ok(undisturbed.state.changesets.length >= 5, "every step publishes something");
    const random = new Random(seed, points);
    for (let n = 0; n < points; n++) {
      const point = pointOf(random, n, plan.length);
      const name = `SEED=${seed} point ${n + 1}: ${plan[point.step]?.name ?? ""}, ${JSON.stringify(point.moment)}`;
      await t.test(`${name}, ${point.how}${point.isUp ? " of up" : ""}`, async (t) => {
        const { state, found } = await runKilled(t, { plan, point, stepMs: undisturbed.stepMs });
        t.comment(`found after the kill: ${found}`);
        for (const part of Object.keys(state)) same(t, part, state, undisturbed.state);
      });
    }
  },
);

void t.test("rollcall up that is killed leaves no server behind", async (t) => {
  const system = new SystemUnderKill(t);
  const up = system.start("up");
  await up.said("rollcall is up");
  const server = system.serverProcesses();
  t.ok(server.length > 0, "a server runs");
  await system.kill(up, "process");
  t.ok(await system.serverEnds(2000, server), "all its processes are gone within two seconds");
});

function pointOf(random: Random, n: number, stepCount: number): Point {
  const moment = momentOf(random, n);
  // Only the first night writes more than one append.
  const step = moment.at === "writing" ? 0 : random.below(moment.at === "received" ? 3 : stepCount);
  return { step, moment, how: random.chance(0.3) ? "power" : "process", isUp: random.chance(0.5) };
}

type Test = Pick<typeof t, "ok" | "equal" | "teardown">;

function same(t: Test, part: string, state: FinalState, undisturbed: FinalState): void {
  const [found, wanted] = [new Map(Object.entries(state)).get(part), new Map(Object.entries(undisturbed)).get(part)];
  const isSame = JSON.stringify(found) === JSON.stringify(wanted);
  t.ok(isSame, part, isSame ? {} : { differences: differences(found, wanted) });
}

/** Up to ten places where two values differ. */
function differences(found: unknown, wanted: unknown): readonly string[] {
  const [a, b] = [entriesOf(found), entriesOf(wanted)];
  const keys = [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
  return keys.slice(0, 10).map((key) => `${key}: found ${a.get(key)}, undisturbed ${b.get(key)}`);
}

function entriesOf(value: unknown): ReadonlyMap<string, string> {
  if (typeof value !== "object" || value === null) return new Map([["", JSON.stringify(value)]]);
  return new Map(Object.entries(value).map(([key, each]) => [key, JSON.stringify(each).slice(0, 300)]));
}

async function runUndisturbed(t: Test, plan: readonly Step[]): Promise<Undisturbed> {
  const system = new SystemUnderKill(t);
  await system.run("district", "add", district);
  const stepMs: number[] = [];
  for (const step of plan) {
    const startedAt = performance.now();
    await succeed(system, step);
    stepMs.push(performance.now() - startedAt);
  }
  return { state: await finalState(system.dataDir, district), stepMs };
}

/** Does a step until it is done. */
async function succeed(system: SystemUnderKill, step: Step): Promise<void> {
  let last = "";
  for (let attempt = 0; attempt < attemptsMost; attempt++) {
    const command = await step.command(system);
    if (command === null) return;
    const { code, stdout, stderr } = await system.run(...command);
    if (code === 0) return;
    last = `exit ${code ?? "by a signal"}\n${stdout}\n${stderr}`;
  }
  throw new Error(`${step.name} does not succeed: ${last}`);
}

async function runKilled(
  t: Test,
  about: { readonly plan: readonly Step[]; readonly point: Point; readonly stepMs: readonly number[] },
): Promise<{ readonly state: FinalState; readonly found: string }> {
  const { plan, point, stepMs } = about;
  const system = new SystemUnderKill(t);
  await system.run("district", "add", district);
  let up = point.isUp ? await startUp(system) : null;
  let found = "";
  for (const [index, step] of plan.entries()) {
    if (index === point.step) {
      const command = await step.command(system);
      if (command !== null) {
        await killWithin(system, { command, up, point, stepMs: stepMs[index] ?? 0 });
        t.ok(await system.serverEnds(orphanLimitMs), "no server is left behind");
        found = (await finalState(system.dataDir, district)).unfinished.join(", ");
        if (up !== null) up = await startUp(system);
      }
    }
    await succeed(system, step);
  }
  if (up !== null) {
    up.kill("SIGTERM");
    const { code, stderr } = await system.end(up, "up");
    t.equal(code, 0, `up stops gracefully ${stderr}`);
  }
  return { state: await finalState(system.dataDir, district), found };
}

async function startUp(system: SystemUnderKill): Promise<Child> {
  const up = system.start("up");
  await up.said("rollcall is up");
  return up;
}

/** Starts a command and kills it, or the `up` that works for it, at a moment; it has ended when this resolves. */
async function killWithin(
  system: SystemUnderKill,
  about: {
    readonly command: readonly string[];
    readonly up: Child | null;
    readonly point: Point;
    readonly stepMs: number;
  },
): Promise<void> {
  const { up, point, stepMs } = about;
  const verb = system.start(...about.command);
  const ended = new AbortController();
  const { signal } = ended;
  void verb.ended.then(() => ended.abort());
  await reached(point.moment, { dataDir: system.dataDir, stepMs, signal });
  await system.kill(up ?? verb, point.how);
  await system.end(verb, about.command.join(" "));
}
