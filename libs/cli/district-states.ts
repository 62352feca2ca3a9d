// `rollcall district pilot|release|leave`: the steps of a district, and who takes part in its pilot.
// It keeps true that whatever was judged by the state before is judged anew: it is marked in the same transaction.

import { userInfo } from "node:os";

import { Command } from "commander";
import type { Knex } from "knex";

import { type District, districtOf } from "../adapters/postgres/districts.ts";
import { factChanged, personsOf } from "../adapters/postgres/people.ts";
import { type Step, stepOf } from "../domain/district.ts";
import type { DistrictId } from "../domain/ids.ts";
import type { DistrictState } from "../domain/registration/reasons.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { type Answer, answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import type { System } from "./system.ts";

/** A person whom the district named for its pilot; times are ISO 8601, UTC. */
export type PilotTeacher = {
  readonly person: string;
  readonly sourcedIds: readonly string[];
  readonly namedBy: string;
  readonly namedAt: string;
};

type StateFlags = JsonOption & { readonly by?: string; readonly sure?: boolean };
type PilotFlags = StateFlags & { readonly teacher: readonly string[]; readonly remove?: boolean };

/** What became of a step, as `--json` tells it. */
type Taken = {
  readonly district: string;
  readonly outcome: "done" | "unchanged" | "refused";
  readonly reason: string | null;
  readonly state: DistrictState;
};

export function stateVerbs(): readonly Command[] {
  return [
    pilotVerb(),
    stepVerb("release", "released", "let every teacher of a district take part"),
    stepVerb("leave", "leaving", "end a district for good: from now on nobody of it is registered").option(
      "--sure",
      "needed: there is no way back",
    ),
  ];
}

function pilotVerb(): Command {
  return described(new Command("pilot").argument("<id>"), {
    says: "begin a district's pilot, or change who takes part: only the teachers that are named",
    example: "rollcall district pilot springfield --teacher t-100 t-101",
  })
    .requiredOption("--teacher <sourcedId...>", "teachers by their sourcedIds")
    .option("--remove", "take these teachers out of the pilot")
    .option("--by <who>", "who decides; without it the user of this terminal")
    .action(async (id: string, options: PilotFlags) => {
      await onDistrict(id, options, (tx, district, by) =>
        options.remove === true
          ? removeTeachers(tx, district, options.teacher)
          : beginPilot(tx, district, { users: options.teacher, by }),
      );
    });
}

function stepVerb(verb: "release" | "leave", to: DistrictState, says: string): Command {
  return described(new Command(verb).argument("<id>"), { says, example: `rollcall district ${verb} springfield` })
    .option("--by <who>", "who decides; without it the user of this terminal")
    .action(async (id: string, options: StateFlags) => {
      if (to === "leaving" && options.sure !== true) await refuseUnsure(id, options);
      else await onDistrict(id, options, (tx, district, by) => takeStep(tx, district, { to, by }));
    });
}

/** What cannot be taken back is done only when it is asked for twice. */
async function refuseUnsure(id: string, options: StateFlags): Promise<void> {
  await withSystem(async (system) => {
    const district = await districtOf(system.sql, await knownDistrict(system, id));
    const state = district?.state ?? "leaving";
    const reason =
      `from then on nobody of ${id} is registered, what its teachers see is taken back, ` +
      "and there is no way back; add --sure if that is meant";
    await answer(options, answerOf({ district: id, outcome: "refused", reason, state }));
  });
}

type Work = (tx: Knex.Transaction, district: District, by: string) => Promise<Taken>;

async function onDistrict(id: string, options: StateFlags, work: Work): Promise<void> {
  await withSystem(async (system) => {
    const by = options.by ?? userInfo().username;
    const taken = await changeDistrict(system, await knownDistrict(system, id), (tx, district) =>
      work(tx, district, by),
    );
    await answer(options, answerOf(taken));
  });
}

/** Lets every teacher of a district take part, as `rollcall district release` does. */
export async function releaseDistrict(system: System, district: DistrictId, by: string): Promise<Taken> {
  return changeDistrict(system, district, (tx, row) => takeStep(tx, row, { to: "released", by }));
}

