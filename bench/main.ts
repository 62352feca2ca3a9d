// The figures that the README quotes, by one command: two nights of a sample district through every stage.
// It keeps true that all ratios come from one run on one machine: the yardsticks (fast-csv alone, COPY into the same
// server) are measured before, between and after the stages, and their medians count; and that what is measured did its
// work: the changesets are compared with the ledger of the sample.
//
//   BENCH_STUDENTS  students of the district, 20,000 unless given (the README: 200,000)
//   BENCH_PROFILE   folder for CPU profiles of the stages
//   BENCH_FOLDER    where the temporary folder is made

import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";

import { startPostgres } from "../libs/adapters/postgres/embedded.ts";
import { EnvReader, processEnv } from "../libs/runtime/env.ts";
import { type SampleReport, writeSample } from "../libs/sample/sample.ts";
import type { Measured, StageInput, StageName } from "./stages.ts";
import { type Line, median, table } from "./table.ts";

type Options = { readonly students: number; readonly profile: string | null; readonly folder: string };
type Figures = Measured & { readonly peakMb: number };
type Night = { readonly set: string; readonly report: SampleReport };
type Run = (stage: StageName, night: Night, district: string) => Promise<Figures>;

function optionsFromEnv(): Options {
  const env = new EnvReader(processEnv());
  const options = {
    students: env.integer("BENCH_STUDENTS", { fallback: 20_000, min: 100, max: 5_000_000 }),
    profile: env.optional("BENCH_PROFILE"),
    folder: env.text("BENCH_FOLDER", tmpdir()),
  };
  env.finish();
  return options;
}

async function main(): Promise<void> {
  const options = optionsFromEnv();
  const folder = await mkdtemp(join(options.folder, "rollcall-bench-"));
  // Under root the server runs as another user, who must be able to pass.
  await chmod(folder, 0o711);
  try {
    say(`writing two nights of ${options.students} students`);
    const nights = [await writeNight(folder, options, 1), await writeNight(folder, options, 2)] as const;
    const server = await startPostgres({ dataDir: join(folder, "postgres") });
    try {
      const run: Run = (stage, { set }, district) =>
        runChild({ stage, set, district, databaseUrl: server.url, dataDir: folder }, options.profile);
      await report(options, nights, await measure(run, nights));
    } finally {
      await server.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeNight(folder: string, options: Options, night: number): Promise<Night> {
  const set = join(folder, `night-${night}`);
  await mkdir(set);
  const ledger = join(folder, `expected-${night}.jsonl`);
  return { set, report: await writeSample({ directory: set, ledger, students: options.students, night }) };
}

type Results = {
  readonly fastCsv: readonly Figures[];
  readonly copy: readonly Figures[];
  readonly validate: Figures;
  readonly staged: readonly (readonly [string, Figures, Night])[];
};

async function measure(run: Run, [one, two]: readonly [Night, Night]): Promise<Results> {
  const fastCsv: Figures[] = [];
  const copy: Figures[] = [];
  const yardsticks = async (): Promise<void> => {
    fastCsv.push(await run("fast-csv", one, ""));
    copy.push(await run("copy", one, ""));
  };
  await yardsticks();
  const validate = await run("validate", one, "");
  const staged: (readonly [string, Figures, Night])[] = [];
  const stage = async (name: string, which: StageName, night: Night, district: string): Promise<void> => {
    const figures = await run(which, night, district);
    if (figures.counts !== null) compareWithLedger(figures, night);
    staged.push([name, figures, night]);
  };
  await stage("ingest, night 1", "ingest", one, "staged");
  await stage("diff, night 1", "diff", one, "staged");
  await yardsticks();
  await stage("ingest, night 2", "ingest", two, "staged");
  await stage("diff, night 2", "diff", two, "staged");
  await stage("end to end, night 1", "whole", one, "whole");
  await stage("end to end, night 2", "whole", two, "whole");
  await yardsticks();
  return { fastCsv, copy, validate, staged };
}

/** The sample's ledger says what changed; demographics are kept back under the default policy. */
function compareWithLedger({ counts }: Figures, { report: { changes } }: Night): void {
  const ops = ["created", "updated", "deleted"] as const;
  for (const [type, expected] of Object.entries(changes)) {
    if (type === "demographics") continue;
    for (const op of ops) {
      const found = counts?.find((count) => count.type === type && count.op === op)?.count ?? 0;
      if (found !== expected[op])
        throw new Error(`the changeset has ${found} of ${type} ${op}, and the ledger ${expected[op]}`);
    }
  }
}

async function report(options: Options, [one]: readonly [Night, Night], results: Results): Promise<void> {
  const line = (stage: string, { seconds, cpuSeconds, peakMb }: Figures, { report: { rows } }: Night): Line => ({
    stage,
    rows,
    seconds,
    cpuSeconds,
    peakMb,
  });
  const fastCsv = line("fast-csv alone (median of 3)", median(results.fastCsv), one);
  const copy = line("COPY as text (median of 3)", median(results.copy), one);
  const lines = [
    fastCsv,
    copy,
    line("validate", results.validate, one),
    ...results.staged.map(([name, figures, night]) => line(name, figures, night)),
  ];
  const machine = `${availableParallelism()} cores, ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
  console.log(`${options.students.toLocaleString("en")} students; ${machine}\n\n${table(lines, { fastCsv, copy })}`);
  const last = { students: options.students, machine, lines };
  await writeFile(join(import.meta.dirname, "last.json"), `${JSON.stringify(last, null, 2)}\n`);
}

async function runChild(input: StageInput, profile: string | null): Promise<Figures> {
  say(`${input.stage} ${input.district}`);
  const name = `${input.stage}-${input.set.slice(-1)}`;
  const flags =
    profile === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${name}.cpuprofile`];
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, "stage.ts"), JSON.stringify(input)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  if (code !== 0) throw new Error(`the stage ${input.stage} failed`);
  const figures: Figures = JSON.parse(output);
  say(`  ${figures.seconds.toFixed(2)} s, ${figures.peakMb.toFixed(0)} MB`);
  return figures;
}

function say(text: string): void {
  console.error(text);
}

if (import.meta.main) await main();
