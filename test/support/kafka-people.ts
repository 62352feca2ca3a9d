// A short story of one district that all services have a part in: three nights with some hundred students, and teachers
// who sign in, get licenses and have accounts between them. Told in two districts it ends alike, whatever happens to the
// processes; what it must end in is known from the sets alone, too.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { databaseFailure } from "../../libs/adapters/postgres/database.ts";
import { type SourceId, parseSourceId } from "../../libs/domain/ids.ts";
import { isAppError } from "../../libs/errors.ts";
import { receive } from "../../libs/ingest/deliver.ts";
import { type PeopleState, peopleState } from "../torture/people-state.ts";
import type { KafkaStage } from "./kafka-stage.ts";
import { type PeopleDistrict, peoplePolicy } from "./people-district.ts";
import { ncesIds, type Roster, type Row, type Rows, rowsOf, type Teacher, writeSet } from "./people-set.ts";
import { addDistrict } from "./system.ts";

export type Storyteller = PeopleDistrict & { readonly stage: KafkaStage; readonly issuer: string };

const patienceMs = 120_000;
/** Longer than the database is away. */
const awayMs = 400_000;
const files = sourceId("files");

/** A new, released district on the stage. */
export async function storyIn(stage: KafkaStage, name: string, number: number): Promise<Storyteller> {
  const { system } = stage;
  const domain = `${name}.example`;
  const issuer = `https://id.${domain}`;
  const policy = peoplePolicy({ domain }, { signOn: { issuers: [issuer], userIdTypes: ["SIS"] } });
  const district = await addDistrict(system, name, policy);
  await system.sql("districts").where({ id: name }).update({ state: "released" });
  return { stage, system, district, domain, issuer, nces: `0${900_000 + number}` };
}

type Step = (run: Storyteller) => Promise<void>;

/** What happens, in its order. */
export const story: readonly Step[] = [
  (run) => deliver(run, 1),
  (run) => signIn(run, "t1"),
  (run) => license(run, "L1", "s1"),
  (run) => signIn(run, "t2"),
  (run) => deliver(run, 2),
  (run) => account(run, "A1", "t3"),
  (run) => signIn(run, "t3"),
  (run) => license(run, "L2", "s2"),
  (run) => deliver(run, 3),
  (run) => signIn(run, "t4"),
  (run) => signIn(run, "t5"),
];

/** Tells the story, with a pause before each step, which is done again for as long as a server is away. */
export async function tell(run: Storyteller, pauseMs: () => number = () => 0): Promise<void> {
  for (const step of story) {
    await sleep(pauseMs());
    await untilDone(() => step(run));
  }
}

async function untilDone(work: () => Promise<void>): Promise<void> {
  for (const deadline = performance.now() + awayMs; ; await sleep(200)) {
    try {
      return await work();
    } catch (error) {
      const isAway = isAppError(databaseFailure(error), "database.unreachable");
      if (!isAway || performance.now() > deadline) throw error;
    }
  }
}

/** The set of a night is only received: to read it is the work of ingest-sftp. */
async function deliver(run: Storyteller, night: number): Promise<void> {
  await receiveSet(run, setOf(run, night), `night-${night}`);
}

/** Hands a set over. @returns the delivery's id. */
export async function receiveSet(run: Storyteller, rows: Rows, name: string): Promise<string> {
  const { system, district } = run;
  const path = writeSet(folderOf(run, name), rows);
  const { id } = await receive(system, { district, source: files, path });
  return id;
}

/** Where a set of this name is. */
export function folderOf({ system, district }: Storyteller, name: string): string {
  return join(system.folder, `${district}-${name}`);
}

/** Where the set of the last night is. */
export function lastSet(run: Storyteller): string {
  return folderOf(run, "night-3");
}

async function signIn({ stage, issuer }: Storyteller, teacher: string): Promise<void> {
  const at = new Date(stage.system.clock.now()).toISOString();
  await stage.ask("POST", "/logins?wait=0", {
    eventId: `e-${teacher}`,
    issuer,
    subject: teacher,
    at,
    sourcedId: teacher,
  });
}

async function license(run: Storyteller, name: string, school: "s1" | "s2"): Promise<void> {
  const orgs = [ncesIds(run)[school]];
  await run.stage.ask("PUT", `/licenses/${run.district}-${name}?wait=0`, { product: "music", orgs });
}

