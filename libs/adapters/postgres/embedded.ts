// A real PostgreSQL without an installation: the server of the binary packages that npm brings, run by this process.
// It keeps true: one server per data directory, reachable through a socket in a private folder and through no port, and
// ended with the process that started it, also when that process is killed, unless that is told otherwise. Committed is
// durable: fsync stays on.

import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { AppError } from "../../errors.ts";
import { databaseFailure } from "./database.ts";
import {
  identity,
  initialise,
  isAlive,
  prepareParent,
  programs,
  serverUser,
  socketFolder,
  startFailure,
} from "./embedded-files.ts";
import type { ServerUser } from "./embedded-files.ts";

export type RunningPostgres = {
  /** For pg and knex: the database `rollcall` over the server's socket. */
  readonly url: string;
  /** Whether this process started the server. If not, its starter's end is the server's end: then start again. */
  readonly owned: boolean;
  /** The server's process id, for whoever owns it. */
  readonly pid: number | null;
  /** Stops an owned server (within a second, committed data kept) and leaves another's alone. Twice is harmless. */
  stop(): Promise<void>;
};

const databaseName = "rollcall";
const startLimitMs = 60_000;
const stopLimitMs = 20_000;
const logName = "server.log";

// PG* variables of ours are for clients; the server would read some of them.
const serverEnvironment = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

const settings: Readonly<Record<string, string>> = {
  listen_addresses: "",
  shared_buffers: "128MB",
  max_connections: "100",
  synchronous_commit: "on",
  // No replica reads this server's log, and this level spares writing bulk loads twice.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "2GB",
  checkpoint_timeout: "15min",
  // The message of a failed statement would repeat the row's values: a person's data has no place in a log file.
  log_error_verbosity: "terse",
  log_min_error_statement: "panic",
  log_parameter_max_length_on_error: "0",
  // Small containers give /dev/shm 64 MB, which parallel queries overrun.
  max_parallel_workers_per_gather: "0",
  jit: "off",
  timezone: "UTC",
};

/**
 * Starts the server of a data directory, which is made if it does not exist, or attaches to the one that runs there.
 * As root the server runs as the directory's owner, or `nobody`.
 * @param options.dataDir a folder for this alone; give {@link reachableDataDir}'s answer where it may lie under root's home.
 * @param options.settings server settings over the defaults, for tests.
 * @param options.outlives whether it stays when this process ends: then whoever knows its process id ends it, by SIGINT.
 * @throws AppError `database.start` saying what to do.
 */
export async function startPostgres(options: {
  readonly dataDir: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly outlives?: boolean;
}): Promise<RunningPostgres> {
  const dataDir = resolve(options.dataDir);
  const user = await serverUser(dataDir);
  await prepareParent(dataDir, user);
  const { initdb, postgres } = await programs(dataDir, user);
  await initialise(dataDir, initdb, user);
  const folder = await socketFolder(dataDir, user);
  const deadline = Date.now() + startLimitMs;
  for (;;) {
    const running = (await answers(folder)) ? await attached(folder, deadline) : null;
    if (running !== null) return running;
    const outlives = options.outlives === true;
    const server = launch({
      postgres,
      dataDir,
      folder,
      user,
      outlives,
      settings: { ...settings, ...options.settings },
    });
    if (await becomesReady(server, folder, deadline)) {
      await keepLog(dataDir);
      return owned(server, folder);
    }
    const words = await lastWords(dataDir);
    if (!isAnother.test(words) || Date.now() > deadline) {
      await keepLog(dataDir);
      throw startFailure(`PostgreSQL did not start: ${words || "it left no message"} (${join(dataDir, logName)})`);
    }
    await rm(ownLog(dataDir), { force: true });
    await sleep(100);
  }
}

/** Another process was faster, and its server will soon answer; or one is ending, and will soon be gone. */
const isAnother = /lock file "[^"]+" already exists|pre-existing shared memory block .* is still in use/u;

/** @returns null when the server went away meanwhile with the process that started it. */
async function attached(folder: string, deadline: number): Promise<RunningPostgres | null> {
  try {
    await makeDatabase(folder);
  } catch (cause) {
    const isLeaving = databaseFailure(cause) instanceof AppError && Date.now() < deadline;
    if (!isLeaving) throw startFailure("The database could not be made.", cause);
    return null;
  }
  return { url: urlOf(folder, databaseName), owned: false, pid: null, stop: () => Promise.resolve() };
}

async function owned(server: ChildProcess, folder: string): Promise<RunningPostgres> {
  try {
    await makeDatabase(folder);
  } catch (cause) {
    await stop(server);
    throw startFailure("The database could not be made.", cause);
  }
  const pid = server.pid ?? null;
  return { url: urlOf(folder, databaseName), owned: true, pid, stop: () => stop(server) };
}

