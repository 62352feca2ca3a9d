// What every verb shares: how it answers, how it fails, and what its exit code says.
//
//   0 done    1 failed (the world, or a bug)    2 wrong usage or configuration    3 the set or the decision was refused

import type { Command } from "commander";

import { databaseFailure } from "../adapters/postgres/database.ts";
import { AppError } from "../errors.ts";
import { processEnv } from "../runtime/env.ts";
import { createLogger, type Logger } from "../runtime/logger.ts";
import { writeOut } from "../runtime/output.ts";
import { isBesideStack } from "../stack/environment.ts";
import { openSystem, settingsFromEnv, type System } from "./system.ts";

export const exitCodes = { done: 0, failed: 1, usage: 2, refused: 3 } as const;

/** A verb's answer: text for people, and the same for machines under `--json`. */
export type Answer = {
  readonly text: string;
  readonly json: unknown;
  readonly exitCode?: number;
  /** What was done and may not be what was meant: told on stderr. `json` has them by itself. */
  readonly warnings?: readonly string[];
};

export type JsonOption = { readonly json?: boolean };

const usageCodes: ReadonlySet<string> = new Set([
  "usage",
  "config.invalid",
  "district.unknown",
  "delivery.unknown",
  "plan.none",
  "person.unknown",
  "account.linked",
  "account.product",
  "account.unknown",
  "license.org",
  "license.unknown",
  "license.validity",
  "login.district-unclear",
  "login.issuer-unknown",
  "login.school",
  "login.unknown",
  "login.unlinked",
  "login.user-unknown",
  "request.invalid",
  "source.exists",
  "source.key-exists",
  "source.passwords",
  "source.unknown",
  "token.exists",
  "token.unknown",
]);

/** Prints an answer and sets the exit code of the process. */
export async function answer(options: JsonOption, about: Answer): Promise<void> {
  const { text, json, exitCode = exitCodes.done, warnings = [] } = about;
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  await writeOut(options.json === true ? `${JSON.stringify(json)}\n` : endedByLineFeed(text));
  process.exitCode = exitCode;
}

function endedByLineFeed(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** Says what failed and what to do, on stderr, and as one JSON object on stdout under `--json`. */
export async function fail(thrown: unknown, isJson: boolean): Promise<void> {
  const error = databaseFailure(thrown);
  process.exitCode = error instanceof AppError && usageCodes.has(error.code) ? exitCodes.usage : exitCodes.failed;
  if (!(error instanceof AppError)) throw error;
  const { code, message, remedy } = error;
  process.stderr.write(`rollcall: ${message}\n  ${remedy}\n`);
  if (isJson) await writeOut(`${JSON.stringify({ error: { code, message, remedy } })}\n`);
}

/** A logger for commands: quiet unless asked, so that a terminal shows answers and not the machine room. */
export function commandLogger(): Logger {
  return createLogger({ name: "rollcall", level: "warn" });
}

/** Runs work on an open system, and closes it whatever happens. */
export async function withSystem<T>(work: (system: System) => Promise<T>): Promise<T> {
  if (isBesideStack(processEnv()))
    process.stderr.write("note: the local stack of this data folder is down; this is the installation beside it\n");
  const system = await openSystem(settingsFromEnv(), commandLogger());
  try {
    return await work(system);
  } finally {
    await system.close();
  }
}

/** Adds the option and the example that every verb has. */
export function described(command: Command, about: { readonly says: string; readonly example: string }): Command {
  return command
    .description(about.says)
    .option("--json", "answer in JSON, as docs/cli.md describes")
    .addHelpText("after", `\nExample:\n  $ ${about.example}`);
}
