// A whole Rollcall in a folder of its own, driven by the real launcher, that can be killed at any moment: the command, and
// with it its database, or database and all as when a machine loses its power.

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { isAlive } from "../../libs/adapters/postgres/embedded-files.ts";
import { type Child, type Ended, start } from "../support/child.ts";
import type { Teardown } from "../support/teardown.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
/** An idle machine needs a third of a second; a busy one with a large write behind it needs its time. */
export const orphanLimitMs = 20_000;
/** A verb that has not ended by then never will. */
const hangLimitMs = 45_000;

/** `process`: SIGKILL to the command alone. `power`: to it and every process of its database at once. */
export type Killing = "process" | "power";

/** A folder in memory where there is some; the server's own user may enter it. */
export function temporaryFolder(t: Teardown): string {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "rollcall-kills-"));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  return folder;
}

export class SystemUnderKill {
  readonly dataDir: string;
  readonly #running = new Set<Child>();

  constructor(t: Teardown) {
    const folder = temporaryFolder(t);
    this.dataDir = join(folder, "data");
    // Runs before the folder goes: teardowns run last in, first out.
    t.teardown(async () => {
      for (const child of this.#running) child.kill("SIGKILL");
      await Promise.all([...this.#running].map((child) => child.ended));
      await this.serverEnds(orphanLimitMs);
    });
  }

  start(...args: readonly string[]): Child {
    const child = start([launcher, ...args], { env: { ROLLCALL_DATA: this.dataDir, DATABASE_URL: "" } });
    this.#running.add(child);
    void child.ended.then(() => this.#running.delete(child));
    return child;
  }

  /** Runs a verb to its end. @throws Error when it hangs. */
  async run(...args: readonly string[]): Promise<Ended> {
    return this.end(this.start(...args), args.join(" "));
  }

  /** @throws Error when the command does not end by itself. */
  async end(child: Child, name: string): Promise<Ended> {
    const hang = new AbortController();
    const hung = sleep(hangLimitMs, "hung" as const, { signal: hang.signal }).catch(() => "ended" as const);
    const ended = await Promise.race([child.ended, hung]);
    hang.abort();
    if (typeof ended !== "string") return ended;
    child.kill("SIGKILL");
    const { stdout, stderr } = await child.ended;
    throw new Error(`${name} hangs\n${stdout}\n${stderr}`);
  }

  async kill(child: Child, how: Killing): Promise<void> {
    const server = how === "power" ? [...this.serverProcesses()] : [];
    child.kill("SIGKILL");
    for (const pid of server) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await child.ended;
  }

  /** The server of the folder and its workers; empty when none runs. */
  serverProcesses(): readonly number[] {
    try {
      const pid = Number(readFileSync(join(this.dataDir, "postgres/postmaster.pid"), "utf8").split("\n")[0]);
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
      return [pid, ...children].filter((each) => each > 1);
    } catch {
      return [];
    }
  }

  /** Whether every process of the server is gone in time. */
  async serverEnds(withinMs: number, processes: readonly number[] = this.serverProcesses()): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (processes.some((pid) => isAlive(pid))) {
      if (performance.now() > deadline) return false;
      await sleep(20);
    }
    return true;
  }
}
