// What is measured, a stage at a time: each runs in a process of its own (stage.ts), so that its peak memory is its own.
// It keeps true that the clock runs over the work alone: the process, the schema and the connections are there before.

import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { parse } from "fast-csv";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

import type { System } from "../libs/cli/system.ts";
import { unreachable } from "../libs/domain/assert.ts";
import type { DistrictId } from "../libs/domain/ids.ts";
import { defaultPolicy } from "../libs/domain/policy.ts";
import { AppError } from "../libs/errors.ts";
import { deliver } from "../libs/ingest/deliver.ts";
import { validatePath } from "../libs/ingest/validate.ts";
import type { Count } from "../libs/records.ts";
import type { Settings } from "../libs/runtime/settings.ts";
import { runDiff } from "../services/diff/service.ts";
import { namesOf, withSystem } from "./ground.ts";

export type StageName = "fast-csv" | "copy" | "validate" | "ingest" | "diff" | "whole";

export type StageInput = {
  readonly stage: StageName;
  /** Folder of the set. */
  readonly set: string;
  /** They say also which log it is. */
  readonly settings: Settings;
  readonly district: string;
};

export type Measured = {
  readonly seconds: number;
  /** Of this process alone, without the server: on a busy machine it says more than the wall clock. */
  readonly cpuSeconds: number;
  /** What a stage can say of its work, for the check that it did it. */
  readonly rows: number | null;
  readonly counts: readonly Count[] | null;
};

type Work = Omit<Measured, "seconds" | "cpuSeconds">;
const nothingToSay: Work = { rows: null, counts: null };

/** Runs a stage. @throws when its work fails or is refused: a figure of half the work is no figure. */
export async function runStage(input: StageInput): Promise<Measured> {
  switch (input.stage) {
    case "fast-csv":
      return timed(() => readWithFastCsv(input.set));
    case "copy":
      return copy(input);
    case "validate":
      return timed(() => validate(input.set));
    case "ingest":
      return onDistrict(input, (system, district) => ingest(system, district, input.set));
    case "diff":
      return onDistrict(input, diff);
    case "whole":
      return onDistrict(input, async (system, district) => {
        await ingest(system, district, input.set);
        return diff(system, district);
      });
    default:
      return unreachable(input.stage);
  }
}

