// What became of people in one district, in words that are the same in every run of the same facts: persons by their
// users, and nothing that says when. And whether the topics say what the tables hold.

import type { Records, Registration, TeacherRoster } from "../../libs/records.ts";
import { districtTopic } from "../../libs/topics.ts";
import type { PeopleDistrict } from "../support/people-district.ts";

/** Lines by a name that is the same in every run. */
export type PeopleState = Readonly<Record<string, string>>;

type Login = {
  readonly subject: string;
  readonly person: string | null;
  readonly state: string;
  readonly reason: string;
  readonly evidence: { readonly kinds?: readonly string[] };
};
type Row = Omit<Registration, "at" | "since" | "welcome">;

/** @throws Error when a topic does not say what its table holds, or work was left. */
export async function peopleState(run: PeopleDistrict): Promise<PeopleState> {
  const { system, district } = run;
  const { sql } = system;
  const users = await usersByPerson(run);
  const limited = new Set<string>(await sql("licenses").whereNotNull("seats").pluck("id"));
  const rows: readonly Row[] = await sql("registrations")
    .where({ district })
    .select("district", "person", "product", "status", "reason", "basis", "account", "license");
  const contended = new Set(
    rows
      .filter(({ reason, license }) => reason === "seat.none" || (license !== null && limited.has(license)))
      .map(({ person }) => person),
  );
  const logins: readonly Login[] = await sql("logins").where({ district });
  const rosters = await rostersSaid(run);
  const state = new Map<string, string>();
  const put = (name: string, value: unknown): void =>
    void state.set(neutral(run, name), neutral(run, JSON.stringify(value)));
  for (const { subject, person, state: told, reason, evidence } of logins)
    put(`login ${subject}`, {
      users: users.get(person ?? "") ?? [],
      kinds: evidence.kinds ?? [],
      told: contended.has(person ?? "") ? "depends on a seat" : `${told} ${reason}`,
    });
  for (const { person, product, status, reason, basis, account, license } of rows) {
    const isSeat = reason === "seat.none" || (license !== null && limited.has(license));
    const value = isSeat ? "depends on a seat" : { status, reason, basis, account, license };
    put(`registration ${nameOf(users, person)} ${product}`, value);
  }
  for (const { person, at: _, changeset: __, ...roster } of rosters)
    if (!contended.has(person)) put(`roster ${nameOf(users, person)} ${roster.class}`, roster);
  for (const { license, taken } of await seats(run)) put(`seats of ${license}`, taken);
  await registrationsSaid(run, rows);
  await nothingLeft(run);
  return Object.fromEntries([...state].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** The same words for what each run calls by ids of its own. */
function neutral({ district, nces }: PeopleDistrict, text: string): string {
  return text.replaceAll(district, "oak").replaceAll(nces.slice(1), "000001");
}

function nameOf(users: ReadonlyMap<string, readonly string[]>, person: string): string {
  return (users.get(person) ?? ["nobody"]).join("+");
}

async function usersByPerson({ system, district }: PeopleDistrict): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows: readonly { readonly person: string; readonly users: readonly string[] }[] = await system
    .sql("person_users")
    .where({ district })
    .groupBy("person")
    .select("person", system.sql.raw("array_agg(sourced_id order by sourced_id) as users"));
  return new Map(rows.map(({ person, users }) => [person, users]));
}

async function seats({
  system,
  district,
}: PeopleDistrict): Promise<readonly { readonly license: string; readonly taken: number }[]> {
  const rows: readonly { readonly license: string; readonly taken: number; readonly seats: number | null }[] =
    await system
      .sql("seats as s")
      .leftJoin("licenses as l", "l.id", "s.license")
      .where({ "s.district": district })
      .groupBy("s.license", "l.seats")
      .orderBy("s.license")
      .select("s.license", "l.seats", system.sql.raw("count(*) as taken"));
  for (const { license, taken, seats: most } of rows)
    if (most !== null && taken > most) throw new Error(`${license} has ${most} seats and ${taken} are taken`);
  return rows.map(({ license, taken }) => ({ license, taken }));
}

/** What stands on a compacted topic once each key has its last word. */
async function lastWords<N extends keyof Records>(
  { system }: PeopleDistrict,
  { topic, name }: { readonly topic: string; readonly name: N },
): Promise<readonly Records[N][]> {
  const words = new Map<string, Records[N]>();
  const extent = await system.log.extent(topic);
  if (extent === null) return [];
  const range = { topic, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of system.log.scan(range)) {
    for (const { key, value } of batch) {
      const id = Buffer.from(key).toString();
      if (value === null) words.delete(id);
      else words.set(id, system.records.decode(name, value));
    }
  }
  return [...words.values()];
}

async function registrationsSaid(run: PeopleDistrict, rows: readonly Row[]): Promise<void> {
  const topic = districtTopic("registrations", run.district);
  const said = await lastWords(run, { topic, name: "rollcall.registration.Registration" });
  const lines = (all: readonly Row[]): string =>
    JSON.stringify(
      all
        .map((row) => [row.person, row.product, row.status, row.reason, row.basis, row.account, row.license].join(" "))
        .toSorted(),
    );
  if (lines(said) !== lines(rows)) throw new Error(`registrations: ${lines(said)} is said of ${lines(rows)}`);
}

async function rostersSaid(run: PeopleDistrict): Promise<readonly TeacherRoster[]> {
  const topic = districtTopic("teacherRosters", run.district);
  const said = await lastWords(run, { topic, name: "rollcall.teacher.TeacherRoster" });
  const rows: readonly { readonly person: string; readonly class_id: string }[] = await run.system
    .sql("teacher_rosters")
    .where({ district: run.district });
  const [found, wanted] = [
    said.map((roster) => `${roster.person} ${roster.class}`).toSorted(),
    rows.map((row) => `${row.person} ${row.class_id}`).toSorted(),
  ];
  if (found.join() !== wanted.join()) throw new Error(`teacher-rosters: ${found.join()} is said of ${wanted.join()}`);
  return said;
}

/** Everything that came was worked on, and no mark is left. */
async function nothingLeft({ system, district }: PeopleDistrict): Promise<void> {
  const work: readonly { readonly topic: string; readonly reason: string | null }[] = await system
    .sql("work")
    .where({ district })
    .whereNot({ state: "done" });
  if (work.length > 0) throw new Error(`work is left: ${work.map((each) => `${each.topic} ${each.reason}`).join()}`);
  for (const table of ["registration_due", "login_due", "roster_due"]) {
    const marks: readonly unknown[] = await system.sql(table).where({ district });
    if (marks.length > 0) throw new Error(`${table} has marks`);
  }
}
