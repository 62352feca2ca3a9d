// Judges logins by the facts that hold now: whom they belong to, what the person may use, and what has changed by that.
// It keeps true: called twice it changes nothing; what it publishes is the whole state of a key; of two who want the
// last seat of a license the one whose transaction locks the license first has it.

import type { Knex } from "knex";

import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import { evidenceOf, userNamed, userReference } from "../../libs/adapters/postgres/evidence.ts";
import { factsOf, type JudgedDistrict } from "../../libs/adapters/postgres/person-facts.ts";
import { lockDistrict, personsNow, personsOf } from "../../libs/adapters/postgres/people.ts";
import { localDate } from "../../libs/domain/dates.ts";
import { claimsOf, type LoginClaims, type Match, match } from "../../libs/domain/identity.ts";
import { reasonOfMatch, standing } from "../../libs/domain/registration/decide.ts";
import type { Facts, Standing } from "../../libs/domain/registration/facts.ts";
import { type Reason, reasons } from "../../libs/domain/registration/reasons.ts";
import type { Transaction } from "../../libs/ports.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { RegistrationContext } from "./context.ts";
import { closeLedger, openLedger, putGrants } from "./grants.ts";

/** What a person decided about a login: the users it is, who are one person; or the person it is not. */
export type StoredDecision =
  | { readonly verdict: "link"; readonly users: readonly string[]; readonly by: string; readonly at: number }
  | { readonly verdict: "undo"; readonly person: string | null; readonly by: string; readonly at: number };

type LoginRow = {
  readonly id: string;
  readonly issuer: string;
  readonly claims: LoginClaims;
  readonly decision: StoredDecision | null;
  readonly person: string | null;
  readonly evidence: unknown;
};

/** Whom a login belongs to, with the kinds of evidence; or why nobody, with the persons and users in question. */
type Linked =
  | { readonly person: string; readonly evidence: { readonly kinds: readonly string[] } }
  | { readonly person: null; readonly reason: Reason; readonly evidence: { readonly candidates: readonly string[] } };

/** The district as it is judged now; null when there is none. */
export async function judgedDistrict(
  { clock }: Pick<RegistrationContext, "clock">,
  sql: Knex,
  id: string,
): Promise<JudgedDistrict | null> {
  const row = await districtOf(sql, id);
  if (row === null) return null;
  const { state, stateSince, policy, policySince } = row;
  return { id, state, stateSince, policy, policySince, today: localDate(clock.now(), policy.timeZone) };
}

/** Judges these logins of a district. The district's row is locked first: by what it says is judged until the commit. */
export async function judge(
  context: RegistrationContext,
  tx: Transaction,
  { district: id, logins }: { readonly district: string; readonly logins: readonly string[] },
): Promise<void> {
  const { sql } = tx;
  await lockDistrict(sql, id);
  const district = await judgedDistrict(context, sql, id);
  if (district === null) return;
  const rows: readonly LoginRow[] = await sql("logins")
    .where({ district: id })
    .whereIn("id", [...logins])
    .orderBy("id")
    .select("id", "issuer", "claims", "decision", "person", "evidence");
  const links = await linksOf(sql, district, rows);
  const at = new Date(context.clock.now());
  const unlinked: Told[] = [];
  for (const row of rows) {
    const link = links.get(row.id);
    if (link === undefined) continue;
    await storeLink(sql, { row, link, at });
    if (link.person === null) unlinked.push({ id: row.id, reason: link.reason });
  }
  const changed = await storeStates(sql, { column: "id", told: unlinked, at });
  askForReview(context, tx, { district: id, changed, at });
  const linked = [...links.values()].flatMap(({ person }) => person ?? []);
  const persons = [...rows.flatMap(({ person }) => person ?? []), ...linked];
  await judgePersons(context, tx, { district, persons: [...new Set(persons)].toSorted(), at });
}

async function linksOf(
  sql: Knex.Transaction,
  district: JudgedDistrict,
  rows: readonly LoginRow[],
): Promise<ReadonlyMap<string, Linked>> {
  const { policy } = district;
  const evidence = await evidenceOf(
    sql,
    district.id,
    new Map(rows.map(({ id, claims }) => [id, claimsOf(claims, policy)])),
  );
  const matches = rows.map((row): { readonly row: LoginRow; readonly found: Match } => ({
    row,
    found: decided(row) ?? match(evidence.get(row.id) ?? []),
  }));
  const undone = await personsNow(
    sql,
    rows.flatMap(({ decision }) => undonePerson(decision) ?? []),
  );
  const named = matches.flatMap(({ found }) => (found.outcome === "one" ? (userNamed(found.person) ?? []) : []));
  const persons = await personsOf(sql, district.id, [...named, ...rows.flatMap(({ decision }) => usersOf(decision))]);
  return new Map(matches.map(({ row, found }) => [row.id, linked({ row, found, persons, undone, district })]));
}

function usersOf(decision: StoredDecision | null): readonly string[] {
  return decision?.verdict === "link" ? decision.users : [];
}

function undonePerson(decision: StoredDecision | null): string | null {
  return decision?.verdict === "undo" ? decision.person : null;
}

/** What a person said about whom the login belongs to is the best evidence. */
function decided({ decision }: LoginRow): Match | null {
  const [user] = usersOf(decision);
  return user === undefined ? null : { outcome: "one", person: userReference(user), kinds: ["decision"] };
}

