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
     insert into person_users (district, sourced_id, own, person) select :district, sourced_id, person, person from new_users`,
    { district, users: [...users] },
  );
  const { rows } = await sql.raw<{
    readonly rows: readonly { readonly sourced_id: string; readonly person: string }[];
  }>("select sourced_id, person from person_users where district = ? and sourced_id = any(?)", [district, [...users]]);
  return new Map(rows.map((row) => [row.sourced_id, row.person]));
}

/**
 * Makes the users of each group the person that one of them was first, and every other user of the district the person
 * of its own. Users of the groups must be persons already.
 * @returns the persons who lost or won a user.
 */
export async function joinPersons(
  sql: Knex.Transaction,
  district: string,
  groups: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const members = groups.flatMap((group, index) => group.map((user) => ({ user, index })));
  const { rows } = await sql.raw<{ readonly rows: readonly { readonly former: string; readonly person: string }[] }>(
    `with member as (
       select u.sourced_id, u.own, m.index from person_users u
       join unnest(cast(:users as text[]), cast(:indexes as integer[])) as m (sourced_id, index)
         on m.sourced_id = u.sourced_id
       where u.district = :district
     ), first as (
       select distinct on (m.index) m.index, p.id as person from member m join persons p on p.id = m.own
       order by m.index, p.created_at, p.id
     ), wanted as (
       select u.sourced_id, u.person as former, coalesce(f.person, u.own) as person from person_users u
       left join member m on m.sourced_id = u.sourced_id left join first f on f.index = m.index
       where u.district = :district
     ), changed as (
       update person_users u set person = w.person from wanted w
       where u.district = :district and u.sourced_id = w.sourced_id and u.person <> w.person
       returning w.former, w.person
     ) select former, person from changed`,
    { district, users: members.map(({ user }) => user), indexes: members.map(({ index }) => index) },
  );
  return [...new Set(rows.flatMap(({ former, person }) => [former, person]))];
}

/** The person that each of these is now: another one where its first user is one with others since. */
export async function personsNow(sql: Knex, persons: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (persons.length === 0) return new Map();
  const rows: readonly { readonly own: string; readonly person: string }[] = await sql("person_users")
    .whereIn("own", [...persons])
    .select("own", "person");
  return new Map(rows.map(({ own, person }) => [own, person]));
}

/** Notes which users of persons are no longer in the roster, or are again. `delivery` null: it is not known by which. */
export async function noteGone(
  sql: Knex.Transaction,
  { district, delivery, at }: { readonly district: string; readonly delivery: string | null; readonly at: Date },
): Promise<void> {
  const isThere = `exists (select 1 from roster_users u where u.district = p.district and u.sourced_id = p.sourced_id)`;
  await sql.raw(
    `update person_users p set gone_at = :at, gone_delivery = :delivery
     where district = :district and gone_at is null and not ${isThere}`,
    { district, delivery, at },
  );
  await sql.raw(
    `update person_users p set gone_at = null, gone_delivery = null
     where district = :district and gone_at is not null and ${isThere}`,
    { district },
  );
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