async function timed(work: () => Promise<Work>): Promise<Measured> {
  const start = performance.now();
  const before = process.cpuUsage();
  const said = await work();
  const { user, system } = process.cpuUsage(before);
  return { ...said, seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function csvFiles(set: string): Promise<readonly string[]> {
  const names = await readdir(set);
  return names.filter((name) => name.endsWith(".csv") && name !== "manifest.csv").toSorted();
}

/** The first yardstick: the rows as arrays of text, and nothing done with them. */
async function readWithFastCsv(set: string): Promise<Work> {
  let rows = 0;
  for (const name of await csvFiles(set)) {
    const parser = parse({ headers: false });
    parser.on("data", () => {
      rows++;
    });
    await pipeline(createReadStream(join(set, name)), parser);
    rows--;
  }
  return { ...nothingToSay, rows };
}

/** The second yardstick: the rows as text in tables of the same server, without a write-ahead log, key or check. */
async function copy({ set, settings }: StageInput): Promise<Measured> {
  const client = new pg.Client({ connectionString: settings.databaseUrl ?? "" });
  await client.connect();
  try {
    const names = await csvFiles(set);
    for (const name of names) await makeTable(client, set, name);
    const measured = await timed(async () => {
      let rows = 0;
      for (const name of names) rows += await copyFile(client, set, name);
      return { ...nothingToSay, rows };
    });
    for (const name of names) await client.query(`drop table ${tableOf(name)}`);
    return measured;
  } finally {
    await client.end();
  }
}

function tableOf(file: string): string {
  return pg.escapeIdentifier(`bench_${file.replace(/\.csv$/u, "")}`);
}

async function makeTable(client: pg.Client, set: string, name: string): Promise<void> {
  const columns = await headerOf(join(set, name));
  const list = columns.map((column) => `${pg.escapeIdentifier(column)} text`).join(", ");
  await client.query(`drop table if exists ${tableOf(name)}`);
  await client.query(`create unlogged table ${tableOf(name)} (${list})`);
}

async function headerOf(path: string): Promise<readonly string[]> {
  const reading = createReadStream(path, { end: 65_535 }).pipe(
    parse<string[], string[]>({ headers: false, maxRows: 1 }),
  );
  for await (const row of reading) {
    const cells: readonly unknown[] = Array.isArray(row) ? row : [];
    return cells.map(String);
  }
  throw new Error(`${path} has no header`);
}

async function copyFile(client: pg.Client, set: string, name: string): Promise<number> {
  const stream = client.query(copyFrom(`copy ${tableOf(name)} from stdin (format csv, header true)`));
  await pipeline(createReadStream(join(set, name), { highWaterMark: 256 * 1024 }), stream);
  return stream.rowCount;
}

async function validate(set: string): Promise<Work> {
  const { verdict } = await validatePath(set, defaultPolicy);
  if (verdict.outcome !== "accepted") throw new Error(`the set is refused: ${String(verdict.refusal)}`);
  return {
    ...nothingToSay,
    rows: Object.values(verdict.types).reduce((sum, type) => sum + (type.derived ? 0 : type.rows), 0),
  };
}

async function onDistrict(
  { settings, district: name }: StageInput,
  work: (system: System, district: DistrictId) => Promise<Work>,
): Promise<Measured> {
  const { district } = namesOf(name);
  return withSystem(settings, async (system) => {
    const policy = JSON.stringify(defaultPolicy);
    await system.sql("districts").insert({ id: district, name: "Bench", policy }).onConflict("id").ignore();
    return timed(() => work(system, district));
  });
}

async function ingest(system: System, district: DistrictId, path: string): Promise<Work> {
  const { source } = namesOf("bench");
  const { verdict } = await deliver(system, { district, source, path, signal: new AbortController().signal });
  if (verdict.outcome !== "accepted") throw new Error(`the set is refused: ${String(verdict.refusal)}`);
  return {
    ...nothingToSay,
    rows: Object.values(verdict.types).reduce((sum, type) => sum + (type.derived ? 0 : type.rows), 0),
  };
}

/** Plans and publishes the district's newest delivery; over when its changeset is published. */
async function diff(system: System, district: DistrictId): Promise<Work> {
  const stop = new AbortController();
  const published = publishedCounts(system, district, stop.signal);
  const running = runDiff(system, { pollIntervalMs: 100, stoppedPauseMs: 600_000 }, stop.signal);
  try {
    const counts = await Promise.race([published, running.then(() => ended())]);
    return { ...nothingToSay, counts };
  } finally {
    stop.abort();
    await Promise.allSettled([published, running]);
  }
}

function ended(): never {
  throw new Error("the diff ended before it published");
}

async function publishedCounts(system: System, district: DistrictId, signal: AbortSignal): Promise<readonly Count[]> {
  const newest: { readonly id: string } | undefined = await system
    .sql("deliveries")
    .where({ district, state: "accepted" })
    .orderBy("sequence", "desc")
    .first("id");
  for (;;) {
    const row: { readonly counts: readonly Count[] } | undefined = await system
      .sql("changesets")
      .where({ district, delivery: newest?.id ?? "", state: "published" })
      .first("counts");
    if (row !== undefined) return row.counts;
    const stopped: { readonly reason: string | null } | undefined = await system
      .sql("work")
      .where({ district, state: "stopped" })
      .first("reason");
    if (stopped !== undefined)
      throw new AppError("usage", { message: `the diff stopped: ${stopped.reason ?? "no reason"}` });
    await sleep(50, undefined, { signal });
  }
}
