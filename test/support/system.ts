// The whole system over a database of its own and a landing folder that goes with the test: the same parts that a
// command opens, with a clock that the test sets, and the log lines kept to be looked at.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";

import { pino } from "pino";

import type { Database } from "../../libs/adapters/postgres/database.ts";
import { openSystem, type System } from "../../libs/cli/system.ts";
import { type DistrictId, parseDistrictId } from "../../libs/domain/ids.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { describeError } from "../../libs/runtime/describe-error.ts";
import { parseSecretKey } from "../../libs/adapters/sealed.ts";
import type { Logger } from "../../libs/runtime/logger.ts";
import { freshDatabase } from "./postgres.ts";
import type { Teardown } from "./teardown.ts";

/** The first night of the generated districts, well within their school year whatever today is. */
const firstNight = Date.UTC(2025, 9, 1, 6);
const dayMs = 86_400_000;

/** ROLLCALL_SECRET_KEY of every test, for child processes too. */
export const secretKeyText = "dGhlIGtleSBvZiB0aGUgdGVzdHMsIG9mIDMyIGJ5dGU=";
const secretKey = parseSecretKey(secretKeyText);

export type TestSystem = System & {
  readonly database: Database;
  /** A folder for sets and landing, removed with the test. */
  readonly folder: string;
  /** Everything that was logged, as text. */
  readonly logged: () => string;
  /** Moves the system's clock on. */
  readonly sleepDays: (days: number) => void;
};

/** A system over a fresh database, closed at the end of the test. */
export async function freshSystem(t: Teardown): Promise<TestSystem> {
  const database = await freshDatabase(t);
  const folder = mkdtempSync(join(tmpdir(), "rollcall-pipeline-"));
  const lines: string[] = [];
  const system = await openSystem({ dataDir: folder, databaseUrl: database.url, secretKey }, keepingLogger(lines));
  t.teardown(async () => {
    await system.close();
    rmSync(folder, { recursive: true });
  });
  let now = firstNight;
  return {
    ...system,
    database,
    folder,
    clock: { now: () => now },
    logged: () => lines.join(""),
    sleepDays: (days) => {
      now += days * dayMs;
    },
  };
}

/** The same system as another process would open it: same database, landing and time, connections of its own. */
export async function anotherProcess(t: Teardown, system: TestSystem): Promise<System> {
  const { database, folder, clock, logger } = system;
  const other = await openSystem({ dataDir: folder, databaseUrl: database.url, secretKey }, logger);
  t.teardown(() => other.close());
  return { ...other, clock };
}

/** A logger that differs from the real one only in where its lines go, and in that it drops none. */
function keepingLogger(lines: string[]): Logger {
  const kept = new Writable({
    write: (line: Buffer, _encoding, done) => {
      lines.push(line.toString());
      done();
    },
  });
  return pino({ level: "trace", serializers: { err: (thrown: unknown) => describeError(thrown) } }, kept);
}

/** The id of a district that is known to be well formed. */
export function districtNamed(id: string): DistrictId {
  const district = parseDistrictId(id);
  if (district === null) throw new Error(`${id} is no district id`);
  return district;
}

/** Adds a district whose policy differs from the default as given. */
export async function addDistrict(system: System, id: string, policy: Partial<Policy> = {}): Promise<DistrictId> {
  const district = districtNamed(id);
  await system.sql("districts").insert({ id, name: id, policy: JSON.stringify({ ...defaultPolicy, ...policy }) });
  return district;
}
