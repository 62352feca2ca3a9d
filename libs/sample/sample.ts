// Writes one night of an invented district as a OneRoster CSV set, and beside it the ledger of what changed.
// Keeps true: the same options give the same bytes on every machine; memory does not grow with the district, apart from
// some twelve bytes per student; the ledger comes from the schedule, never from what was written.

import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";

import { columnName, columnsOf } from "../domain/oneroster/description.ts";
import { dataFiles, descriptionOf } from "../domain/oneroster/entities.ts";
import type { EntityType } from "../domain/oneroster/entity-types.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";
import { AppError } from "../errors.ts";
import { csvLine } from "./csv.ts";
import { type District, district } from "./district.ts";
import { enrollments } from "./enrollments.ts";
import { type Step, type Tally, count, isSuspicious, stepOf, writeLedger } from "./ledger.ts";
import { demographics, roles, users } from "./people.ts";
import type { World } from "./presence.ts";
import type { Table } from "./table.ts";
import { academicSessions, classResources, classes, courseResources, courses, orgs, resources } from "./teaching.ts";

export const scenarios = ["normal", "drop", "renamed-ids"] as const;

/**
 * `normal`: small changes. `drop`: besides them all students of one school and four enrollments in ten are missing.
 * `renamed-ids`: besides them every user has another sourcedId, wherever it stands.
 */
export type Scenario = (typeof scenarios)[number];

export type SampleOptions = {
  /** Folder of the set; made if missing. Data files of an earlier set in it are replaced or removed. */
  readonly directory: string;
  /** Path of the ledger; by default `expected.jsonl` in the folder of the set. */
  readonly ledger?: string;
  /** Students on the first night, from 1 to 5,000,000. */
  readonly students: number;
  /** From 1 to 1000; by default 1. Each night changes a little of the one before. */
  readonly night?: number;
  /** Districts of different seeds are different. By default 1. */
  readonly seed?: number;
  readonly version?: Version;
  readonly mode?: "bulk" | "delta";
  /** Whether a bulk set has status and dateLastModified filled, as many exports do against the standard. */
  readonly filled?: boolean;
  readonly name?: string;
  /** Calendar year in which the school year ends; by default 2026. All dates derive from it. */
  readonly schoolYear?: number;
  readonly scenario?: Scenario;
  /** What the night before was, to which the ledger and a delta set compare; by default `normal`. */
  readonly previousScenario?: Scenario;
};

export type SampleReport = {
  readonly directory: string;
  readonly ledger: string;
  /** Data rows of each file that was written, by name without extension. */
  readonly files: Readonly<Record<string, number>>;
  /** Data rows of all files. */
  readonly rows: number;
  /** Per entity type; `suspicious` when its deletes are beyond the default limits. */
  readonly changes: Readonly<Partial<Record<EntityType, Tally & { readonly suspicious: boolean }>>>;
};

type Job = {
  readonly options: Required<SampleOptions>;
  readonly of: District;
  readonly from: World | null;
  readonly to: World;
};

const chunkLength = 256 * 1024;
const dayMs = 86_400_000;

/**
 * Writes the set and its ledger.
 * @throws AppError `usage` when an option is out of range, `sample.io` when the files cannot be written.
 */
export async function writeSample(options: SampleOptions): Promise<SampleReport> {
  const full = withDefaults(options);
  const of = district(full);
  const to = worldOf(full.night, full.scenario);
  const from = full.night === 1 ? null : worldOf(full.night - 1, full.previousScenario);
  try {
    return await write({ options: full, of, from, to });
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("sample.io", { cause, details: { directory: full.directory } });
  }
}

function withDefaults(options: SampleOptions): Required<SampleOptions> {
  const full = {
    ledger: join(options.directory, "expected.jsonl"),
    night: 1,
    seed: 1,
    version: "1.2",
    mode: "bulk",
    filled: false,
    name: "Larkspur Valley Unified School District",
    schoolYear: 2026,
    scenario: "normal",
    previousScenario: "normal",
    ...options,
  } as const;
  within("students", full.students, [1, 5_000_000]);
  within("night", full.night, [1, 1000]);
  within("seed", full.seed, [0, 0xffffffff]);
  within("schoolYear", full.schoolYear, [1990, 2200]);
  return full;
}

function within(option: string, value: number, [least, most]: readonly [number, number]): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new AppError("usage", { message: `${option} must be a whole number from ${least} to ${most}` });
}

function worldOf(night: number, scenario: Scenario): World {
  return { night, dropped: scenario === "drop", renamed: scenario === "renamed-ids" };
}

/** All tables, in dependency order of their types. */
function tablesOf(of: District): readonly Table[] {
  return [
    orgs(of),
    academicSessions(of),
    courses(of),
    classes(of),
    users(of),
    roles(of),
    demographics(of),
    enrollments(of),
    resources(of),
    classResources(of),
    courseResources(of),
  ];
}

