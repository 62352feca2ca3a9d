// The tables of people, which registration and rosters share: who a person is, and who must be looked at again.
// It keeps true: of two facts that come at the same instant, one sees the other, because whoever adds a fact locks the
// district's row first, or leaves a mark that is looked at after both have committed.

import { createHash } from "node:crypto";

import type { Knex } from "knex";

import type { LoginName } from "../../records.ts";

/** Locks a district's row until commit: the first statement of whoever adds a fact or judges by facts. */
export async function lockDistrict(sql: Knex.Transaction, district: string): Promise<void> {
  await sql.raw("select 1 from districts where id = ? for no key update", [district]);
}

/** Asks that every login of the district be looked at again. */
export async function markRegistrationDue(sql: Knex, district: string): Promise<void> {
  await sql.raw(
    `insert into registration_due (district) values (?)
     on conflict (district) do update set mark = registration_due.mark + 1`,
    [district],
  );
}

/**
 * The first statement of whoever changes what a district is judged by, such as its state, its policy or its pilot: locks
 * its row, and asks that every login be looked at again. The rosters compare what they were judged by themselves.
 */
export async function factChanged(sql: Knex.Transaction, district: string): Promise<void> {
  await lockDistrict(sql, district);
  await markRegistrationDue(sql, district);
}

/** Asks that the rosters of these persons be looked at again. */
export async function markRosterDue(sql: Knex, district: string, persons: readonly string[]): Promise<void> {
  if (persons.length === 0) return;
  await sql.raw(
    `insert into roster_due (district, person) select ?, unnest(cast(? as uuid[]))
     on conflict (district, person) do update set mark = roster_due.mark + 1`,
    [district, [...persons]],
  );
}

/** The person of each user, made where there is none yet. Call it with the district's row locked. */
export async function personsOf(
  sql: Knex.Transaction,
  district: string,
  users: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  await sql.raw(
    `with new_users as (
       select u.sourced_id, gen_random_uuid() as person
       from (select distinct unnest(cast(:users as text[])) as sourced_id) as u
       where not exists (select 1 from person_users p where p.district = :district and p.sourced_id = u.sourced_id)
     ), made as (
       insert into persons (id, district) select person, :district from new_users
     )
     insert into person_users (district, sourced_id, person) select :district, sourced_id, person from new_users`,
    { district, users: [...users] },
  );
  const { rows } = await sql.raw<{
    readonly rows: readonly { readonly sourced_id: string; readonly person: string }[];
  }>("select sourced_id, person from person_users where district = ? and sourced_id = any(?)", [district, [...users]]);
  return new Map(rows.map((row) => [row.sourced_id, row.person]));
}

/**
 * Whom a text names: a person by id, or a user by sourcedId.
 * @returns `person` null for a user of the roster who is nobody's yet; null when nobody is called so.
 */
export async function personNamed(
  sql: Knex,
  district: string,
  who: string,
): Promise<{ readonly person: string | null } | null> {
  const { rows } = await sql.raw<{ readonly rows: readonly { readonly person: string | null }[] }>(
    `select id as person from persons where district = :district and cast(id as text) = :who
     union all select person from person_users where district = :district and sourced_id = :who
     union all select null from roster_users where district = :district and sourced_id = :who
     limit 1`,
    { district, who },
  );
  return rows[0] ?? null;
}

/** The id of a login: the same for the same district, issuer and subject, and telling nothing of them. */
export function loginId({ district, issuer, subject }: LoginName): string {
  return uuidOf(JSON.stringify(["login", district, issuer, subject]));
}

/** A UUID (version 8) of the hash of a text. */
export function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** What is kept of an identifier, such as an email address in its normal form: enough to recognise it. */
export function identifierHash(kind: string, value: string): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([kind, value]))
    .digest();
}
