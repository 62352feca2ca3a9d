// The second half of the demo: a teacher signs in before and after the school's license, sees the classes, and one who
// sees nothing is told why. Everything goes over the HTTP API, as a sign-on gateway and a licensing service would do it.

import { setTimeout as sleep } from "node:timers/promises";

import type { LoginView } from "../../services/ops/login-views.ts";
import { explain } from "../../services/registration/explain.ts";
import { assert } from "../domain/assert.ts";
import type { DistrictId } from "../domain/ids.ts";
import type { Policy } from "../domain/policy.ts";
import { AppError } from "../errors.ts";
import { writeOut } from "../runtime/output.ts";
import { ApiClient, pathOf, serveHere } from "./api.ts";
import { releaseDistrict } from "./district-states.ts";
import { explanationText } from "./explain.ts";
import { teacherRoster, type TeacherView } from "./rosters.ts";
import { factsSettled } from "./settled.ts";
import type { System } from "./system.ts";

const product = "music";
const patienceMs = 15_000;
const pollMs = 20;
const classesShown = 4;

/** What a demo district's policy says of its teachers. */
export function teacherPolicy(district: string): Pick<Policy, "signOn" | "features"> {
  return {
    signOn: { issuers: [issuerOf(district)], userIdTypes: [] },
    features: { autoRegistration: "simple" },
  };
}

function issuerOf(district: string): string {
  return `https://id.${district}.example`;
}

type Teacher = { readonly id: string; readonly school: string };
type Stage = { readonly system: System; readonly district: DistrictId; readonly api: ApiClient };

/** @throws AppError `demo.differs` when a teacher is not told what should be so. */
export async function showTeachers(system: System, district: DistrictId): Promise<void> {
  const served = await serveHere(system, { host: "127.0.0.1", port: 0 });
  try {
    await teachers({ system, district, api: new ApiClient(served) });
  } finally {
    await served.close();
  }
}

async function teachers(stage: Stage): Promise<void> {
  const { system, district, api } = stage;
  await say(`\nTeachers: ${district} is released, and registers its teachers by the licenses of their schools`);
  await releaseDistrict(system, district, "demo");
  // Who has classes is known once the rosters of the last night are there.
  await factsSettled(system);
  const [licensed, other] = await twoTeachers(stage);
  const login = await signIn(stage, licensed);
  await expect(stage, login, "inactive");
  await say(
    `\nThe school gets its license: rollcall license put music-1 --product ${product} --org ${licensed.school}`,
  );
  await api.ask("PUT", pathOf("licenses", "music-1"), { product, orgs: [licensed.school] });
  await expect(stage, login, "active");
  await say(`\nWhat the teacher sees: rollcall roster ${district} ${licensed.id}`);
  await showRoster(await shownRoster(stage, licensed.id));
  await expect(stage, await signIn(stage, other), "inactive");
  await say(`\nThis teacher, of another school, sees nothing. Why? rollcall explain ${district} ${other.id}`);
  const explanation = await explain(system, { district, who: other.id });
  assert(explanation !== null, "a teacher of the roster can be explained");
  await say(explanationText({ ...explanation, classes: explanation.classes.slice(0, 1) }));
}

/** Teachers of two schools, the first with classes today if anybody has. */
async function twoTeachers({ system, district }: Stage): Promise<readonly [Teacher, Teacher]> {
  const { rows } = await system.sql.raw<{ readonly rows: readonly Teacher[] }>(
    `select distinct on (o.identifier) r.user_id as id, o.identifier as school
     from roster_roles r join roster_orgs o on o.district = r.district and o.sourced_id = r.org_id
     where r.district = ? and r.role = 'teacher' and o.org_type = 'school'
     order by o.identifier, (select count(*) from roster_enrollments e
       where e.district = r.district and e.user_id = r.user_id and e.role = 'teacher'
         and coalesce(e.begin_date <= current_date, true) and coalesce(e.end_date > current_date, true)) desc, r.user_id`,
    [district],
  );
  const [first, second] = rows;
  assert(first !== undefined && second !== undefined, "the sample has two schools");
  return [first, second];
}

async function signIn({ district, api }: Stage, { id }: Teacher): Promise<LoginView> {
  const issuer = issuerOf(district);
  await say(
    `\nA teacher signs in: rollcall login ${district} --issuer ${issuer} --subject sub-${id} --sourced-id ${id}`,
  );
  const event = { eventId: `demo-${id}`, issuer, subject: `sub-${id}`, at: Date.now(), sourcedId: id };
  return api.ask<LoginView>("POST", "/logins", event);
}

async function expect({ api }: Stage, { id }: LoginView, state: LoginView["state"]): Promise<void> {
  const told = await until(
    async () => api.ask<LoginView>("GET", pathOf("logins", id)),
    (view) => view.state === state,
  );
  await say(`  ${told.state}: ${told.teacher}`);
  if (told.state !== state)
    throw new AppError("demo.differs", {
      message: `the login is ${told.state} (${told.reason}) and should be ${state}`,
    });
}

async function shownRoster({ system, district }: Stage, teacher: string): Promise<TeacherView> {
  return until(
    async () => teacherRoster(system, district, teacher),
    ({ classes }) => classes.length > 0,
  );
}

async function showRoster({ classes }: TeacherView): Promise<void> {
  // Between two school years there may be none.
  if (classes.length === 0) return say("  no class runs today");
  for (const { title, school, terms, students } of classes.slice(0, classesShown))
    await say(
      `  ${title}, ${school?.name ?? "no school"}, ${terms.map((term) => term.title).join(", ")}: ${students.length} students`,
    );
  if (classes.length > classesShown) await say(`  ... ${classes.length} classes`);
}

/** What is asked for, once it is as wished or the patience is at its end. */
async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (isSo(answer) || performance.now() > deadline) return answer;
    await sleep(pollMs);
  }
}

async function say(text: string): Promise<void> {
  await writeOut(`${text}\n`);
}
