// `rollcall explain`: why a person sees what they see.

import { Command } from "commander";

import {
  explain,
  type ExplainedClass,
  type ExplainedGate,
  type ExplainedLogin,
  type Explanation,
} from "../../services/registration/explain.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { onSettled, unsettledText } from "./settled.ts";

export function explainVerb(): Command {
  return described(new Command("explain").argument("<district>").argument("<person>"), {
    says: "explain why a person sees what they see: a user's sourcedId, a person id or a login id",
    example: "rollcall explain springfield t0000001",
  }).action(run);
}

async function run(district: string, who: string, options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const id = await knownDistrict(system, district);
    await onSettled(system, async (isSettled) => {
      const explanation = await explain(system, { district: id, who });
      if (explanation === null)
        throw new AppError("person.unknown", { message: `nobody in ${id} has this sourcedId, person id or login id` });
      const text = `${explanationText(explanation)}${unsettledText(isSettled)}`;
      await answer(options, { text, json: explanation });
    });
  });
}

/** The explanation in lines: who, each gate, each product with the gates of its own, and each class. */
export function explanationText(explanation: Explanation): string {
  const { users, person, gates, classes, reason } = explanation;
  const own = explanation.products.filter((product) => product.reason !== reason);
  return [
    `user ${users.join(", ") || "none"}; person ${person ?? "none yet"}`,
    ...explanation.logins.map(loginLine),
    "gates, in the order in which they are passed",
    ...gates.flatMap(gateLines),
    ...explanation.products.map(({ product, status, reason: why }) => `product ${product}: ${status} (${why})`),
    ...own.flatMap((product) => [`gates of ${product.product}`, ...product.gates.flatMap(gateLines)]),
    ...(classes.length === 0 ? [] : [reason === "open" ? "classes" : "classes, once every gate is open"]),
    ...classes.flatMap(classLines),
  ].join("\n");
}

function loginLine({ id, state, reason, evidence, candidates }: ExplainedLogin): string {
  const why = candidates.length > 0 ? `it may be ${candidates.join(", ")}` : evidence.join(", ");
  return `login ${id}: ${state} (${[reason, why].filter((each) => each !== "").join("; ")})`;
}

function gateLines(gate: ExplainedGate): readonly string[] {
  const line = `  ${gate.isOpen ? "open  " : "closed"} ${gate.gate}: ${gate.value}${gate.isOpen ? "" : ` (${gate.reason})`}${placeText(gate)}`;
  return gate.isOpen ? [line] : [line, `         ${gate.words}`];
}

function classLines(row: ExplainedClass): readonly string[] {
  const line = row.class === "" ? "  none" : `  ${row.class}: ${row.reason}${placeText(row)}`;
  return row.reason === "shown" ? [line] : [line, `         ${row.words}`];
}

function placeText({
  since,
  delivery,
  origin,
}: {
  readonly since: string | null;
  readonly delivery: string | null;
  readonly origin: string | null;
}): string {
  const from = [delivery, origin].flatMap((each) => each ?? []).join(" ");
  return `${since === null ? "" : ` since ${since}`}${from === "" ? "" : ` from ${from}`}`;
}
