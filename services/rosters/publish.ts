// What teachers see, brought to what holds now: each class of each person whose rosters are open, held against what was
// published last. Only what differs is appended; what is no more is withdrawn by a null.
//
// Persons are taken a hundred at a time and their classes likewise, so that memory does not grow with the district but
// for the records that go out, which wait for the commit.

import { createHash } from "node:crypto";

import type { Knex } from "knex";

import { lockDistrict, personsOf } from "../../libs/adapters/postgres/people.ts";
import {
  admitted,
  classFacts,
  forgetPublished,
  type Frame,
  frameOf,
  type PersonPlace,
  personsToLookAt,
  preferIndexes,
  publishedOf,
  type PublishedRoster,
  rememberPublished,
  teacherPlaces,
  teachersWithoutPerson,
} from "../../libs/adapters/postgres/roster-facts.ts";
import { type DistrictStanding, standingOf } from "../../libs/adapters/postgres/roster-state.ts";
import { localDate } from "../../libs/domain/dates.ts";
import type { DistrictId } from "../../libs/domain/ids.ts";
import { audienceOf, orgsInScope, type Roster, rosterOf, type Rules } from "../../libs/domain/roster.ts";
import type { NewRecord, Transaction } from "../../libs/ports.ts";
import { AppError } from "../../libs/errors.ts";
import { controlKey, districtTopic } from "../../libs/topics.ts";
import { appendNotice, fence, type HeldDistrict, type RostersContext } from "./context.ts";

const personsPerBatch = 100;
const classesPerBatch = 100;
// What Kafka takes of one record, less room for all that is beside the value. The other log takes more, but what is
// published there can be moved.
const largestRoster = 990_000;
const classesNamed = 5;

/** By what a district is judged: its standing, and its own day. */
export type Judged = { readonly standing: DistrictStanding; readonly today: string };

/** How many rosters were published anew or changed, and how many withdrawn. */
export type Published = { readonly published: number; readonly withdrawn: number };

/** Also the classes that no record can hold. */
type Attempted = Published & { readonly tooLarge: ReadonlySet<string> };

export async function judgedBy(
  { clock }: Pick<RostersContext, "clock">,
  sql: Knex,
  district: DistrictId,
): Promise<Judged> {
  const standing = await standingOf(sql, district);
  return { standing, today: localDate(clock.now(), standing.policy.timeZone) };
}

/**
 * Publishes what differs, of these persons or (null) of all, and locks the district's row. What decides is read before
 * that; if it changed until the row was ours, all is looked at again.
 * @returns with by what it was judged, which holds until commit.
 */
export async function publishFenced(
  context: RostersContext,
  tx: Transaction,
  about: { readonly district: HeldDistrict; readonly persons: readonly string[] | null; readonly changeset: number },
): Promise<Published & { readonly judged: Judged }> {
  const { district, persons, changeset } = about;
  const before = await judgedBy(context, tx.sql, district.id);
  if (persons === null) await makePersons(context, tx, { district: district.id, judged: before });
  const { tooLarge, ...first } = await publish(context, tx, {
    district: district.id,
    judged: before,
    persons,
    changeset,
  });
  await fence(tx, district);
  const judged = await judgedBy(context, tx.sql, district.id);
  if (judged.today === before.today && judged.standing.fingerprint === before.standing.fingerprint) {
    sayTooLarge(context, tx, { district: district.id, classes: tooLarge });
    return { ...first, judged };
  }
  const second = await publish(context, tx, { district: district.id, judged, persons, changeset });
  sayTooLarge(context, tx, { district: district.id, classes: second.tooLarge });
  // What the new rules ask for beside publishing, such as persons for all teachers, is left to another look: it comes at
  // once, for the district is noted as judged by the old ones.
  const standing = { ...judged.standing, fingerprint: before.standing.fingerprint };
  return {
    published: first.published + second.published,
    withdrawn: first.withdrawn + second.withdrawn,
    judged: { ...judged, standing },
  };
}

/** One class that cannot be published takes no other away: it is left out, and said. */
function sayTooLarge(
  context: RostersContext,
  tx: Transaction,
  { district, classes }: { readonly district: DistrictId; readonly classes: ReadonlySet<string> },
): void {
  if (classes.size === 0) return;
  const named = [...classes].toSorted().slice(0, classesNamed);
  const more = classes.size > named.length ? ` and ${classes.size - named.length} more` : "";
  const error = new AppError("roster.too-large", {
    message: `publishing classes that are larger than a record may be: ${named.join(", ")}${more}`,
  });
  appendNotice(context, tx, { district, error });
  context.logger.error({ district, err: error, remedy: error.remedy }, "classes are left out");
}

/** Where every teacher's rosters are shown, each teacher is a person, also before the first login. */
async function makePersons(
  { log }: RostersContext,
  tx: Transaction,
  { district, judged }: { readonly district: DistrictId; readonly judged: Judged },
): Promise<void> {
  if (audienceFor(judged).persons !== "all") return;
  const users = await teachersWithoutPerson(tx.sql, district);
  if (users.length === 0) return;
  // In a transaction of its own: persons are made under the district's row, which is locked here only at the end.
  await log.transaction(async (own) => {
    await lockDistrict(own.sql, district);
    await personsOf(own.sql, district, users);
  });
}