async function account(run: Storyteller, name: string, teacher: string): Promise<void> {
  const email = `m${teacherIds.indexOf(teacher)}@${run.domain}`;
  await run.stage.ask("PUT", `/accounts/${run.district}-${name}?wait=0`, { product: "maths", email });
}

const teacherIds: readonly string[] = ["t1", "t2", "t3", "t4", "t5"];
/** Who teaches what on each night; who is not named is not in the set. */
const taught: Readonly<Record<number, Readonly<Record<string, readonly string[]>>>> = {
  1: { t1: ["k1"], t2: ["k2"], t4: ["k3"] },
  2: { t1: ["k1", "k2"], t2: ["k2"], t3: ["k1", "k3"], t4: ["k3"] },
  3: { t1: ["k1"], t3: ["k1", "k3"], t4: [], t5: ["k2"] },
};

function rosterOf(night: number): Roster {
  const teachers = Object.entries(taught[night] ?? {}).map(([id, classes]): readonly [string, Teacher] => {
    const at = teacherIds.indexOf(id);
    const org = classes.includes("k3") ? "s2" : "s1";
    return [id, { enabled: true, mail: at, name: at, role: "teacher", org, roleFrom: "", roleTo: "", classes }];
  });
  const students = { k1: night === 2 ? ["p1", "p2"] : ["p1"], k2: ["p2"], k3: night === 1 ? [] : ["p3"] };
  return { teachers: Object.fromEntries(teachers), students, identifier: "whole" };
}

/** The set of a night, whose year is now whenever this runs. */
export function setOf(run: Storyteller, night: number): Rows {
  return grown(rowsOf(rosterOf(night), run), { night, students: 300 });
}

/** The set of a night after the third: it differs from the one before in some names, and one student has left. */
export function laterSetOf(run: Storyteller, night: number): Rows {
  return grown(rowsOf(rosterOf(3), run), { night, students: 303 - night });
}

/** The set with more students in class k1, each tenth of whom has another name every night. */
export function grown(rows: Rows, { night, students }: { readonly night: number; readonly students: number }): Rows {
  const ids = Array.from({ length: students }, (_, at) => `b${at}`);
  const person = (id: string, at: number): Row => ({
    sourcedId: id,
    givenName: at % 10 === night ? `Given ${night}` : "Given",
    familyName: `Family ${id}`,
    username: id,
    email: "",
    enabledUser: "true",
  });
  const role = { roleType: "primary", role: "student", orgSourcedId: "s1" };
  const seat = { classSourcedId: "k1", schoolSourcedId: "s1", role: "student", primary: "" };
  const year = { startDate: "2020-08-01", endDate: "2199-06-30", schoolYear: "2199" };
  return {
    ...rows,
    academicSessions: [{ sourcedId: "y", title: "Year", type: "schoolYear", ...year }],
    users: [...(rows["users"] ?? []), ...ids.map(person)],
    roles: [...(rows["roles"] ?? []), ...ids.map((id) => ({ sourcedId: `r-${id}`, userSourcedId: id, ...role }))],
    enrollments: [
      ...(rows["enrollments"] ?? []),
      ...ids.map((id) => ({ sourcedId: `e-k1-${id}`, userSourcedId: id, ...seat })),
    ],
  };
}

/** What became of the district, once it is as wanted; or whatever it is when it has had its time. */
export async function stateInTime(
  run: Storyteller,
  isWanted: (state: PeopleState) => boolean,
): Promise<PeopleState | string> {
  for (const deadline = performance.now() + patienceMs; ; await sleep(200)) {
    const found = await peopleState(run).catch(String);
    if ((typeof found !== "string" && isWanted(found)) || performance.now() > deadline) return found;
  }
}

/** Whether everything of the story has had its effect: what the sets and the logins say, worked out by hand. */
export function isWhole(state: PeopleState): boolean {
  return Object.entries(ending).every(([name, words]) => state[name]?.includes(words) === true);
}

/** From the third night: who is active, and who of the students of a class is seen by whom. */
export const ending: Readonly<Record<string, string>> = {
  "login t1": "active",
  "login t2": "waiting",
  "login t3": "active",
  "login t5": "active",
  "roster t1 k1": '"p1"',
  "roster t3 k1": '"p1"',
  "roster t3 k3": '"p3"',
  "roster t5 k2": '"p2"',
};

function sourceId(name: string): SourceId {
  const id = parseSourceId(name);
  if (id === null) throw new Error(`${name} is no source id`);
  return id;
}
