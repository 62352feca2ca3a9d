// The command line. One file per group of verbs, listed in program.ts; what they share is in command.ts.

import { CommanderError } from "commander";

import { endWhenOutputCloses } from "../runtime/output.ts";
import { exitCodes, fail } from "./command.ts";
import { commandLine } from "./program.ts";

endWhenOutputCloses();

try {
  await commandLine().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  else await fail(error, process.argv.includes("--json"));
}
