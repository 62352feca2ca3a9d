// Why a person sees what they see: every gate with its value, since when, where it comes from, and what to do
// (A107, A113). It asks exactly what registration asks, in a transaction that is rolled back.

import type { Knex } from "knex";

import { candidateUsers, userReference } from "../../libs/adapters/postgres/evidence.ts";
import { factsOf, type JudgedDistrict } from "../../libs/adapters/postgres/person-facts.ts";
import { lockDistrict, personNamed, personsOf } from "../../libs/adapters/postgres/people.ts";
import { teachingOf, type TeachingRow } from "../../libs/adapters/postgres/teaching.ts";
import { unreachable } from "../../libs/domain/assert.ts";
import { parseDateTime } from "../../libs/domain/dates.ts";
import { type ClassReason, classReason, classReasons } from "../../libs/domain/registration/class-reasons.ts";
import { standing } from "../../libs/domain/registration/decide.ts";
import type { GateView, Grant, Origin } from "../../libs/domain/registration/facts.ts";
import { type Reason, reasons } from "../../libs/domain/registration/reasons.ts";
import { orgsInScope } from "../../libs/domain/roster.ts";
import type { RegistrationContext } from "./context.ts";
import { judgedDistrict } from "./judge.ts";

/** Where a fact comes from; `since` is ISO 8601, UTC, or null where no one moment can be named. */
export type ExplainedOrigin = Omit<Origin, "since"> & { readonly since: string | null };

export type ExplainedGate = Omit<GateView, "reason" | "since"> & {
  readonly since: string | null;
  readonly isOpen: boolean;
  readonly reason: Reason | "open";
  /** What is so and what to do; empty when the gate is open. */
  readonly words: string;
};

export type ExplainedClass = ExplainedOrigin & {
  readonly class: string;
  readonly title: string | null;
  readonly reason: ClassReason;
  readonly words: string;
};

export type ExplainedLogin = {
  readonly id: string;
  readonly state: string;
  readonly reason: string;
  readonly since: string;
  /** Kinds of evidence by which it is linked; while it is not, none. */
  readonly evidence: readonly string[];
  /** sourcedIds of the users it may be, while it is linked to nobody. */
  readonly candidates: readonly string[];
};

export type ExplainedProduct = Grant & { readonly gates: readonly ExplainedGate[] };

export type Explanation = {
  readonly district: string;
  readonly person: string | null;
  readonly users: readonly string[];
  readonly logins: readonly ExplainedLogin[];
  /** The first closed gate, or `open`. */
  readonly reason: Reason | "open";
  readonly gates: readonly ExplainedGate[];
  /** Each with the gates of its own. */
  readonly products: readonly ExplainedProduct[];
  readonly classes: readonly ExplainedClass[];
};

type LoginRow = {
  readonly id: string;
  readonly person: string | null;
  readonly state: string;
  readonly reason: string;
  readonly since: Date;
  readonly evidence: { readonly kinds?: readonly string[]; readonly candidates?: readonly string[] };
};

/** @param who a user's sourcedId, a person id or a login id. @returns null when nobody is called so. */
export async function explain(
  context: RegistrationContext,
  { district: id, who }: { readonly district: string; readonly who: string },
): Promise<Explanation | null> {
  const district = await judgedDistrict(context, context.sql, id);
  if (district === null) return null;
  const transaction = await context.sql.transaction();
  try {
    return await explainIn(transaction, district, who);
  } finally {
    await transaction.rollback();
  }
}

async function explainIn(sql: Knex.Transaction, district: JudgedDistrict, who: string): Promise<Explanation | null> {
  // Persons are made under the district's row, also those that the rollback unmakes.
  await lockDistrict(sql, district.id);
  const found = await findPerson(sql, district.id, who);
  if (found === null) return null;
  const { person, logins } = found;
  if (person === null) return explainLogins(sql, district.id, logins);
  const facts = (await factsOf(sql, district, [person])).get(person);
  if (facts === undefined) return null;
  const stands = standing(facts);
  const users = facts.users.map(({ sourcedId }) => sourcedId);
  const login = loginGate(logins, stands.gates);
  const gates = [login, ...stands.gates.filter(({ gate }) => gate !== "match")].map(explainedGate);
  const products = stands.products.map(({ grant, gates: own }) => ({ ...grant, gates: own.map(explainedGate) }));
  return {
    district: district.id,
    person: found.isKnown ? person : null,
    users,
    logins: await Promise.all(logins.map((row) => explainedLogin(sql, row))),
    reason: login.reason ?? stands.reason,
    gates,
    products: login.reason === null ? products : [],
    classes: await explainedClasses(sql, district, users),
  };
}

/** Logins that belong to nobody: all that can be said is why. */
async function explainLogins(
  sql: Knex.Transaction,
  district: string,
  logins: readonly LoginRow[],
): Promise<Explanation> {
  const [login] = logins;
  const reason = reasonOf(login?.reason ?? "");
  const since = login?.since.getTime() ?? null;
  const gate: GateView = { gate: "match", reason, value: "nobody", since, delivery: null, origin: null };
  return {
    district,
    person: null,
    users: [],
    logins: await Promise.all(logins.map((row) => explainedLogin(sql, row))),
    reason,
    gates: [explainedGate(gate)],
    products: [],
    classes: [],
  };
}

