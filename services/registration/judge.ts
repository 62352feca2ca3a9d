// Judges logins by the facts that hold now: whom they belong to, what the person may use, and what has changed by that.
// It keeps true: called twice it changes nothing; what it publishes is the whole state of a key; of two who want the
// last seat of a license the one whose transaction locks the license first has it.

import type { Knex } from "knex";

import { evidenceOf, userNamed } from "../../libs/adapters/postgres/evidence.ts";
import { factsOf, type JudgedDistrict } from "../../libs/adapters/postgres/person-facts.ts";
import { lockDistrict, personsOf } from "../../libs/adapters/postgres/people.ts";
import { claimsOf, type LoginClaims, type Match, match } from "../../libs/domain/identity.ts";
import { reasonOfMatch, standing } from "../../libs/domain/registration/decide.ts";
import type { Facts, Standing } from "../../libs/domain/registration/facts.ts";
import { type Reason, reasons } from "../../libs/domain/registration/reasons.ts";
import type { Transaction } from "../../libs/ports.ts";
import type { RegistrationContext } from "./context.ts";
import { putGrants } from "./grants.ts";

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
};

/** Whom a login belongs to, with the kinds of evidence; or why nobody, with the persons and users in question. */
type Linked =
  | { readonly person: string; readonly evidence: { readonly kinds: readonly string[] } }
  | { readonly person: null; readonly reason: Reason; readonly evidence: { readonly candidates: readonly string[] } };

/** Judges these logins of the district, in a transaction that has changed nothing of the district's people yet, or has locked its row. */
export async function judge(
  context: RegistrationContext,
  tx: Transaction,
  { district, logins }: { readonly district: JudgedDistrict; readonly logins: readonly string[] },
): Promise<void> {
  const { sql } = tx;
  await lockDistrict(sql, district.id);
  const rows: readonly LoginRow[] = await sql("logins")
    .where({ district: district.id })
    .whereIn("id", [...logins])
    .orderBy("id")
    .select("id", "issuer", "claims", "decision", "person");
  const links = await linksOf(sql, district, rows);
  const at = new Date(context.clock.now());
  for (const row of rows) {
    const link = links.get(row.id);
    if (link !== undefined) await storeLink(sql, { row, link, at });
  }
  const persons = [
    ...rows.flatMap(({ person }) => person ?? []),
    ...[...links.values()].flatMap(({ person }) => person ?? []),
  ];
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
  const named = matches.flatMap(({ found }) => (found.outcome === "one" ? (userNamed(found.person) ?? []) : []));
  const persons = await personsOf(sql, district.id, [...named, ...rows.flatMap(({ decision }) => usersOf(decision))]);
  return new Map(
    matches.map(({ row, found }) => [row.id, linked({ row, found, persons, issuers: policy.signOn.issuers })]),
  );
}

function usersOf(decision: StoredDecision | null): readonly string[] {
  return decision?.verdict === "link" ? decision.users : [];
}

/** What a person said about whom the login belongs to is the best evidence. */
function decided({ decision }: LoginRow): Match | null {
  const [user] = usersOf(decision);
  return user === undefined ? null : { outcome: "one", person: `user:${user}`, kinds: ["decision"] };
}

function linked({
  row,
  found,
  persons,
  issuers,
}: {
  readonly row: LoginRow;
  readonly found: Match;
  readonly persons: ReadonlyMap<string, string>;
  readonly issuers: readonly string[];
}): Linked {
  if (!issuers.includes(row.issuer)) return { person: null, reason: "login.issuer", evidence: { candidates: [] } };
  if (found.outcome === "none") return { person: null, reason: "match.none", evidence: { candidates: [] } };
  if (found.outcome !== "one")
    return { person: null, reason: reasonOfMatch(found), evidence: { candidates: found.persons } };
  const user = userNamed(found.person);
  const person = user === null ? found.person : (persons.get(user) ?? found.person);
  if (row.decision?.verdict === "undo" && row.decision.person === person)
    return { person: null, reason: "match.undone", evidence: { candidates: [person] } };
  return { person, evidence: { kinds: found.kinds } };
}

async function storeLink(
  sql: Knex.Transaction,
  { row, link, at }: { readonly row: LoginRow; readonly link: Linked; readonly at: Date },
): Promise<void> {
  const isSame = row.person === link.person;
  await sql("logins")
    .where({ id: row.id })
    .update({
      person: link.person,
      evidence: JSON.stringify(link.evidence),
      ...(isSame ? {} : { linked_at: link.person === null ? null : at }),
    });
  if (link.person === null) await storeState(sql, { where: { id: row.id }, reason: link.reason, at });
}

/** Writes what a login is told; `since` moves only when that changes. */
async function storeState(
  sql: Knex.Transaction,
  {
    where,
    reason,
    at,
  }: { readonly where: Readonly<Record<string, string>>; readonly reason: Standing["reason"]; readonly at: Date },
): Promise<void> {
  const state = reason === "open" ? "active" : reasons[reason].state;
  await sql("logins")
    .where(where)
    .whereRaw("(state, reason) <> (?, ?)", [state, reason])
    .update({ state, reason, since: at });
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
  const taken = new Map<string, number>();
  for (const person of persons) {
    const own = facts.get(person);
    if (own === undefined) continue;
    const { reason, grants } = own.logins.length === 0 ? nobody : standing(withSeatsTaken(own, taken));
    await putGrants(context, tx, { district: district.id, person, grants, facts: own, taken, at });
    await storeState(tx.sql, { where: { person }, reason, at });
  }
}

/** Someone whom no login belongs to any more has nothing. */
const nobody = { reason: "open", grants: [] } as const;

/** The facts, read once the licenses with seats that they rest on can no longer change hands. */
async function factsUnderLock(
  sql: Knex.Transaction,
  district: JudgedDistrict,
  persons: readonly string[],
): Promise<ReadonlyMap<string, Facts>> {
  const facts = await factsOf(sql, district, persons);
  const licenses = new Set([...facts.values()].flatMap((own) => own.licenses.map(({ license }) => license)));
  if (licenses.size === 0) return facts;
  await sql.raw("select 1 from licenses where id = any(cast(? as text[])) order by id for no key update", [
    [...licenses],
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