async function write(job: Job): Promise<SampleReport> {
  const { options, of, from, to } = job;
  const tables = tablesOf(of);
  await mkdir(options.directory, { recursive: true });
  const files: Record<string, number> = {};
  const changes: Partial<Record<EntityType, Tally & { readonly suspicious: boolean }>> = {};
  for (const table of tables) {
    const name = descriptionOf(table.type).file[options.version];
    const { rows, tally } = await writeTable(job, table, name);
    if (name !== null && rows > 0) files[name] = rows;
    changes[table.type] = { ...tally, suspicious: isSuspicious(tally) };
  }
  const suspicious = new Set(tables.map(({ type }) => type).filter((type) => changes[type]?.suspicious === true));
  const sink = await openSink(options.ledger);
  try {
    for (const table of tables) {
      await writeLedger(table, { from, to, suspicious, write: sink.add, pause: sink.drain });
    }
  } finally {
    await sink.close();
  }
  await writeManifest(options, files);
  const rows = Object.values(files).reduce((sum, each) => sum + each, 0);
  return { directory: options.directory, ledger: options.ledger, files, rows, changes };
}

/** Writes the table's file, if it has one, and counts what changes; a file that would have no row is left out. */
async function writeTable(
  job: Job,
  table: Table,
  name: string | null,
): Promise<{ readonly rows: number; readonly tally: Tally }> {
  const tally: Tally = { published: 0, created: 0, updated: 0, deleted: 0 };
  const path = name === null ? null : join(job.options.directory, `${name}.csv`);
  const sink = path === null ? null : await openSink(path);
  let rows = 0;
  try {
    sink?.add(csvLine(columnsOf(descriptionOf(table.type), job.options.version).map(columnName)));
    for (let slot = 0; slot < table.slots; slot++) {
      const step = stepOf(table, slot, job.from, job.to);
      count(tally, step);
      if (sink === null) continue;
      for (const row of rowsOf(job, table, { slot, step })) {
        sink.add(row);
        rows++;
      }
      if (slot % 1024 === 0) await sink.drain();
    }
  } finally {
    await sink?.close();
  }
  if (path !== null && rows === 0) await rm(path);
  return { rows, tally };
}

function rowsOf(job: Job, table: Table, at: { readonly slot: number; readonly step: Step }): readonly string[] {
  const { options, from, to } = job;
  const { slot, step } = at;
  const alive = step.created ?? step.kept;
  if (options.mode === "bulk") {
    if (alive === null) return [];
    const marks = options.filled ? ["active", timeOf(job, lastChange(table, at, to))] : ["", ""];
    return [csvLine([alive, ...marks, ...table.cells(slot, to)])];
  }
  const rows: string[] = [];
  const now = timeOf(job, to.night);
  if (step.deleted !== null && from !== null) {
    rows.push(csvLine([step.deleted, "tobedeleted", now, ...table.cells(slot, from)]));
  }
  // What was touched without a change goes into a delta too: sources do that, and nothing may come of it.
  if (alive !== null && lastChange(table, at, to) === to.night) {
    rows.push(csvLine([alive, "active", now, ...table.cells(slot, to)]));
  }
  return rows;
}

function lastChange(table: Table, { slot, step }: { readonly slot: number; readonly step: Step }, to: World): number {
  return step.created !== null || step.changed.length > 0 ? to.night : table.lastChange(slot, to.night);
}

const times = new Map<number, string>();

/** The first night is that of 1 September. */
function timeOf(job: Job, night: number): string {
  const at = Date.UTC(job.options.schoolYear - 1, 8, 1, 2, 15) + (night - 1) * dayMs;
  const known = times.get(at);
  if (known !== undefined) return known;
  const text = new Date(at).toISOString();
  times.set(at, text);
  return text;
}

async function writeManifest(options: Required<SampleOptions>, files: Readonly<Record<string, number>>): Promise<void> {
  const names = dataFiles(options.version);
  // Those of the other version too, or a folder that is used again would hold a mixture.
  for (const name of new Set([...dataFiles("1.1"), ...dataFiles("1.2")])) {
    if (files[name] === undefined) await rm(join(options.directory, `${name}.csv`), { force: true });
  }
  const sink = await openSink(join(options.directory, "manifest.csv"));
  try {
    const lines = [
      ["propertyName", "value"],
      ["manifest.version", "1.0"],
      ["oneroster.version", options.version],
      ...names.map((name) => [`file.${name}`, files[name] === undefined ? "absent" : options.mode]),
      ["source.systemName", "Rollcall sample generator"],
      ["source.systemCode", "rollcall-sample"],
    ];
    for (const line of lines) sink.add(csvLine(line));
  } finally {
    await sink.close();
  }
}

type Sink = {
  readonly add: (text: string) => void;
  /** Writes what has gathered if it is enough for a write. */
  readonly drain: () => Promise<void>;
  readonly close: () => Promise<void>;
};

async function openSink(path: string): Promise<Sink> {
  const file = await open(path, "w");
  let text = "";
  const flush = async (): Promise<void> => {
    const chunk = text;
    text = "";
    await file.appendFile(chunk);
  };
  return {
    add: (more) => {
      text += more;
    },
    drain: async () => {
      if (text.length >= chunkLength) await flush();
    },
    close: async () => {
      try {
        await flush();
      } finally {
        await file.close();
      }
    },
  };
}
