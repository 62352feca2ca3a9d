// All verbs together, each told in the same way. Nothing is done when this is imported.

import { Command } from "commander";

import { accountVerb } from "./accounts.ts";
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

/** Wrong usage is told and ends in the same way for every verb, also for one below another. */
function strict(command: Command): Command {
  for (const below of command.commands) strict(below);
  return command.exitOverride().showHelpAfterError("(add --help for the arguments and an example)");
}

/** `rollcall` as it is run; parsing it runs a verb. */
export function commandLine(): Command {
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
  return program;
}
