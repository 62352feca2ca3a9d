// `rollcall district add|list|show|set`: the tenants and their policies. Their states are in district-states.ts.

import { readFile } from "node:fs/promises";

import { Command } from "commander";
import type { Knex } from "knex";

import { type District, districtOf, storePolicy } from "../adapters/postgres/districts.ts";
import { factChanged } from "../adapters/postgres/people.ts";
import { allStones, stoneOf } from "../adapters/postgres/stones.ts";
import { lacksSignOn } from "../domain/district.ts";
import { parseDistrictId } from "../domain/ids.ts";
import { parsePolicy, type Policy } from "../domain/policy.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { type PilotTeacher, pilotTeachers, stateVerbs } from "./district-states.ts";
import { removeVerb } from "./district-remove.ts";
import { policyWarnings } from "./policy-warnings.ts";
import { withSettings } from "./setting.ts";
import type { System } from "./system.ts";

type DistrictView = {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** ISO 8601, UTC. */
  readonly stateSince: string;
  /** Who brought it into its state; null for the state in which it began. */
  readonly stateBy: string | null;
  readonly pilotTeachers: readonly PilotTeacher[];
  readonly policy: Policy;
};

export function districtVerbs(): readonly Command[] {
  const district = new Command("district").description(
    "the tenants: add, list, show, set, and the steps up to their removal",
  );
  const about = {
    says: "add a district",
    example: "rollcall district add springfield --name 'Springfield Public Schools'",
  };
  described(district.command("add <id>"), about)
    .option("--name <name>", "how people call it")
    .option("--policy <file>", "a JSON file with the settings that differ from the defaults")
    .action(add);
  described(district.command("list"), { says: "list the districts", example: "rollcall district list" }).action(list);
  described(district.command("show <id>"), {
    says: "show a district with its policy",
    example: "rollcall district show springfield",
  }).action(show);
  described(district.command("set <id> [settings...]"), {
    says: "change settings of a district's policy, each as path=value, or all from a file",
    example: "rollcall district set springfield limits.deletes.user.count=50 timeZone=America/Chicago",
  })
    .option("--policy <file>", "a JSON file that replaces the whole policy")
    .action(set);
  for (const verb of [...stateVerbs(), removeVerb()]) district.addCommand(verb);
  return [district];
}

async function add(
  id: string,
  options: JsonOption & { readonly name?: string; readonly policy?: string },
): Promise<void> {
  const district = parseDistrictId(id);
  if (district === null)
    throw new AppError("usage", {
      message: "a district id is 1 to 63 of a-z, 0-9 and -, and begins and ends with a letter or digit",
    });
  const policy = await policyFromFile(options.policy);
  await withSystem(async (system) => {
    const stone = await stoneOf(system.sql, id);
    if (stone !== null)
      throw new AppError("usage", {
        message: `district ${id} left on ${stone.leftOn}, and its id is not used again: choose another one`,
      });
    const added: unknown[] = await system
      .sql("districts")
      .insert({ id: district, name: options.name ?? id, policy: JSON.stringify(policy) })
      .onConflict("id")
      .ignore()
      .returning("id");
    if (added.length === 0)
      throw new AppError("usage", { message: `district ${id} exists already: change it with rollcall district set` });
    await print(options, await view(system, id), `added district ${id}`);
  });
}

async function list(options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const rows: readonly { readonly id: string; readonly name: string; readonly state: string }[] = await system
      .sql("districts")
      .orderBy("id")
      .select("id", "name", "state");
    const stones = await allStones(system.sql);
    const left = stones.map(({ id }) => ({ id, name: "", state: "left" }));
    // While a removal has not come to its end there may be both.
    const all = [...rows.filter(({ id }) => !left.some((stone) => stone.id === id)), ...left];
    const lines = all.map(({ id, name, state }) => `${id}\t${state}\t${name}`);
    await answer(options, { text: all.length === 0 ? "no districts yet" : lines.join("\n"), json: all });
  });
}

async function show(id: string, options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const district = await view(system, await knownDistrict(system, id));
    await print(options, district, shownText(district));
  });
}

function shownText({ id, name, state, stateSince, stateBy, pilotTeachers: teachers, policy }: DistrictView): string {
  const by = stateBy === null ? "" : ` by ${stateBy}`;
  const named = teachers.map(
    ({ sourcedIds, namedBy, namedAt }) =>
      `  teacher of the pilot: ${sourcedIds.join(", ")}, named ${namedAt} by ${namedBy}`,
  );
  return [`${id}: ${name}, ${state} since ${stateSince}${by}`, ...named, JSON.stringify(policy, null, 2)].join("\n");
}

async function set(
  id: string,
  settings: readonly string[],
  options: JsonOption & { readonly policy?: string },
): Promise<void> {
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    const given = options.policy === undefined ? null : await jsonOf(options.policy);
    await system.sql.transaction(async (tx) => {
      await factChanged(tx, district);
      const known = await knownTo(tx, district);
      const { state, policy: before } = known;
      const policy = checked(withSettings(given ?? before, settings));
      if (lacksSignOn(state, policy))
        throw new AppError("config.invalid", {
          message: `reading the policy: signOn.issuers may not be empty, for ${id} has left setup`,
        });
      await storePolicy(tx, known, { policy, at: system.clock.now() });
    });
    const changed = await view(system, district);
    const warnings = await policyWarnings(system.sql, changed);
    await answer(options, { text: `changed the policy of ${id}`, json: { ...changed, warnings }, warnings });
  });
}

async function view(system: System, id: string): Promise<DistrictView> {
  const district = await knownTo(system.sql, id);
  const { name, state, stateSince, policy } = district;
  const last: { readonly by: string } | undefined = await system
    .sql("district_states")
    .where({ district: id })
    .orderBy("number", "desc")
    .first("changed_by as by");
  return {
    id: district.id,
    name,
    state,
    stateSince: new Date(stateSince).toISOString(),
    stateBy: last?.by ?? null,
    pilotTeachers: await pilotTeachers(system.sql, id),
    policy,
  };
}

async function knownTo(sql: Knex, id: string): Promise<District> {
  const district = await districtOf(sql, id);
  if (district === null) throw new AppError("district.unknown", { message: `there is no district ${id}` });
  return district;
}

async function print(options: JsonOption, district: DistrictView, text: string): Promise<void> {
  await answer(options, { text, json: district });
}

/** A policy from a file, every setting that it leaves out at its default; without a file the default policy. */
export async function policyFromFile(path: string | undefined): Promise<Policy> {
  return checked(path === undefined ? {} : await jsonOf(path));
}

async function jsonOf(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new AppError("config.invalid", {
      message: `reading the policy ${path}: there is no such file, or it may not be read`,
      cause,
    });
  });
  try {
    const byteOrderMark = /^\uFEFF/u;
    return JSON.parse(text.replace(byteOrderMark, ""));
  } catch (cause) {
    throw new AppError("config.invalid", { message: `reading the policy ${path}: it is not JSON`, cause });
  }
}

function checked(value: unknown): Policy {
  const parsed = parsePolicy(value);
  if (parsed.outcome === "faults")
    throw new AppError("config.invalid", { message: `reading the policy: ${parsed.faults.join("; ")}` });
  return parsed.policy;
}