function loginGate(logins: readonly LoginRow[], gates: readonly GateView[]): GateView {
  const matched = gates.find(({ gate }) => gate === "match");
  const kinds = [...new Set(logins.flatMap(({ evidence }) => evidence.kinds ?? []))].toSorted().join(", ");
  const [first] = logins;
  const isLinked = logins.some(({ person }) => person !== null);
  const reason = isLinked ? null : first === undefined ? "login.none" : reasonOf(first.reason);
  const value = isLinked ? `by ${kinds}` : first === undefined ? "no login" : "a login that may be this person's";
  const since = isLinked ? matched?.since : first?.since.getTime();
  return { gate: "match", reason, value, since: since ?? null, delivery: null, origin: null };
}

function reasonOf(text: string): Reason {
  const known = (reason: string): reason is Reason => reason in reasons;
  return known(text) ? text : "login.none";
}

function isoTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function explainedGate({ reason, since, ...gate }: GateView): ExplainedGate {
  return {
    ...gate,
    since: isoTime(since),
    isOpen: reason === null,
    reason: reason ?? "open",
    words: reason === null ? "" : reasons[reason].administrator,
  };
}

async function explainedLogin(sql: Knex, { id, state, reason, since, evidence }: LoginRow): Promise<ExplainedLogin> {
  const candidates = await candidateUsers(sql, evidence.candidates ?? []);
  return { id, state, reason, since: since.toISOString(), evidence: evidence.kinds ?? [], candidates };
}

type Found = { readonly person: string | null; readonly isKnown: boolean; readonly logins: readonly LoginRow[] };

async function findPerson(sql: Knex.Transaction, district: string, who: string): Promise<Found | null> {
  const columns = ["id", "person", "state", "reason", "since", "evidence"];
  const login: LoginRow | undefined = await sql("logins")
    .where({ district })
    .whereRaw("id::text = ?", [who])
    .first(columns);
  if (login?.person === null) return { person: null, isKnown: false, logins: [login] };
  const person = login === undefined ? await personFor(sql, district, who) : { id: login.person, isKnown: true };
  if (person === null) return null;
  const logins: readonly LoginRow[] = await sql("logins")
    .where({ district, person: person.id })
    .orderBy("id")
    .select(columns);
  const all = logins.length > 0 ? logins : await loginsInQuestion(sql, district, { person: person.id, columns });
  return { person: person.id, isKnown: person.isKnown, logins: all };
}

/** Logins that belong to nobody yet and may be this person's. */
async function loginsInQuestion(
  sql: Knex.Transaction,
  district: string,
  { person, columns }: { readonly person: string; readonly columns: readonly string[] },
): Promise<readonly LoginRow[]> {
  const users: readonly { readonly sourced_id: string }[] = await sql("person_users").where({ person });
  const names = [person, ...users.map(({ sourced_id: id }) => userReference(id))];
  return sql("logins")
    .where({ district, person: null })
    .whereRaw("jsonb_exists_any(evidence -> 'candidates', cast(? as text[]))", [names])
    .orderBy("id")
    .select([...columns]);
}

/** A user who is nobody's yet becomes a person for as long as this transaction. */
async function personFor(
  sql: Knex.Transaction,
  district: string,
  who: string,
): Promise<{ readonly id: string; readonly isKnown: boolean } | null> {
  const named = await personNamed(sql, district, who);
  if (named === null) return null;
  if (named.person !== null) return { id: named.person, isKnown: true };
  const made = (await personsOf(sql, district, [who])).get(who);
  return made === undefined ? null : { id: made, isKnown: false };
}

async function explainedClasses(
  sql: Knex,
  { id, today, policy, policySince }: JudgedDistrict,
  users: readonly string[],
): Promise<readonly ExplainedClass[]> {
  const orgs: readonly { readonly sourcedId: string; readonly parentId: string | null }[] = await sql("roster_orgs")
    .where({ district: id })
    .select({ sourcedId: "sourced_id", parentId: "parent_id" });
  const rules = { today, classWindow: policy.classWindow, orgs: orgsInScope(orgs, policy.orgScope) };
  const rows = await teachingOf(sql, { district: id, users, today });
  if (rows.length === 0) return [{ class: "", title: null, reason: "none", words: classReasons.none, ...nowhere }];
  const outsideSince = policySince["orgScope"] ?? policySince.created;
  return rows.map((row) => {
    const reason = classReason(row, rules);
    const { classId, title } = row;
    const from = classOrigin(reason, row, outsideSince);
    return { class: classId, title, reason, words: classReasons[reason], ...from, since: isoTime(from.since) };
  });
}

const nowhere = { since: null, delivery: null, origin: null } as const;

/** Where the reason of a class comes from: mostly the enrollment, else what else decides it. */
function classOrigin(reason: ClassReason, row: TeachingRow, outsideSince: number): Origin {
  const { since, delivery, origin, endDate } = row;
  switch (reason) {
    case "enrollment-ended":
      return { since: endDate === null ? since : parseDateTime(endDate), delivery, origin };
    case "class-outside":
      return { since: outsideSince, delivery: null, origin: null };
    // Decided by days, or by what is not there: no one moment can be named.
    case "empty":
    case "class-future":
    case "archived":
      return { since: null, delivery, origin };
    case "none":
      return nowhere;
    case "shown":
    case "enrollment-future":
    case "class-missing":
      return { since, delivery, origin };
    default:
      return unreachable(reason);
  }
}
