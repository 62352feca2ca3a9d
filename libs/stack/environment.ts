// How commands find a local stack: a file in the data folder that holds environment variables for whoever has not set
// them. It keeps true that what a user sets goes before it, and that only the stack's own user can read it.

import { existsSync, readFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Env } from "../runtime/env.ts";

const fileName = "stack.json";
const defaultDataDir = ".rollcall";

/** The environment, with that of the stack in the data folder unless it names a database or brokers itself. */
export function withStack(env: Env): Env {
  if ((env["DATABASE_URL"] ?? "") !== "" || (env["KAFKA_BROKERS"] ?? "") !== "") return env;
  return { ...env, ...readStack(resolve(env["ROLLCALL_DATA"] ?? defaultDataDir)) };
}

/** Whether the data folder has a stack that does not run: what a command does then is not done there. */
export function isBesideStack(env: Env): boolean {
  const dataDir = resolve(env["ROLLCALL_DATA"] ?? defaultDataDir);
  return withStack(env) === env ? false : existsSync(join(dataDir, "stack")) && !existsSync(join(dataDir, fileName));
}

/** Variables by name; none where no stack runs. */
function readStack(dataDir: string): Env {
  try {
    const found: unknown = JSON.parse(readFileSync(join(dataDir, fileName), "utf8"));
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(
      Object.entries(found).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
    );
  } catch {
    return {};
  }
}

/** Says how to reach a stack whose commands run on this data folder. */
export async function announceStack(dataDir: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const path = join(dataDir, fileName);
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, `${JSON.stringify(variables, null, 2)}\n`, { mode: 0o600 });
  await rename(unfinished, path);
}

/** Twice is harmless. */
export async function withdrawStack(dataDir: string): Promise<void> {
  await rm(join(dataDir, fileName), { force: true });
}
