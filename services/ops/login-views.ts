// What the API says of a login. It keeps true that no claim and no name of a person is in it.

import type { Knex } from "knex";

import { userNamed } from "../../libs/adapters/postgres/evidence.ts";
import { isWholeNcesId } from "../../libs/domain/nces.ts";
import { activeWithoutClasses, activeWords, type Reason, reasons } from "../../libs/domain/registration/reasons.ts";
import { answer, list, loginStates } from "./schemas.ts";

export type ProductView = { readonly product: string; readonly status: string; readonly reason: string };
export type School = { readonly identifier: string; readonly name: string };

export type LoginView = {
  readonly id: string;
  readonly district: string;
  /** The person it belongs to, as registrations and teacher rosters name them; null while it belongs to nobody. */
  readonly person: string | null;
  readonly state: string;
  /** A code, or `open`. */
  readonly reason: string;
  /** What to tell the teacher, and whoever administers the roster. */
  readonly teacher: string;
  readonly administrator: string;
  /** ISO 8601, UTC: since when the state and reason are these. */
  readonly since: string;
  readonly products: readonly ProductView[];
  /** Only with the state choose-school: what the district's roster has to choose from. */
  readonly schools?: readonly School[];
};

export type ListedLogin = Pick<LoginView, "id" | "district" | "state" | "reason" | "since"> & {
  /** sourcedIds of the users it may be. */
  readonly candidates: readonly string[];
};

const words = { type: "string" };
const stateWords = { type: "string", enum: [...loginStates] };
const common = {
  id: words,
  district: words,
  state: stateWords,
  reason: { type: "string", description: "A code, or `open` when every gate is." },
  since: { type: "string", description: "ISO 8601, UTC." },
};

export const listedSchema = answer({
  ...common,
  candidates: list(words, { description: "sourcedIds of the users it may be." }),
});

export const loginSchema = answer(
  {
    ...common,
    person: { type: ["string", "null"], description: "The person it belongs to; null while it belongs to nobody." },
    teacher: { type: "string", description: "What to tell the teacher." },
    administrator: { type: "string", description: "What to tell whoever administers the roster." },
    products: list(answer({ product: words, status: words, reason: words })),
  },
  {
    schools: list(answer({ identifier: words, name: words }), {
      description: "With the state choose-school: the schools of the district's roster.",
    }),
  },
);

type Row = {
  readonly district: string;
  readonly state: string;
  readonly reason: string;
  readonly since: Date;
  readonly person: string | null;
};

/** The login, looked at or only received; null when there is none. */
export async function loginView(sql: Knex, id: string): Promise<LoginView | null> {
  const row: Row | undefined = await sql("logins")
    .where({ id })
    .first("district", "state", "reason", "since", "person");
  if (row === undefined) return receivedView(sql, id);
  const { district, state, reason, since, person } = row;
  const schools = state === "choose-school" ? { schools: await schoolsOf(sql, district) } : {};
  const products = person === null ? [] : await productsOf(sql, { district, person });
  const words = reason === "open" && !(await seesClasses(sql, person)) ? activeWithoutClasses : wordsOf(reason);
  return { id, district, person, state, reason, ...words, since: since.toISOString(), products, ...schools };
}

async function receivedView(sql: Knex, id: string): Promise<LoginView | null> {
  const row: { readonly district: string; readonly at: Date } | undefined = await sql("login_receipts")
    .where({ id })
    .first("district", "at");
  if (row === undefined) return null;
  const reason = "login.received";
  const { state } = reasons[reason];
  const since = row.at.toISOString();
  return { id, district: row.district, person: null, state, reason, ...wordsOf(reason), since, products: [] };
}

async function seesClasses(sql: Knex, person: string | null): Promise<boolean> {
  return (await sql("teacher_rosters").where({ person }).first("class_id")) !== undefined;
}

async function productsOf(
  sql: Knex,
  person: { readonly district: string; readonly person: string },
): Promise<readonly ProductView[]> {
  const rows: readonly ProductView[] = await sql("registrations")
    .where(person)
    .orderBy("product")
    .select("product", "status", "reason");
  return rows;
}

/** The schools of the district's roster that have an NCES id, by name. */
export async function schoolsOf(sql: Knex, district: string): Promise<readonly School[]> {
  const rows: readonly { readonly identifier: string | null; readonly name: string }[] = await sql("roster_orgs")
    .where({ district, org_type: "school" })
    .orderBy(["name", "identifier"])
    .select("identifier", "name");
  return rows.flatMap(({ identifier, name }) =>
    identifier !== null && isSchoolId(identifier) ? [{ identifier, name }] : [],
  );
}

/** Whether the text is the whole NCES id of a school. */
export function isSchoolId(identifier: string): boolean {
  return isWholeNcesId(identifier) && identifier.length === 12;
}

function wordsOf(reason: string): Pick<LoginView, "teacher" | "administrator"> {
  if (!isReason(reason)) return activeWords;
  const { teacher, administrator } = reasons[reason];
  return { teacher, administrator };
}

function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}

type ListedRow = Omit<Row, "person"> & { readonly id: string; readonly evidence: unknown };

/** A page of a district's logins, in the order of their ids. */
export async function listLogins(
  sql: Knex,
  about: { readonly district: string; readonly state: string | null; readonly after: string | null },
): Promise<readonly ListedLogin[]> {
  const { district, state, after } = about;
  const query = sql("logins").where({ district }).orderBy("id").limit(pageSize);
  if (state !== null) void query.andWhere({ state });
  if (after !== null) void query.andWhere("id", ">", after);
  const rows: readonly ListedRow[] = await query.select("id", "district", "state", "reason", "since", "evidence");
  const users = await usersOf(sql, { district, persons: rows.flatMap(({ evidence }) => candidatesIn(evidence)) });
  return rows.map(({ evidence, since, ...row }) => {
    const candidates = candidatesIn(evidence).flatMap((person) => users.get(person) ?? []);
    return { ...row, since: since.toISOString(), candidates: [...new Set(candidates)].toSorted() };
  });
}

export const pageSize = 500;

/** Persons in question, as registration stores them: our ids, or users who are nobody's person yet. */
function candidatesIn(evidence: unknown): readonly string[] {
  if (typeof evidence !== "object" || evidence === null || !("candidates" in evidence)) return [];
  const { candidates } = evidence;
  return Array.isArray(candidates) ? candidates.filter((each): each is string => typeof each === "string") : [];
}

async function usersOf(
  sql: Knex,
  { district, persons }: { readonly district: string; readonly persons: readonly string[] },
): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, readonly string[]>();
  const ids: string[] = [];
  for (const person of new Set(persons)) {
    const user = userNamed(person);
    if (user === null) ids.push(person);
    else users.set(person, [user]);
  }
  const rows: readonly { readonly person: string; readonly sourced_id: string }[] = await sql("person_users")
    .where({ district })
    .whereIn("person", ids)
    .select("person", "sourced_id");
  for (const { person, sourced_id: user } of rows) users.set(person, [...(users.get(person) ?? []), user]);
  return users;
}
