// One server of the local stack as a process: started in a group of its own, its output in a file, ended on request.
// It keeps true that a server which is bound to its starter ends with it, also when that is killed, and that a process
// is told from a later one of the same id by its start time.

import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import { AppError } from "../errors.ts";
import { processEnv } from "../runtime/env.ts";

/** A process that was started, by what tells it from every other one of this machine. */
export type ProcessMark = { readonly pid: number; readonly startedAt: string };

/** A server that answers. */
export type RunningServer = ProcessMark & {
  /** Where it listens: `host:port`. */
  readonly address: string;
  /** Ends it in its own time (SIGTERM), after a limit at once. Twice is harmless. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
};

export type Launch = {
  readonly command: readonly [string, ...(readonly string[])];
  readonly cwd: string;
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it ends with this process; false: it stays until it is stopped. */
  readonly isBound: boolean;
};

const stopLimitMs = 20_000;
const pollMs = 50;

/** Starts a process. @throws AppError `stack.start` when the program cannot be run. */
export async function launch({ command, cwd, logFile, env, isBound }: Launch): Promise<ProcessMark> {
  const bound = isBound && bindsToParent();
  const [program, ...args] = bound ? ["setpriv", "--pdeathsig", "KILL", "--", ...command] : command;
  const log = openSync(logFile, "a", 0o600);
  try {
    const child = spawn(program, args, {
      cwd,
      detached: true,
      stdio: ["ignore", log, log],
      env: env ?? processEnv(),
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    child.on("error", () => {});
    child.unref();
    const { pid } = child;
    if (pid === undefined) throw new Error("it has no process id");
    if (isBound && !bound) watchParent(pid);
    return { pid, startedAt: startTime(pid) ?? "" };
  } catch (cause) {
    throw new AppError("stack.start", { message: `${command[0]} cannot be run`, cause });
  } finally {
    closeSync(log);
  }
}

let binds: boolean | undefined;

/** Whether the system can end a child with its parent by itself (util-linux). */
function bindsToParent(): boolean {
  binds ??= spawnSync("setpriv", ["--pdeathsig", "KILL", "--", "true"], { stdio: "ignore" }).status === 0;
  return binds;
}

/** Elsewhere a shell waits for the end of a pipe that only we hold open. */
function watchParent(pid: number): void {
  const options = { cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] } as const;
  const watcher = spawn("sh", ["-c", `cat >/dev/null; kill -KILL ${pid}`], { ...options, stdio: [...options.stdio] });
  watcher.on("error", () => {});
  watcher.unref();
}

/** When a process began, in the system's own words; null when there is none of this id (a zombie is none). */
export function startTime(pid: number): string | null {
  if (process.platform !== "linux") {
    const said = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
    return said.status === 0 && said.stdout.trim() !== "" ? said.stdout.trim() : null;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything; what follows it does not. State is field 3, start time field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** Whether this very process still runs. */
export function runs({ pid, startedAt }: ProcessMark): boolean {
  return startTime(pid) === startedAt;
}

/** Sends a signal to this very process; false when it is gone. */
export function signal(mark: ProcessMark, name: NodeJS.Signals): boolean {
  try {
    return runs(mark) && process.kill(mark.pid, name);
  } catch {
    return false;
  }
}

/** Asks it to end, by SIGTERM unless another signal is named, and after the limit ends it; resolves when it is gone. */
export async function end(
  mark: ProcessMark,
  { name = "SIGTERM", limitMs = stopLimitMs }: { readonly name?: NodeJS.Signals; readonly limitMs?: number } = {},
): Promise<void> {
  signal(mark, name);
  // What is stopped by SIGSTOP would not hear of it.
  signal(mark, "SIGCONT");
  if (await isGone(mark, limitMs)) return;
  await endAtOnce(mark);
}

/** Ends it as a crash would; resolves when it is gone. */
export async function endAtOnce(mark: ProcessMark): Promise<void> {
  signal(mark, "SIGKILL");
  await isGone(mark, stopLimitMs);
}

async function isGone(mark: ProcessMark, limitMs: number): Promise<boolean> {
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; await sleep(pollMs)) if (!runs(mark)) return true;
  return !runs(mark);
}

/** A folder that nobody else may look into, also where it was made before that was so. */
export async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o700);
}

/** Waits until a server answers. @throws AppError `stack.start` with its last words when it ends or takes too long. */
export async function whenReady(about: {
  readonly name: string;
  readonly mark: ProcessMark;
  readonly logFile: string;
  readonly limitMs: number;
  readonly isReady: () => Promise<boolean>;
  /** Whether it runs on though it took too long; not unless given. */
  readonly stays?: boolean;
}): Promise<void> {
  const { name, mark, logFile, isReady, stays = false } = about;
  for (const deadline = Date.now() + about.limitMs; Date.now() < deadline; await sleep(pollMs)) {
    if (!runs(mark))
      throw new AppError("stack.start", { message: `${name} ended at once: ${lastWords(logFile)} (${logFile})` });
    if (await isReady()) return;
  }
  if (!stays) await endAtOnce(mark);
  throw new AppError("stack.start", { message: `${name} did not get ready: ${lastWords(logFile)} (${logFile})` });
}

/** A server that answers at an address, to be stopped by whoever started it. */
export function runningServer(mark: ProcessMark, address: string): RunningServer {
  return { ...mark, address, stop: () => end(mark), kill: () => endAtOnce(mark) };
}

function lastWords(logFile: string): string {
  try {
    return readFileSync(logFile, "utf8").trim().split("\n").slice(-3).join(" ") || "it left no message";
  } catch {
    return "it left no message";
  }
}
