// What a command stands on: the database (the one of DATABASE_URL, or an embedded server of its own), the log, landing,
// and the services that do the work where no `rollcall up` does.

import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { Knex } from "knex";

import { type Database, databaseFailure, migrate, openDatabase } from "../adapters/postgres/database.ts";
import { reachableDataDir } from "../adapters/postgres/embedded-files.ts";
import { type RunningPostgres, startPostgres } from "../adapters/postgres/embedded.ts";
import { type HeldLease, holdLease } from "../adapters/postgres/leases.ts";
import { AppError, isAppError } from "../errors.ts";
import { type Env, EnvReader, processEnv } from "../runtime/env.ts";
import type { Logger } from "../runtime/logger.ts";
import { openPorts, type Ports } from "../runtime/open.ts";
import { readSettings, type Settings } from "../runtime/settings.ts";
import { withStack } from "../stack/environment.ts";

const upLease = "up";
const upLeaseMs = 15_000;
const busyPollMs = 200;
const busyLimitMs = 60_000;

/**
 * @param given in place of the environment of this process.
 * @throws AppError `config.invalid`.
 */
export function settingsFromEnv(given: Env = processEnv()): Settings {
  const env = new EnvReader(withStack(given));
  const settings = readSettings(env);
  env.finish();
  return settings;
}

export type System = Ports & {
  /** Which database this is, in words for an operator. */
  readonly databaseDescription: string;
  /** Whether `rollcall up` runs elsewhere and does the work. */
  readonly isUp: boolean;
  close(): Promise<void>;
};

/**
 * Opens the system, migrated and with its control topics. With an embedded database, one command at a time stands on it
 * unless `rollcall up` runs: its server ends with the command that started it.
 * @throws AppError `database.start`, `database.unreachable`, `data.busy`.
 */
export async function openSystem(settings: Settings, logger: Logger): Promise<System> {
  const deadline = performance.now() + (settings.busyLimitMs ?? busyLimitMs);
  for (;;) {
    const server = settings.databaseUrl === null ? await startServer(settings.dataDir) : null;
    const database = openDatabase(settings.databaseUrl ?? server?.url ?? "");
    try {
      await migrate(database);
      if (server?.owned === true) await endLeases(database);
      const isUp = await isUpRunning(database);
      if (server === null || server.owned || isUp) return await openOn({ settings, database, server, isUp, logger });
    } catch (error) {
      await database.close();
      await server?.stop();
      // The server of a command that is just ending goes with it: the next one is ours.
      const isLeaving = server?.owned === false && isAppError(databaseFailure(error), "database.unreachable");
      if (!isLeaving || performance.now() > deadline) throw openingFailure(error);
    }
    await database.close();
    if (performance.now() > deadline)
      throw new AppError("data.busy", { message: `another command uses ${settings.dataDir}` });
    await sleep(busyPollMs);
  }
}

/** A URL that leads to no server, or to one that does not let us in, told as what it is; its text is not repeated. */
function openingFailure(cause: unknown): unknown {
  const error = databaseFailure(cause);
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return new AppError("database.unreachable", { message: "the host of DATABASE_URL has no address", cause });
  // Classes of SQLSTATE: 28 the user is not let in, 3D there is no such database.
  if (!/^(?:28|3D)[0-9A-Z]{3}$/u.test(code)) return error;
  return new AppError("config.invalid", {
    message: "the server of DATABASE_URL does not let this user in, or has no such database",
    cause,
  });
}

/** Runs work on the migrated database alone: no topic and no schema need be there. */
export async function withDatabase<T>(settings: Settings, work: (database: Database) => Promise<T>): Promise<T> {
  const server = settings.databaseUrl === null ? await startServer(settings.dataDir) : null;
  const database = openDatabase(settings.databaseUrl ?? server?.url ?? "");
  try {
    await migrate(database);
    return await work(database);
  } catch (error) {
    throw openingFailure(error);
  } finally {
    await database.close();
    await server?.stop();
  }
}

async function startServer(dataDir: string): Promise<RunningPostgres> {
  try {
    await mkdir(dataDir, { recursive: true });
  } catch (cause) {
    throw new AppError("database.start", { message: `the data folder ${dataDir} cannot be made`, cause });
  }
  return startPostgres({ dataDir: await serverDir(dataDir) });
}

/** Where the embedded database lies: within the data folder, unless its user cannot get there. */
function serverDir(dataDir: string): Promise<string> {
  return reachableDataDir(join(dataDir, "postgres"));
}

/** Whoever held a lease wrote through the server that ran before this one: nothing of it can arrive any more. */
async function endLeases(database: Database): Promise<void> {
  await database.sql("leases").update({ expires_at: "-infinity" });
}

/** Whether `rollcall up` says that it does the work on this database. */
export async function isUpRunning({ sql }: { readonly sql: Knex }): Promise<boolean> {
  const row: unknown = await sql("leases").where({ name: upLease }).whereRaw("expires_at > clock_timestamp()").first();
  return row !== undefined;
}

async function openOn(about: {
  readonly settings: Settings;
  readonly database: Database;
  readonly server: RunningPostgres | null;
  readonly isUp: boolean;
  readonly logger: Logger;
}): Promise<System> {
  const { settings, database, server } = about;
  const ports = await openPorts({ settings, database, logger: about.logger });
  return {
    ...ports,
    databaseDescription:
      server === null
        ? "the PostgreSQL of DATABASE_URL"
        : `an embedded PostgreSQL in ${await serverDir(settings.dataDir)}`,
    isUp: about.isUp,
    close: async () => {
      // Each of them would keep the process alive, whatever became of the one before.
      const ended = [await settled(ports.log.close()), await settled(database.close()), await settled(server?.stop())];
      const failed = ended.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    },
  };
}

async function settled(work: Promise<void> | undefined): Promise<PromiseSettledResult<void>> {
  const [result] = await Promise.allSettled([work]);
  return result;
}

/** Says to other commands that the services run here. @throws AppError `data.busy` when they run elsewhere. */
export async function holdUp(system: System): Promise<HeldLease> {
  const held = await holdLease(system.sql, { name: upLease, holder: randomUUID(), ttlMs: upLeaseMs });
  if (held === null) throw new AppError("data.busy", { message: "rollcall up runs already on this database" });
  return held;
}
