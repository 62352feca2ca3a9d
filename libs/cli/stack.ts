// `rollcall stack up|down|reset`: the local stack without Docker, as background processes.

import { resolve } from "node:path";

import { Command } from "commander";

import { processEnv } from "../runtime/env.ts";
import { writeOut } from "../runtime/output.ts";
import { LocalStack } from "../stack/stack.ts";
import { answer, described, type JsonOption } from "./command.ts";

export function stackVerb(): Command {
  const stack = new Command("stack").description("Kafka, a registry, PostgreSQL and every service as local processes");
  described(stack.command("up"), {
    says: "start what does not run, apply the topics, and wait until all are ready",
    example: "rollcall stack up",
  }).action(up);
  described(stack.command("down"), {
    says: "stop what `stack up` started; its data stays",
    example: "rollcall stack down",
  }).action(down);
  described(stack.command("reset"), {
    says: "stop what `stack up` started, and drop its data",
    example: "rollcall stack reset",
  }).action(reset);
  return stack;
}

/** Below the data folder of commands, so that they find it. */
function localStack(): LocalStack {
  const given = processEnv()["ROLLCALL_DATA"];
  return new LocalStack(resolve(given === undefined || given === "" ? ".rollcall" : given));
}

async function up(options: JsonOption): Promise<void> {
  const say = (line: string): Promise<void> => (options.json === true ? Promise.resolve() : writeOut(`${line}\n`));
  const { parts, variables } = await localStack().up(say);
  const exported = Object.entries(variables).map(([name, value]) => `  export ${name}='${value}'`);
  const text = [
    "All are ready. Commands find them by themselves; for other programs:",
    ...exported,
    "`make down` stops them, `make reset` drops their data too.",
  ].join("\n");
  await answer(options, { text, json: { parts, variables } });
}

async function down(options: JsonOption): Promise<void> {
  const stopped = await localStack().down();
  await answer(options, { text: endedText(stopped, "its data stays"), json: { stopped } });
}

async function reset(options: JsonOption): Promise<void> {
  const stopped = await localStack().reset();
  await answer(options, { text: endedText(stopped, "its data is gone"), json: { stopped } });
}

function endedText(stopped: readonly string[], data: string): string {
  return stopped.length === 0 ? "Nothing ran." : `Stopped ${stopped.join(", ")}; ${data}.`;
}