async function changeDistrict(
  system: System,
  id: DistrictId,
  work: (tx: Knex.Transaction, district: District) => Promise<Taken>,
): Promise<Taken> {
  return system.sql.transaction(async (tx) => {
    await factChanged(tx, id);
    const district = await districtOf(tx, id);
    if (district === null) throw new AppError("district.unknown", { message: `there is no district ${id}` });
    return work(tx, district);
  });
}

function answerOf(taken: Taken): Answer {
  const { district, outcome, reason, state } = taken;
  const text = outcome === "refused" ? `refused: ${reason ?? ""}` : `${district} is ${state}`;
  const exitCode = outcome === "refused" ? exitCodes.refused : exitCodes.done;
  return { text: `${text}${outcome === "unchanged" ? ", as before" : ""}`, json: taken, exitCode };
}

async function takeStep(
  tx: Knex.Transaction,
  district: District,
  { to, by }: { readonly to: DistrictState; readonly by: string },
): Promise<Taken> {
  const { id, state: from, policy } = district;
  const step = stepOf({ from, to, policy });
  if (step.outcome === "steps") {
    await tx("districts").where({ id }).update({ state: to });
    await tx("district_states").insert({ district: id, from_state: from, to_state: to, changed_by: by });
  }
  return { district: id, ...takenAs(step), state: step.outcome === "refused" ? from : to };
}

function takenAs(step: Step): Pick<Taken, "outcome" | "reason"> {
  if (step.outcome === "refused") return step;
  return { outcome: step.outcome === "steps" ? "done" : "unchanged", reason: null };
}

/** Names teachers, and begins the pilot where it has not begun. */
async function beginPilot(
  tx: Knex.Transaction,
  district: District,
  { users, by }: { readonly users: readonly string[]; readonly by: string },
): Promise<Taken> {
  const reason = await unknownUsers(tx, district.id, users);
  if (reason !== null) return { district: district.id, outcome: "refused", reason, state: district.state };
  const taken = await takeStep(tx, district, { to: "pilot", by });
  if (taken.outcome === "refused") return taken;
  const persons = await personsOf(tx, district.id, users);
  const rows = [...new Set(persons.values())].map((person) => ({ district: district.id, person, named_by: by }));
  const added: unknown[] = await tx("pilot_teachers")
    .insert(rows)
    .onConflict(["district", "person"])
    .ignore()
    .returning("person");
  return added.length === 0 ? taken : { ...taken, outcome: "done" };
}

/** Why these users cannot be named; null when they can. */
async function unknownUsers(tx: Knex.Transaction, district: string, users: readonly string[]): Promise<string | null> {
  const known: readonly { readonly id: string }[] = await tx("roster_users")
    .where({ district })
    .whereIn("sourced_id", users)
    .select("sourced_id as id");
  const missing = users.filter((user) => !known.some(({ id }) => id === user));
  if (missing.length === 0) return null;
  const anyone: unknown = await tx("roster_users").where({ district }).first("sourced_id");
  return anyone === undefined
    ? `no roster of ${district} was published yet: deliver one, then name its teachers`
    : `no user of the roster has the sourcedId ${missing.join(", ")}`;
}

async function removeTeachers(tx: Knex.Transaction, district: District, users: readonly string[]): Promise<Taken> {
  const { id, state } = district;
  const removed = await tx("pilot_teachers")
    .where({ district: id })
    .whereIn("person", tx("person_users").where({ district: id }).whereIn("sourced_id", users).select("person"))
    .delete();
  return { district: id, outcome: removed > 0 ? "done" : "unchanged", reason: null, state };
}

/** Whom the district named for its pilot, in the order in which they were named. */
export async function pilotTeachers(sql: Knex, district: string): Promise<readonly PilotTeacher[]> {
  const { rows } = await sql.raw<{
    readonly rows: readonly (Omit<PilotTeacher, "namedAt"> & { readonly namedAt: Date })[];
  }>(
    `select t.person, t.named_by as "namedBy", t.named_at as "namedAt",
       array_agg(u.sourced_id order by u.sourced_id) as "sourcedIds"
     from pilot_teachers t join person_users u on u.district = t.district and u.person = t.person
     where t.district = ? group by t.district, t.person order by t.named_at, t.person`,
    [district],
  );
  return rows.map((row) => ({ ...row, namedAt: row.namedAt.toISOString() }));
}
