// Runs a program of ours as a real process and tells what it said and how it ended.

import { spawn } from "node:child_process";
import { once } from "node:events";

/** How a process ended and all that it wrote, as text. */
export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** A process that was started. */
export type Child = {
  readonly pid: number;
  /** Resolves when stdout contains the text; rejects when the process ends without having said it. */
  said(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
};

/** Starts a command with the given environment added to this process's, and with `input` on its stdin. */
export function start(
  command: readonly [string, ...(readonly string[])],
  about: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly input?: string } = {},
): Child {
  const { input = "", ...options } = about;
  const [program, ...args] = command;
  // TAP is set for test files; a child that saw it would take itself for one. Several serve the API at the same time.
  // The brokers that tests share are no log for a system of its own. By NODE_OPTIONS tap would follow what a child
  // imports, for coverage that nobody asks for: a fifth of the time that a command takes to start.
  const own = {
    TAP: undefined,
    NODE_OPTIONS: undefined,
    ROLLCALL_HTTP_PORT: "0",
    ROLLCALL_SFTP_PORT: "0",
    KAFKA_BROKERS: undefined,
    SCHEMA_REGISTRY_URL: undefined,
  };
  const child = spawn(program, args, { ...options, env: { ...process.env, ...own, ...options.env } });
  // One that ends without having read it is no fault of the test.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then((): Ended => ({
    code: child.exitCode,
    signal: child.signalCode,
    stdout,
    stderr,
  }));
  return {
    pid: child.pid ?? 0,
    ended,
    kill: (signal) => child.kill(signal),
    async said(text) {
      while (!stdout.includes(text)) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`ended without saying ${text}\n${stderr}`);
        await Promise.race([once(child.stdout, "data"), ended]);
      }
    },
  };
}

/** Starts a command and waits for its end. */
export async function finish(...about: Parameters<typeof start>): Promise<Ended> {
  return await start(...about).ended;
}
