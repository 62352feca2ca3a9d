// The command line. One file per group of verbs; what they share is in command.ts.

import { Command, CommanderError } from "commander";

import { endWhenOutputCloses } from "../runtime/output.ts";
import { accountVerb } from "./accounts.ts";
import { exitCodes, fail } from "./command.ts";
import { demoVerb } from "./demo.ts";
import { districtVerbs } from "./districts.ts";
import { explainVerb } from "./explain.ts";
import { licenseVerb } from "./licenses.ts";
import { loginVerb } from "./logins.ts";
import { planVerbs } from "./plans.ts";
import { recordsVerb } from "./records.ts";
import { resumeVerb } from "./resume.ts";
import { rosterVerbs } from "./rosters.ts";
import { setVerbs } from "./sets.ts";
import { sourceVerb } from "./sources.ts";
import { stackVerb } from "./stack.ts";
import { tokenVerb } from "./tokens.ts";
import { topicsVerb } from "./topics.ts";
import { upVerb } from "./up.ts";

endWhenOutputCloses();

/** Wrong usage is told and ends in the same way for every verb, also for one below another. */
function strict(command: Command): Command {
  for (const below of command.commands) strict(below);
  return command.exitOverride().showHelpAfterError("(add --help for the arguments and an example)");
}

const program = strict(new Command("rollcall").description("OneRoster deliveries in, exact roster changes out."));
for (const verb of [
  upVerb(),
  ...setVerbs(),
  ...districtVerbs(),
  ...planVerbs(),
  loginVerb(),
  licenseVerb(),
  accountVerb(),
  tokenVerb(),
  topicsVerb(),
  sourceVerb(),
  stackVerb(),
  explainVerb(),
  resumeVerb(),
  ...rosterVerbs(),
  recordsVerb(),
  demoVerb(),
])
  program.addCommand(strict(verb));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  else await fail(error, process.argv.includes("--json"));
}
