// Two nights of a sample district through every stage, on both logs.
// It keeps true that all ratios come from one run on one machine: the yardsticks (fast-csv alone, COPY into the same
// server) are measured before and after each round, the logs take turns, medians count; and that what is measured did
// its work: the changesets are compared with the ledger of the sample.
//
//   BENCH_STUDENTS  students of the district, 20,000 unless given (the README: 200,000)
//   BENCH_ROUNDS    how often each stage is measured, 3 unless given
//   BENCH_PROFILE   folder for CPU profiles of the stages
//   BENCH_FOLDER    where the temporary folder is made

import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { type SampleReport, writeSample } from "../libs/sample/sample.ts";
import { countFromEnv, type Ground, machine, onGround, type Options, optionsFromEnv, say, type Way } from "./ground.ts";
import type { Measured, StageInput, StageName } from "./stages.ts";
import { type Cell, markdown, median, ratio, report } from "./table.ts";

type Figures = Measured & { readonly peakMb: number };
type Night = { readonly set: string; readonly number: 1 | 2; readonly report: SampleReport };
type Sized = Options & { readonly students: number };
type Nights = readonly [Night, Night];
type Run = (
  stage: StageName,
  about: { readonly night: Night; readonly way: Way; readonly district: string },
) => Promise<Figures>;

/** What was measured of one stage, once a round. */
type Line = {
  readonly stage: string;
  readonly log: Way["log"] | null;
  readonly rows: number;
  readonly runs: Figures[];
};

async function main(): Promise<void> {
  const options = { ...optionsFromEnv(), students: countFromEnv("BENCH_STUDENTS", 20_000) };
  await onGround(options.parent, async (ground) => {
    say(`writing two nights of ${options.students} students`);
    const nights: Nights = [await writeNight(ground, options, 1), await writeNight(ground, options, 2)];
    const run: Run = (stage, { night, way, district }) =>
      runChild({ stage, set: night.set, settings: way.settings, district }, options.profile);
    await tell(options, await measure(run, { ground, nights, rounds: options.rounds }));
  });
}

async function writeNight({ folder }: Ground, { students }: Sized, number: 1 | 2): Promise<Night> {
  const set = join(folder, `night-${number}`);
  await mkdir(set);
  const ledger = join(folder, `expected-${number}.jsonl`);
  return { set, number, report: await writeSample({ directory: set, ledger, students, night: number }) };
}

async function measure(
  run: Run,
  { ground, nights, rounds }: { readonly ground: Ground; readonly nights: Nights; readonly rounds: number },
): Promise<readonly Line[]> {
  const lines = new Map<string, Line>();
  const add = (
    stage: string,
    log: Way["log"] | null,
    { night, figures }: { readonly night: Night; readonly figures: Figures },
  ): void => {
    const name = `${stage} ${log ?? ""}`;
    const line = lines.get(name) ?? { stage, log, rows: night.report.rows, runs: [] };
    line.runs.push(figures);
    lines.set(name, line);
  };
  const [one] = nights;
  const ways = ground.kafka === null ? [ground.postgres] : [ground.postgres, ground.kafka];
  const yardsticks = async (): Promise<void> => {
    const about = { night: one, way: ground.postgres, district: "" };
    for (const stage of ["fast-csv", "copy", "validate"] as const)
      add(stage, null, { night: one, figures: await run(stage, about) });
  };
  await yardsticks();
  for (let round = 1; round <= rounds; round++) {
    for (const stages of [["ingest", "diff"], ["whole"]] as const)
      for (const night of nights)
        for (const stage of stages)
          for (const way of round % 2 === 0 ? ways.toReversed() : ways) {
            const figures = await run(stage, { night, way, district: `${stages.join("-")}-${round}` });
            if (figures.counts !== null) compareWithLedger(figures, night);
            add(`${stageWords[stage]}, night ${night.number}`, way.log, { night, figures });
          }
    await yardsticks();
  }
  return [...lines.values()];
}

const stageWords = { ingest: "ingest", diff: "diff", whole: "end to end" } as const;

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

async function tell(options: Sized, lines: readonly Line[]): Promise<void> {
  const size = `${options.students.toLocaleString("en")} students, medians of ${options.rounds}; ${machine()}`;
  const figures = lines.map(({ stage, log, rows, runs }) => ({ ...typical(runs), stage, log, rows }));
  await report({ name: "stages", title: `Two nights: ${size}`, table: againstYardsticks(lines), figures });
  const table = againstEachOther(lines);
  if (table !== null) await report({ name: "logs", title: `The same on both logs: ${size}`, table, figures });
}

function typical(runs: readonly Figures[]): Figures {
  return median(runs, ({ seconds }) => seconds);
}

/** How many times the yardsticks' time a row takes, on the log in PostgreSQL. */
function againstYardsticks(lines: readonly Line[]): string {
  const perRow = ({ rows, runs }: Line): number => typical(runs).seconds / rows;
  const [fastCsv, copy] = ["fast-csv", "copy"].map((name) => lines.find(({ stage }) => stage === name));
  if (fastCsv === undefined || copy === undefined) throw new Error("the yardsticks were not measured");
  return markdown(
    ["stage", "rows", "seconds", "cpu s", "rows/s", "peak MB", "time ÷ fast-csv", "time ÷ COPY"],
    lines
      .filter(({ log }) => log !== "Kafka")
      .map((line): readonly Cell[] => {
        const { seconds, cpuSeconds, peakMb } = typical(line.runs);
        const ratios = [ratio(perRow(line), perRow(fastCsv)), ratio(perRow(line), perRow(copy))];
        return [line.stage, line.rows, seconds, cpuSeconds, line.rows / seconds, Math.round(peakMb), ...ratios];
      }),
  );
}

/** @returns null where only one log was there. */
function againstEachOther(lines: readonly Line[]): string | null {
  const rows = lines.flatMap((kafka): (readonly Cell[])[] => {
    const postgres = lines.find(({ stage, log }) => stage === kafka.stage && log === "PostgreSQL");
    if (kafka.log !== "Kafka" || postgres === undefined) return [];
    const [a, b] = [typical(postgres.runs), typical(kafka.runs)];
    const times = [a.seconds, b.seconds, ratio(b.seconds, a.seconds), a.cpuSeconds, b.cpuSeconds];
    return [[kafka.stage, kafka.rows, ...times, Math.round(a.peakMb), Math.round(b.peakMb)]];
  });
  const header = [
    "stage",
    "rows",
    "PostgreSQL s",
    "Kafka s",
    "Kafka ÷ PostgreSQL",
    "cpu s",
    "Kafka cpu s",
    "peak MB",
    "Kafka peak MB",
  ];
  return rows.length === 0 ? null : markdown(header, rows);
}

async function runChild(input: StageInput, profile: string | null): Promise<Figures> {
  const log = input.settings.kafka ? "kafka" : "postgres";
  say(`${input.stage} ${input.district} ${log}`);
  const name = `${input.stage}-${input.set.slice(-1)}-${log}`;
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

if (import.meta.main) await main();