function urlOf(folder: string, database: string): string {
  // The port only names the socket's file; said here because PGPORT of the environment would change it.
  return `postgres://rollcall@localhost:5432/${database}?host=${encodeURIComponent(folder)}`;
}

function launch(about: {
  readonly postgres: string;
  readonly dataDir: string;
  readonly folder: string;
  readonly user: ServerUser;
  readonly outlives: boolean;
  readonly settings: Readonly<Record<string, string>>;
}): ChildProcess {
  const flags = Object.entries(about.settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = [about.postgres, "-D", about.dataDir, "-k", about.folder, "-p", "5432", ...flags];
  const bound = !about.outlives && bindsToParent();
  const [program = about.postgres, ...args] = bound ? ["setpriv", "--pdeathsig", "INT", "--", ...command] : command;
  const log = openSync(ownLog(about.dataDir), "w", 0o600);
  try {
    const server = spawn(program, args, {
      ...identity(about.user),
      cwd: "/",
      // A group of its own: Ctrl-C is for us, and we stop the server when we have drained.
      detached: true,
      stdio: ["ignore", log, log],
      env: serverEnvironment,
    });
    // A program that cannot be run also emits `error`; the exit is what becomesReady waits for.
    server.on("error", () => {});
    server.unref();
    if (!about.outlives && !bound && server.pid !== undefined) watchParent(server.pid);
    return server;
  } finally {
    closeSync(log);
  }
}

let binds: boolean | undefined;

/** Whether the system can end a child with its parent by itself (util-linux; not macOS, not busybox). */
function bindsToParent(): boolean {
  binds ??=
    spawnSync("setpriv", ["--pdeathsig", "INT", "--", "true"], { env: serverEnvironment, stdio: "ignore" }).status ===
    0;
  return binds;
}

/** Elsewhere a shell waits for the end of a pipe that only we hold open, and then interrupts the server. */
function watchParent(pid: number): void {
  const watcher = spawn("sh", ["-c", `cat >/dev/null; kill -INT ${pid}`], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watcher.on("error", () => {});
  watcher.unref();
}

function hasEnded(server: ChildProcess): boolean {
  return server.pid === undefined || server.exitCode !== null || server.signalCode !== null;
}

async function becomesReady(server: ChildProcess, folder: string, deadline: number): Promise<boolean> {
  while (!hasEnded(server)) {
    // Where it is another's that answers, ours is about to find its lock and to end.
    if ((await answers(folder)) && (await runs(folder, server))) return !hasEnded(server);
    if (Date.now() > deadline) {
      await stop(server);
      return false;
    }
    await sleep(10);
  }
  return false;
}

/** Whether the socket that answers is this child's and not that of a faster process. */
async function runs(folder: string, server: ChildProcess): Promise<boolean> {
  const lock = await readFile(join(folder, ".s.PGSQL.5432.lock"), "utf8").catch(() => "");
  return Number(lock.split("\n")[0]) === server.pid;
}

async function answers(folder: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: urlOf(folder, "postgres"), connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function makeDatabase(folder: string): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(folder, "postgres") });
  // The server may end with its process under our feet; the query that is cut short says so.
  client.on("error", () => {});
  await client.connect();
  try {
    const found = await client.query("select 1 from pg_database where datname = $1", [databaseName]);
    if (found.rowCount === 0) await client.query(`create database ${databaseName}`);
  } catch (cause) {
    // Another process attached at the same moment and was faster: it was done before ours began, or while it ran.
    const isThere = cause instanceof pg.DatabaseError && (cause.code === "42P04" || cause.code === "23505");
    if (!isThere) throw cause;
  } finally {
    await client.end();
  }
}

async function stop(server: ChildProcess): Promise<void> {
  // SIGINT is PostgreSQL's fast shutdown: sessions are ended, what was committed is written, no recovery is needed.
  if (!hasEnded(server)) server.kill("SIGINT");
  const deadline = Date.now() + stopLimitMs;
  while (!hasEnded(server)) {
    if (Date.now() > deadline) throw startFailure("PostgreSQL did not stop in time; it is still running.");
    await sleep(10);
  }
}

/** What the server that this process starts says, apart from what a server that runs says. */
function ownLog(dataDir: string): string {
  return join(dataDir, `${logName}.${process.pid}`);
}

async function lastWords(dataDir: string): Promise<string> {
  const text = await readFile(ownLog(dataDir), "utf8").catch(() => "");
  return text.trim().split("\n").slice(-3).join(" ");
}

/** The server that runs, or the failure that is told, gets the log's name; logs of starters that died are removed. */
async function keepLog(dataDir: string): Promise<void> {
  await rename(ownLog(dataDir), join(dataDir, logName)).catch(() => {});
  for (const name of await readdir(dataDir).catch(() => [])) {
    if (name.startsWith(`${logName}.`) && !isAlive(Number(name.slice(logName.length + 1))))
      await rm(join(dataDir, name), { force: true });
  }
}