function audienceFor({ standing, today }: Judged): ReturnType<typeof audienceOf> {
  return audienceOf(standing.state, standing.policy, today);
}

type Publication = {
  readonly district: DistrictId;
  readonly judged: Judged;
  readonly persons: readonly string[] | null;
  readonly changeset: number;
};

async function publish(context: RostersContext, tx: Transaction, publication: Publication): Promise<Attempted> {
  const { district, judged } = publication;
  const persons = publication.persons ?? (await personsToLookAt(tx.sql, district, audienceFor(judged).persons));
  await preferIndexes(tx.sql);
  const desk = await openDesk(tx.sql, district, judged);
  let [published, withdrawn] = [0, 0];
  const tooLarge = new Set<string>();
  for (let i = 0; i < persons.length; i += personsPerBatch) {
    const done = await publishOf(context, tx, {
      desk,
      persons: persons.slice(i, i + personsPerBatch),
      changeset: publication.changeset,
    });
    published += done.published;
    withdrawn += done.withdrawn;
    for (const each of done.tooLarge) tooLarge.add(each);
  }
  return { published, withdrawn, tooLarge };
}

/** What is read once for all persons of a district. */
export type Desk = Judged & { readonly district: DistrictId; readonly frame: Frame; readonly rules: Rules };

export async function openDesk(sql: Knex, district: DistrictId, judged: Judged): Promise<Desk> {
  const frame = await frameOf(sql, district);
  const { orgScope, classWindow } = judged.standing.policy;
  const orgs = orgsInScope([...frame.orgs.values()], orgScope);
  return { ...judged, district, frame, rules: { today: judged.today, classWindow, orgs } };
}

type Batch = { readonly desk: Desk; readonly persons: readonly string[]; readonly changeset: number };

async function publishOf(context: RostersContext, tx: Transaction, batch: Batch): Promise<Attempted> {
  const { desk, persons, changeset } = batch;
  const topic = districtTopic("teacherRosters", desk.district);
  const before = await publishedOf(tx.sql, desk.district, persons);
  const gone = new Map(before.map((each) => [controlKey(each.person, each.classId), each]));
  const at = context.clock.now();
  const tooLarge = new Set<string>();
  let published = 0;
  for await (const rosters of rostersOf(tx.sql, desk, persons)) {
    const records: NewRecord[] = [];
    const changed: PublishedRoster[] = [];
    for (const { person, roster } of rosters) {
      const key = controlKey(person, roster.class);
      const hash = hashOf(context, person, roster);
      const isSame = gone.get(key)?.hash === hash;
      const value = isSame ? null : encoded(context, { person, roster, changeset, at });
      if (value !== null && value.length > largestRoster) {
        // What was published of it before is withdrawn: it is true no more.
        tooLarge.add(roster.class);
        continue;
      }
      gone.delete(key);
      if (value === null) continue;
      records.push({ key, value: Buffer.from(value) });
      changed.push({ person, classId: roster.class, hash });
    }
    if (records.length > 0) tx.append(topic, records);
    await rememberPublished(tx.sql, desk.district, changed);
    published += changed.length;
  }
  const nulls = [...gone.keys()].map((key) => ({ key, value: null }));
  if (nulls.length > 0) tx.append(topic, nulls);
  await forgetPublished(tx.sql, desk.district, [...gone.values()]);
  return { published, withdrawn: gone.size, tooLarge };
}

/** A class of a person that is to be seen now. */
export type OpenRoster = { readonly person: string; readonly roster: Roster };

/** The rosters of those of the persons who may have them, some classes at a time. */
export async function* rostersOf(
  sql: Knex,
  desk: Desk,
  persons: readonly string[],
): AsyncGenerator<readonly OpenRoster[]> {
  const { persons: audience, isPilot } = audienceFor(desk);
  const open = await admitted(sql, desk.district, { persons, audience, isPilot });
  if (open.size === 0) return;
  const byClass = new Map<string, PersonPlace[]>();
  for (const place of await teacherPlaces(sql, desk.district, [...open])) {
    const places = byClass.get(place.classId) ?? [];
    byClass.set(place.classId, places);
    places.push(place);
  }
  const classes = [...byClass.keys()].toSorted();
  for (let i = 0; i < classes.length; i += classesPerBatch) {
    const some = classes.slice(i, i + classesPerBatch);
    const facts = await classFacts(sql, desk.district, { classes: some, frame: desk.frame });
    yield [...facts.values()].flatMap((each) =>
      [...byPerson(byClass.get(each.sourcedId) ?? [])].flatMap(([person, places]) => {
        const roster = rosterOf(each, places, desk.rules);
        return roster === null ? [] : [{ person, roster }];
      }),
    );
  }
}

function byPerson(places: readonly PersonPlace[]): ReadonlyMap<string, readonly PersonPlace[]> {
  return Map.groupBy(places, ({ person }) => person);
}

/** Of what a record says, not of when it was published. */
function hashOf(context: RostersContext, person: string, roster: Roster): string {
  return createHash("sha256")
    .update(encoded(context, { person, roster, changeset: 0, at: 0 }))
    .digest("hex");
}

function encoded(
  { records }: RostersContext,
  { roster, ...about }: OpenRoster & { readonly changeset: number; readonly at: number },
): Uint8Array {
  return records.encode("rollcall.teacher.TeacherRoster", { ...roster, ...about });
}