function linked({
  row,
  found,
  persons,
  undone,
  district,
}: {
  readonly row: LoginRow;
  readonly found: Match;
  readonly persons: ReadonlyMap<string, string>;
  /** The person that each undone one is now. */
  readonly undone: ReadonlyMap<string, string>;
  readonly district: JudgedDistrict;
}): Linked {
  const { signOn, startDate } = district.policy;
  if (!signOn.issuers.includes(row.issuer))
    return { person: null, reason: "login.issuer", evidence: { candidates: [] } };
  if (found.outcome === "none") {
    // Before its first day a district has no roster yet in which anybody could be found.
    const isBefore = startDate !== null && district.today < startDate;
    return { person: null, reason: isBefore ? "start.future" : "match.none", evidence: { candidates: [] } };
  }
  if (found.outcome !== "one")
    return { person: null, reason: reasonOfMatch(found), evidence: { candidates: found.persons } };
  const user = userNamed(found.person);
  const person = user === null ? found.person : (persons.get(user) ?? found.person);
  const not = undonePerson(row.decision);
  if (not !== null && (not === person || undone.get(not) === person))
    return { person: null, reason: "match.undone", evidence: { candidates: [person] } };
  return { person, evidence: { kinds: found.kinds } };
}

async function storeLink(
  sql: Knex.Transaction,
  { row, link, at }: { readonly row: LoginRow; readonly link: Linked; readonly at: Date },
): Promise<void> {
  const evidence = JSON.stringify(link.evidence);
  const isSame = row.person === link.person;
  if (isSame && JSON.stringify(row.evidence) === evidence) return;
  const linkedAt = isSame ? {} : { linked_at: link.person === null ? null : at };
  await sql("logins")
    .where({ id: row.id })
    .update({ person: link.person, evidence, ...linkedAt });
}

/** What a login, or every login of a person, is told. */
type Told = { readonly id: string; readonly reason: Standing["reason"] };

/** Writes what logins are told; `since` moves only where that changes. */
async function storeStates(
  sql: Knex.Transaction,
  { column, told, at }: { readonly column: "id" | "person"; readonly told: readonly Told[]; readonly at: Date },
): Promise<readonly Told[]> {
  if (told.length === 0) return [];
  const states = told.map(({ reason }) => (reason === "open" ? "active" : reasons[reason].state));
  const { rows } = await sql.raw<{ readonly rows: readonly Told[] }>(
    `update logins set state = told.state, reason = told.reason, since = ?
     from unnest(cast(? as uuid[]), cast(? as text[]), cast(? as text[])) as told (id, state, reason)
     where logins.?? = told.id and (logins.state, logins.reason) <> (told.state, told.reason)
     returning told.id, told.reason`,
    [at, told.map(({ id }) => id), states, told.map(({ reason }) => reason), column],
  );
  return rows;
}

/** Tells people of each login that waits for them from now on. */
function askForReview(
  context: RegistrationContext,
  tx: Transaction,
  { district, changed, at }: { readonly district: string; readonly changed: readonly Told[]; readonly at: Date },
): void {
  const waiting = changed.filter(({ reason }) => reason !== "open" && reasons[reason].state === "review");
  const records = waiting.map(({ id, reason }) => {
    const notice = {
      district,
      code: "login.review",
      severity: "warning",
      message: `login ${id} waits for a person to say who it is: ${reason}`,
      remedy: "Look at it with `rollcall login list --state review`, then say who it is with `rollcall login link`.",
      since: at.getTime(),
      at: at.getTime(),
    };
    const value = context.records.encode("rollcall.control.Notice", notice);
    return { key: controlKey(district, "login.review"), value };
  });
  if (records.length > 0) tx.append(controlTopics.notices.name, records);
}

async function judgePersons(
  context: RegistrationContext,
  tx: Transaction,
  {
    district,
    persons,
    at,
  }: { readonly district: JudgedDistrict; readonly persons: readonly string[]; readonly at: Date },
): Promise<void> {
  if (persons.length === 0) return;
  const facts = await factsUnderLock(tx.sql, district, persons);
  const ledger = await openLedger(tx.sql, persons);
  const told: Told[] = [];
  for (const person of persons) {
    const own = facts.get(person);
    if (own === undefined) continue;
    const { reason, products } = own.logins.length === 0 ? nobody : standing(withSeatsTaken(own, ledger.taken));
    const grants = products.map(({ grant }) => grant);
    await putGrants(context, tx, { district: district.id, person, grants, ledger, at });
    told.push({ id: person, reason });
  }
  await storeStates(tx.sql, { column: "person", told, at });
  await closeLedger(tx.sql, ledger);
}

/** Someone whom no login belongs to any more has nothing. */
const nobody = { reason: "open", products: [] } as const;

/** The facts, read once the licenses whose seats are counted can no longer change hands. */
async function factsUnderLock(
  sql: Knex.Transaction,
  district: JudgedDistrict,
  persons: readonly string[],
): Promise<ReadonlyMap<string, Facts>> {
  const facts = await factsOf(sql, district, persons);
  const counted = [...facts.values()].flatMap(({ licenses }) =>
    licenses.flatMap(({ license, seatsLeft }) => (seatsLeft === null ? [] : [license])),
  );
  if (counted.length === 0) return facts;
  await sql.raw("select 1 from licenses where id = any(cast(? as text[])) order by id for no key update", [
    [...new Set(counted)],
  ]);
  return factsOf(sql, district, persons);
}

/** The facts with the seats that others of the same transaction have taken or given back. */
function withSeatsTaken(facts: Facts, taken: ReadonlyMap<string, number>): Facts {
  const licenses = facts.licenses.map((license) => ({
    ...license,
    seatsLeft: license.seatsLeft === null ? null : license.seatsLeft - (taken.get(license.license) ?? 0),
  }));
  return { ...facts, licenses };
}
