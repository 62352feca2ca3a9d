// What the services need when nothing happens: memory and processor time of each process of the local stack, with 500
// districts, as `make up` starts them.
// It keeps true that the districts have their topics, some of them a roster, and that what is measured is the same with
// one district: so it shows what grows with their number.
//
//   BENCH_DISTRICTS  districts, 500 unless given
//   BENCH_DELIVERED  how many of them have delivered, 20 unless given
//   BENCH_IDLE_S     seconds of idling that are measured, 60 unless given
//   BENCH_FOLDER     where the temporary folder is made

import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";

import { outcomeOf } from "../libs/cli/outcome.ts";
import { settingsFromEnv } from "../libs/cli/system.ts";
import { defaultPolicy } from "../libs/domain/policy.ts";
import { deliver } from "../libs/ingest/deliver.ts";
import { processEnv } from "../libs/runtime/env.ts";
import { writeSample } from "../libs/sample/sample.ts";
import { stackObstacle } from "../libs/stack/artifacts.ts";
import { LocalStack, type RunningStack } from "../libs/stack/stack.ts";
import { countFromEnv, inFolder, machine, namesOf, optionsFromEnv, say, withSystem } from "./ground.ts";
import { markdown, report } from "./table.ts";

const settleMs = 15_000;
const ticksPerSecond = 100;

type Options = { readonly districts: number; readonly delivered: number; readonly idleMs: number };
/** Percent of one core, megabytes; of the process and those it started. */
type Usage = { readonly name: string; readonly cpu: number; readonly mb: number };
type Idle = { readonly parts: readonly Usage[]; readonly transactions: number };

async function main(): Promise<void> {
  const { parent } = optionsFromEnv();
  const options = {
    districts: countFromEnv("BENCH_DISTRICTS", 500),
    delivered: countFromEnv("BENCH_DELIVERED", 20),
    idleMs: 1000 * countFromEnv("BENCH_IDLE_S", 60),
  };
  const obstacle = stackObstacle();
  if (obstacle !== null) return say(`the figures of idle services are left out: ${obstacle}`);
  await inFolder(parent, async (folder) => {
    const stack = new LocalStack(join(folder, "data"));
    try {
      const running = await stack.up(() => Promise.resolve());
      const set = join(folder, "set");
      await mkdir(set);
      await writeSample({ directory: set, ledger: join(folder, "expected.jsonl"), students: 100 });
      await addDistricts(running, { set, from: 0, to: 1, delivered: 1 });
      const one = await idle(await stack.up(() => Promise.resolve()), options);
      await addDistricts(running, { set, from: 1, to: options.districts, delivered: options.delivered });
      // Applies the topics of the districts that came meanwhile.
      const many = await idle(await stack.up(() => Promise.resolve()), options);
      await tell(options, one, many);
    } finally {
      await stack.reset();
    }
  });
}

/** Adds districts by number; those below `delivered` deliver the set once, and their changeset is waited for. */
async function addDistricts(
  { variables }: RunningStack,
  about: { readonly set: string; readonly from: number; readonly to: number; readonly delivered: number },
): Promise<void> {
  const { set, from, to, delivered } = about;
  say(`adding districts up to ${to}`);
  await withSystem(settingsFromEnv({ ...processEnv(), ...variables }), async (system) => {
    for (let number = from; number < to; number++) {
      const { district, source } = namesOf(`bench-${number}`);
      const policy = JSON.stringify(defaultPolicy);
      await system.sql("districts").insert({ id: district, name: "Bench", state: "released", policy });
      if (number >= delivered) continue;
      const { signal } = new AbortController();
      const { id } = await deliver(system, { district, source, path: set, signal });
      await outcomeOf(system, { district, delivery: id });
    }
  });
}

async function idle({ parts, variables }: RunningStack, { idleMs }: Options): Promise<Idle> {
  await sleep(settleMs);
  say(`idling for ${idleMs / 1000} s`);
  const [before, transactionsBefore] = [parts.map(({ pid }) => usedTicks(pid)), await transactions(variables)];
  await sleep(idleMs);
  const transactionsAfter = await transactions(variables);
  return {
    parts: parts.map(({ name, pid }, index) => {
      const ticks = usedTicks(pid) - (before[index] ?? 0);
      return { name, cpu: (100 * 1000 * ticks) / ticksPerSecond / idleMs, mb: residentMb(pid) };
    }),
    transactions: (1000 * (transactionsAfter - transactionsBefore)) / idleMs,
  };
}

async function transactions(variables: RunningStack["variables"]): Promise<number> {
  const client = new pg.Client({ connectionString: variables["DATABASE_URL"] ?? "" });
  await client.connect();
  const { rows } = await client.query<{ readonly count: string }>(
    "select xact_commit + xact_rollback as count from pg_stat_database where datname = current_database()",
  );
  await client.end();
  return Number(rows[0]?.count ?? 0);
}

/** The process and all that it started. */
function family(pid: number): readonly number[] {
  const children = readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .filter((name) => Number(statOf(Number(name))[1]) === pid)
    .map(Number);
  return [pid, ...children];
}

/** What follows the name in /proc/<pid>/stat: state, parent, ... ; nothing when it is gone. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** utime and stime, with those of children that were waited for. */
function usedTicks(pid: number): number {
  const own = (each: number): number =>
    statOf(each)
      .slice(11, each === pid ? 15 : 13)
      .reduce((sum, ticks) => sum + Number(ticks), 0);
  return family(pid).reduce((sum, each) => sum + own(each), 0);
}

/** Pss, so that what processes share counts once; the resident set where the system does not tell it. */
function residentMb(pid: number): number {
  const kilobytes = family(pid).map((each) => {
    try {
      return Number(/^Pss:\s+(\d+)/mu.exec(readFileSync(`/proc/${each}/smaps_rollup`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  });
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

async function tell({ districts, delivered, idleMs }: Options, one: Idle, many: Idle): Promise<void> {
  const header = [
    "process",
    "MB, 1 district",
    `MB, ${districts}`,
    "% of a core, 1 district",
    `% of a core, ${districts}`,
  ];
  const rows = one.parts.map(({ name, cpu, mb }, index) => {
    const later = many.parts[index];
    return [name, Math.round(mb), Math.round(later?.mb ?? 0), cpu.toFixed(1), (later?.cpu ?? 0).toFixed(1)];
  });
  const asked = [one, many].map(({ transactions: count }) => count.toFixed(0)).join(" and ");
  const title =
    `Idle for ${idleMs / 1000} s, ${districts} districts of which ${delivered} have delivered; ` +
    `PostgreSQL transactions a second: ${asked}; ${machine()}`;
  await report({ name: "idle", title, table: markdown(header, rows), figures: { one, many } });
}

if (import.meta.main) await main();
