// Verbs about what teachers see: `rollcall roster` shows it, `rollcall rebuild` makes the tables it comes from again.

import { Command } from "commander";

import { judgedBy, openDesk, rostersOf } from "../../services/rosters/publish.ts";
import { rebuild, type Rebuilt } from "../../services/rosters/rebuild.ts";
import { publishedOf } from "../adapters/postgres/roster-facts.ts";
import { personNamed } from "../adapters/postgres/people.ts";
import type { DistrictId } from "../domain/ids.ts";
import type { Roster } from "../domain/roster.ts";
import { AppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, type JsonOption, withSystem } from "./command.ts";
import { onSettled, unsettledText } from "./settled.ts";
import type { System } from "./system.ts";

const patienceMs = 60_000;

export function rosterVerbs(): readonly Command[] {
  return [rosterVerb(), rebuildVerb()];
}

/** The published classes of one teacher. `person` null: nobody asked for this user's rosters yet. */
export type TeacherView = {
  readonly district: string;
  readonly teacher: string;
  readonly person: string | null;
  readonly classes: readonly Roster[];
};

function rosterVerb(): Command {
  return described(
    new Command("roster")
      .argument("<district>")
      .argument("<teacher>", "sourcedId of a user, or the id of a person or login"),
    {
      says: "show what a teacher sees: classes with their students, course, school and terms",
      example: "rollcall roster springfield t0000007",
    },
  ).action(async (id: string, teacher: string, options: JsonOption) => {
    await withSystem(async (system) => {
      const district = await knownDistrict(system, id);
      await onSettled(system, async (isSettled) => {
        const view = await teacherRoster(system, district, teacher);
        await answer(options, { text: `${rosterText(view)}${unsettledText(isSettled)}`, json: view });
      });
    });
  });
}

/**
 * What is published for a teacher, as it is now.
 * @param teacher sourcedId of a user, or the id of a person or of a login.
 * @throws AppError `person.unknown` when there never was such a user, person or login.
 */
export async function teacherRoster(system: System, district: DistrictId, teacher: string): Promise<TeacherView> {
  const named = (await personNamed(system.sql, district, teacher)) ?? (await personOfLogin(system, district, teacher));
  if (named === undefined)
    throw new AppError("person.unknown", {
      message: `nobody in ${district} has this sourcedId, person id or login id`,
    });
  const { person } = named;
  if (person === null) return { district, teacher, person, classes: [] };
  const published = new Set((await publishedOf(system.sql, district, [person])).map(({ classId }) => classId));
  const desk = await openDesk(system.sql, district, await judgedBy(system, system.sql, district));
  const classes: Roster[] = [];
  for await (const rosters of rostersOf(system.sql, desk, [person])) {
    for (const { roster } of rosters) if (published.has(roster.class)) classes.push(roster);
  }
  classes.sort((a, b) => (a.title === b.title ? compareText(a.class, b.class) : compareText(a.title, b.title)));
  return { district, teacher, person, classes };
}

async function personOfLogin(
  { sql }: System,
  district: DistrictId,
  login: string,
): Promise<{ readonly person: string | null } | undefined> {
  return sql("logins").where({ district }).andWhereRaw("cast(id as text) = ?", [login]).first("person");
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rosterText({ district, teacher, classes }: TeacherView): string {
  if (classes.length === 0) return `${teacher} sees no classes\n  why:  rollcall explain ${district} ${teacher}`;
  return classes.map(classText).join("\n");
}

function classText(roster: Roster): string {
  const { course, school, terms, students } = roster;
  const marks = [roster.primary ? "" : "not primary", roster.state === "archived" ? "archived" : ""].filter(
    (mark) => mark !== "",
  );
  const names = students.map(({ sourcedId, givenName, familyName }) => `    ${familyName}, ${givenName}  ${sourcedId}`);
  return [
    `${roster.title}  ${roster.class}${marks.length === 0 ? "" : `  (${marks.join(", ")})`}`,
    `  school: ${school === null ? "not delivered" : `${school.name}  ${school.sourcedId}`}`,
    `  course: ${course === null ? "not delivered" : `${course.title}  ${course.sourcedId}`}`,
    `  terms: ${terms.length === 0 ? "none known" : terms.map((term) => `${term.title} ${term.startDate} to ${term.endDate}`).join("; ")}`,
    `  students: ${students.length}`,
    ...names,
  ].join("\n");
}

type RebuildFlags = JsonOption & { readonly dryRun?: boolean };

function rebuildVerb(): Command {
  return described(new Command("rebuild").argument("<district>"), {
    says: "make a district's roster tables again from its topic, and publish what differs",
    example: "rollcall rebuild springfield --dry-run",
  })
    .option("--dry-run", "only say how the tables differ from the topic")
    .action(async (id: string, options: RebuildFlags) => {
      const isDryRun = options.dryRun === true;
      await withSystem(async (system) => {
        const district = await knownDistrict(system, id);
        const rebuilt = await rebuild(system, district, { isDryRun, patienceMs });
        await answer(options, { text: rebuiltText(rebuilt, isDryRun), json: { district, isDryRun, ...rebuilt } });
      });
    });
}

function rebuiltText({ changeset, differences, published, withdrawn }: Rebuilt, isDryRun: boolean): string {
  const rows = differences.map(
    ({ type, onlyLive, onlyTopic, differing }) =>
      `  ${type}: ${onlyLive} only in the tables, ${onlyTopic} only on the topic, ${differing} differ`,
  );
  const head = `the topic up to changeset ${changeset} ${rows.length === 0 ? "is what the tables hold" : "differs from the tables"}`;
  const end = isDryRun
    ? "nothing was changed"
    : `rebuilt; teachers' classes: ${published} published, ${withdrawn} withdrawn`;
  return [head, ...rows, end].join("\n");
}
