// `rollcall explain`: why a person sees what they see.

import { Command } from "commander";

import {
  explain,
  type ExplainedClass,
  type ExplainedGate,
  type Explanation,
} from "../../services/registration/explain.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";

export function explainVerb(): Command {
  return described(new Command("explain").argument("<district>").argument("<person>"), {
    says: "explain why a person sees what they see: a user's sourcedId, a person id or a login id",
    example: "rollcall explain springfield t0000001",
  }).action(run);
}

async function run(district: string, who: string, options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const id = await knownDistrict(system, district);
    const explanation = await explain(system, { district: id, who });
    if (explanation === null)
      throw new AppError("person.unknown", { message: `nobody in ${id} has this sourcedId, person id or login id` });
    await answer(options, { text: explanationText(explanation), json: explanation });
  });
}

/** The explanation in lines: who, each gate, and each class. */
export function explanationText(explanation: Explanation): string {
  const { users, person, logins, gates, products, classes, reason } = explanation;
  return [
    `user ${users.join(", ") || "none"}; person ${person ?? "none yet"}`,
    ...logins.map(({ id, state, evidence }) => `login ${id}: ${state} (${evidence.join(", ") || "no evidence"})`),
    "gates, in the order in which they are passed",
    ...gates.flatMap(gateLines),
    ...products.map(
      ({ product, status, reason }) => `product ${product}: ${status}${reason === "open" ? "" : `, ${reason}`}`,
    ),
    ...(classes.length === 0 ? [] : [reason === "open" ? "classes" : "classes, once every gate is open"]),
    ...classes.flatMap(classLines),
  ].join("\n");
}

function gateLines(gate: ExplainedGate): readonly string[] {
  const line = `  ${gate.isOpen ? "open  " : "closed"} ${gate.gate}: ${gate.value}${gate.isOpen ? "" : ` (${gate.reason})`}${placeText(gate)}`;
  return gate.isOpen ? [line] : [line, `         ${gate.words}`];
}

function classLines(row: ExplainedClass): readonly string[] {
  const line = `  ${row.class === "" ? "none" : row.class}: ${row.reason}${placeText(row)}`;
  return row.reason === "shown" ? [line] : [line, `         ${row.words}`];
}

function placeText({
  since,
  delivery,
  origin,
}: {
  readonly since: number | null;
  readonly delivery: string | null;
  readonly origin: string | null;
}): string {
  const from = [delivery, origin].flatMap((each) => each ?? []).join(" ");
  return `${since === null ? "" : ` since ${new Date(since).toISOString()}`}${from === "" ? "" : ` from ${from}`}`;
}
