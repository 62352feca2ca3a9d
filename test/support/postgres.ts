// A fresh, migrated database per test, on a real PostgreSQL that all test files of a run share.
// The first file that needs it starts a keeper (postgres-keeper.ts), which ends the server when nobody uses it any more:
// no file waits for another, none has to be the last, and a run that is killed leaves nothing behind.
// With DATABASE_URL set, the databases are made on that server instead.

import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { migrate, openDatabase } from "../../libs/adapters/postgres/database.ts";
import type { Database } from "../../libs/adapters/postgres/database.ts";
import type { Teardown } from "./teardown.ts";

/** Held shared by every process that uses the server; the keeper stops it once it gets it alone. */
export const inUseLock = 7_265_012;
const templateLock = 7_265_013;
const root = join(import.meta.dirname, "..", "..");
const enoughBytes = 1024 ** 3;
const startLimitMs = 60_000;

/**
 * An empty database with all migrations, dropped at the end of the test.
 * @returns the open database; its `url` is for child processes.
 */
export async function freshDatabase(t: Teardown): Promise<Database> {
  users++;
  t.teardown(leave);
  const { admin, serverUrl } = await (shared ??= findServer());
  const template = await ready(admin, serverUrl);
  const name = `rollcall_test_${randomBytes(6).toString("hex")}`;
  await admin.query(`create database ${name} template ${template}`);
  const database = openDatabase(withDatabase(serverUrl, name));
  // tap runs teardowns last in, first out: this one comes before leave.
  t.teardown(async () => {
    await database.close();
    await admin.query(`drop database if exists ${name} with (force)`);
  });
  return database;
}

type Server = { readonly admin: pg.Client; readonly serverUrl: string };
let shared: Promise<Server> | undefined;
let users = 0;

/** An open connection would keep the test file from ending, so the last test closes it; the next opens another. */
async function leave(): Promise<void> {
  users--;
  if (users > 0 || shared === undefined) return;
  const leaving = shared;
  shared = undefined;
  await (await leaving).admin.end();
}

async function findServer(): Promise<Server> {
  const given = process.env["DATABASE_URL"];
  if (given !== undefined && given !== "") return { admin: await connect(given), serverUrl: given };
  const deadline = Date.now() + startLimitMs;
  for (let attempt = 0; ; attempt++) {
    const serverUrl = clusterUrl();
    try {
      const admin = await connect(serverUrl);
      // Granted at once unless the keeper is just leaving, which ends this session: then start anew.
      await admin.query("select pg_advisory_lock_shared($1)", [inUseLock]);
      return { admin, serverUrl };
    } catch (cause) {
      if (Date.now() > deadline) throw new Error("the test server did not start", { cause });
    }
    // Each keeper that finds another at work ends by itself.
    if (attempt % 50 === 0) startKeeper();
    await sleep(40);
  }
}

async function connect(url: string): Promise<pg.Client> {
  const admin = new pg.Client({ connectionString: url, application_name: "rollcall test" });
  admin.on("error", () => {});
  await admin.connect();
  return admin;
}

function startKeeper(): void {
  const keeper = spawn(process.execPath, [join(import.meta.dirname, "postgres-keeper.ts")], {
    cwd: "/",
    detached: true,
    stdio: "ignore",
  });
  keeper.unref();
}

/** The cluster of this project and user: in memory where there is room, since nothing of it must last. */
export function clusterDir(): string {
  const name = `rollcall-test-${process.getuid?.() ?? 0}-${digest(root)}`;
  return join(hasRoom("/dev/shm") ? "/dev/shm" : tmpdir(), name, "data");
}

/** The server's own database, over the socket in its data directory. */
export function clusterUrl(): string {
  return `postgres://rollcall@localhost:5432/postgres?host=${encodeURIComponent(clusterDir())}`;
}

function hasRoom(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize > enoughBytes;
  } catch {
    return false;
  }
}

// By connection and not by URL: when the keeper ended the server, its templates went too.
const templates = new WeakMap<pg.Client, Promise<string>>();

function ready(admin: pg.Client, serverUrl: string): Promise<string> {
  const known = templates.get(admin);
  if (known !== undefined) return known;
  const made = makeReady(admin, serverUrl);
  templates.set(admin, made);
  return made;
}

/** The database that others are copied from; its name changes with the migrations, so an old one is never used. */
async function makeReady(admin: pg.Client, serverUrl: string): Promise<string> {
  const folder = join(root, "migrations");
  const texts = readdirSync(folder).toSorted();
  const name = `rollcall_template_${digest(texts.map((file) => readFileSync(join(folder, file), "utf8")).join("\n"))}`;
  await admin.query("select pg_advisory_lock($1)", [templateLock]);
  try {
    const found = await admin.query("select 1 from pg_database where datname = $1", [name]);
    if (found.rowCount === 0) await makeTemplate(admin, serverUrl, name);
  } finally {
    await admin.query("select pg_advisory_unlock($1)", [templateLock]);
  }
  return name;
}

async function makeTemplate(admin: pg.Client, serverUrl: string, name: string): Promise<void> {
  const half = `${name}_half`;
  await admin.query(`drop database if exists ${half} with (force)`);
  await admin.query(`create database ${half}`);
  const database = openDatabase(withDatabase(serverUrl, half));
  try {
    await migrate(database);
  } finally {
    await database.close();
  }
  await admin.query(`alter database ${half} rename to ${name}`);
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
