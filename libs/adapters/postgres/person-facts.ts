// The facts about persons as the domain wants them, read from the tables of people and of the roster in a few queries,
// however many persons there are.

import type { Knex } from "knex";

import { normalName } from "../../domain/identity.ts";
import type { AccountFact, Facts, LicenseFact, LoginFact, Origin, UserFact } from "../../domain/registration/facts.ts";
import { licenseIdentifiers } from "../../domain/registration/decide.ts";
import type { DistrictState } from "../../domain/registration/reasons.ts";
import type { Policy } from "../../domain/policy.ts";
import { orgsInScope } from "../../domain/roster.ts";
import type { PolicySince } from "./districts.ts";
import { identifierHash } from "./people.ts";

/** The district as its people are judged by it. Times are epoch milliseconds. */
export type JudgedDistrict = {
  readonly id: string;
  readonly state: DistrictState;
  readonly stateSince: number | null;
  readonly policy: Policy;
  readonly policySince: PolicySince;
  /** The district's own day. */
  readonly today: string;
};

type Rows<T> = { readonly rows: readonly T[] };
type OriginRow = { readonly changed_at: Date; readonly delivery: string | null; readonly origin: string | null };

/** @returns the facts of each person, by person id. */
export async function factsOf(
  sql: Knex,
  district: JudgedDistrict,
  persons: readonly string[],
): Promise<ReadonlyMap<string, Facts>> {
  const users = await usersOf(sql, district, persons);
  const gone = await goneUsers(sql, district.id, persons);
  const logins = await loginsOf(sql, district, persons);
  const accounts = await accountsOf(sql, persons);
  const possible = await possibleAccounts(sql, district.id, emailsOf({ persons, users, logins }));
  const identifiers = persons.flatMap((person) =>
    licenseIdentifiers({ users: users.get(person) ?? [], logins: logins.get(person) ?? [] }),
  );
  const licenses = await licensesOf(sql, [...new Set(identifiers)]);
  const seats = await seatsOf(sql, persons);
  const pilots = await pilotTeachers(sql, district.id, persons);
  const { id: _, today, state, stateSince, policy, policySince } = district;
  return new Map(
    persons.map((person) => [
      person,
      {
        today,
        district: { state, isPilotTeacher: pilots.has(person), since: stateSince, delivery: null, origin: null },
        policy,
        policySince,
        logins: logins.get(person) ?? [],
        users: users.get(person) ?? [],
        gone: gone.get(person) ?? [],
        accounts: accounts.get(person) ?? [],
        possibleAccounts: emailHashes(users.get(person) ?? [], logins.get(person) ?? []).flatMap(
          (hash) => possible.get(hash) ?? [],
        ),
        licenses: licenses.map(({ taken, ...license }): LicenseFact => {
          const place = seats.get(`${license.license} ${person}`) ?? null;
          const { seats: number } = license;
          return {
            ...license,
            hasSeat: place !== null && (number === null || place <= number),
            // Below zero when the license was cut: what one gives back is not another's until it fits again.
            seatsLeft: number === null ? null : number - taken,
          };
        }),
      },
    ]),
  );
}

/** Rows by a key, in their order. */
function grouped<T>(rows: readonly (readonly [string, T])[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of rows) {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}

function originOf({ changed_at: at, delivery, origin }: OriginRow): Origin {
  return { since: at.getTime(), delivery, origin };
}

type UserRow = OriginRow & {
  readonly person: string;
  readonly sourced_id: string;
  readonly enabled: boolean;
  readonly given_name: string;
  readonly family_name: string;
  readonly email: string | null;
  readonly teaches: boolean;
};

type RoleRow = OriginRow & { readonly user_id: string; readonly role: string; readonly org_id: string };

async function usersOf(
  sql: Knex,
  { id, today, policy }: JudgedDistrict,
  persons: readonly string[],
): Promise<ReadonlyMap<string, readonly UserFact[]>> {
  const { rows } = await sql.raw<Rows<UserRow>>(
    `select p.person, u.sourced_id, u.enabled, u.given_name, u.family_name, u.email, u.changed_at, u.delivery, u.origin,
       exists (select 1 from roster_enrollments e where e.district = u.district and e.user_id = u.sourced_id
         and e.role = 'teacher' and coalesce(e.begin_date <= :today, true) and coalesce(e.end_date > :today, true)) as teaches
     from person_users p join roster_users u on u.district = p.district and u.sourced_id = p.sourced_id
     where p.district = :id and p.person = any(cast(:persons as uuid[])) order by u.sourced_id`,
    { id, today, persons: [...persons] },
  );
  const users = rows.map((row) => row.sourced_id);
  const roles = await sql.raw<Rows<RoleRow>>(
    `select user_id, role, org_id, changed_at, delivery, origin from roster_roles
     where district = :id and user_id = any(:users)
       and coalesce(begin_date <= :today, true) and coalesce(end_date > :today, true) order by sourced_id`,
    { id, today, users },
  );
  const orgs = await orgsAbove(sql, id, [...new Set(roles.rows.map((row) => row.org_id))]);
  const scope = new Set(policy.orgScope);
  const rolesOf = grouped(
    roles.rows.map((row) => {
      const chain = orgs.get(row.org_id) ?? [];
      const isInScope = scope.size === 0 || scope.has(row.org_id) || chain.some((org) => scope.has(org.sourced_id));
      const own = chain.find((org) => org.sourced_id === row.org_id);
      const above = chain.filter((org) => org !== own).flatMap((org) => org.identifier ?? []);
      const org =
        own === undefined ? null : { sourcedId: own.sourced_id, identifier: own.identifier, above, isInScope };
      return [row.user_id, { role: row.role, orgId: row.org_id, isInScope, org, ...originOf(row) }];
    }),
  );
  return grouped(
    rows.map((row) => [
      row.person,
      {
        sourcedId: row.sourced_id,
        enabled: row.enabled,
        givenName: row.given_name,
        familyName: row.family_name,
        email: row.email,
        roles: rolesOf.get(row.sourced_id) ?? [],
        teaches: row.teaches,
        ...originOf(row),
      },
    ]),
  );
}

type OrgRow = { readonly start: string; readonly sourced_id: string; readonly identifier: string | null };

/** Each org with all above it. A circle of parents ends where it began. */
async function orgsAbove(
  sql: Knex,
  district: string,
  orgs: readonly string[],
): Promise<ReadonlyMap<string, readonly OrgRow[]>> {
  const { rows } = await sql.raw<Rows<OrgRow>>(
    `with recursive above as (
       select sourced_id as start, sourced_id, identifier, parent_id from roster_orgs
       where district = :district and sourced_id = any(:orgs)
       union
       select above.start, o.sourced_id, o.identifier, o.parent_id
       from above join roster_orgs o on o.district = :district and o.sourced_id = above.parent_id
     ) select start, sourced_id, identifier from above order by start, sourced_id`,
    { district, orgs: [...orgs] },
  );
  return grouped(rows.map((row) => [row.start, row]));
}

type GoneRow = {
  readonly person: string;
  readonly sourced_id: string;
  readonly gone_at: Date | null;
  readonly gone_delivery: string | null;
};

/** Users of the persons that are no longer in the roster. */
async function goneUsers(
  sql: Knex,
  district: string,
  persons: readonly string[],
): Promise<ReadonlyMap<string, Facts["gone"]>> {
  const { rows } = await sql.raw<Rows<GoneRow>>(
    `select person, sourced_id, gone_at, gone_delivery from person_users p
     where district = :district and person = any(cast(:persons as uuid[])) and not exists (
       select 1 from roster_users u where u.district = p.district and u.sourced_id = p.sourced_id)
     order by sourced_id`,
    { district, persons: [...persons] },
  );
  return grouped(
    rows.map(({ person, sourced_id: sourcedId, gone_at: at, gone_delivery: delivery }) => [
      person,
      { sourcedId, since: at?.getTime() ?? null, delivery, origin: null },
    ]),
  );
}

type LoginRow = {
  readonly person: string;
  readonly claims: { readonly email: string | null; readonly given: string | null; readonly family: string | null };
  readonly school: string | null;
  readonly linked_at: Date;
};

async function loginsOf(
  sql: Knex,
  district: JudgedDistrict,
  persons: readonly string[],
): Promise<ReadonlyMap<string, readonly LoginFact[]>> {
  const { rows } = await sql.raw<Rows<LoginRow>>(
    "select person, claims, school, linked_at from logins where person = any(cast(? as uuid[])) order by id",
    [[...persons]],
  );
  const schools = await schoolsThatTakePart(sql, district, rows);
  return grouped(
    rows.map(({ person, claims: { email, given, family }, school, linked_at: at }) => [
      person,
      {
        email,
        given,
        family,
        school: school !== null && (schools === null || schools.has(school)) ? school : null,
        since: at.getTime(),
        delivery: null,
        origin: null,
      },
    ]),
  );
}

/** NCES ids of the schools within the scope, where there is one and somebody chose a school; null: any. */
async function schoolsThatTakePart(
  sql: Knex,
  { id, policy }: JudgedDistrict,
  rows: readonly LoginRow[],
): Promise<ReadonlySet<string> | null> {
  if (policy.orgScope.length === 0 || rows.every(({ school }) => school === null)) return null;
  const orgs: readonly {
    readonly sourcedId: string;
    readonly parentId: string | null;
    readonly identifier: string | null;
  }[] = await sql("roster_orgs")
    .where({ district: id })
    .select({ sourcedId: "sourced_id", parentId: "parent_id", identifier: "identifier" });
  const scope = orgsInScope(orgs, policy.orgScope);
  return new Set(
    orgs.flatMap(({ sourcedId, identifier }) => (scope?.has(sourcedId) === true ? (identifier ?? []) : [])),
  );
}

type AccountRow = { readonly id: string; readonly product: string; readonly active: boolean; readonly at: Date };

function accountFact({ id, product, active, at }: AccountRow): AccountFact {
  return { account: id, product, active, since: at.getTime(), delivery: null, origin: null };
}

async function accountsOf(sql: Knex, persons: readonly string[]): Promise<ReadonlyMap<string, readonly AccountFact[]>> {
  const { rows } = await sql.raw<Rows<AccountRow & { readonly person: string }>>(
    `select l.person, a.id, a.product, a.active, a.at from accounts a join logins l on l.id = a.login
     where l.person = any(cast(? as uuid[])) order by a.id`,
    [[...persons]],
  );
  return grouped(rows.map((row) => [row.person, accountFact(row)]));
}

/** Hashes, as hex, of every email address of a person. */
function emailHashes(users: readonly UserFact[], logins: readonly LoginFact[]): readonly string[] {
  const emails = [...users, ...logins].map(({ email }) => normalName(email)).filter((email) => email !== "");
  return [...new Set(emails)].map((email) => identifierHash("email", email).toString("hex"));
}

function emailsOf({
  persons,
  users,
  logins,
}: {
  readonly persons: readonly string[];
  readonly users: ReadonlyMap<string, readonly UserFact[]>;
  readonly logins: ReadonlyMap<string, readonly LoginFact[]>;
}): readonly string[] {
  return persons.flatMap((person) => emailHashes(users.get(person) ?? [], logins.get(person) ?? []));
}

/** Accounts of these addresses that are linked to nobody. An address that several persons have had names none of them. */
async function possibleAccounts(
  sql: Knex,
  district: string,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, readonly AccountFact[]>> {
  const { rows } = await sql.raw<Rows<AccountRow & { readonly email_hash: Buffer }>>(
    `select id, product, active, at, email_hash from accounts a
     where login is null and email_hash = any(cast(? as bytea[])) and (
       select count(distinct coalesce(cast(p.person as text), h.sourced_id)) from identifier_holders h
       left join person_users p on p.district = h.district and p.sourced_id = h.sourced_id
       where h.district = ? and h.kind = 'email' and h.value_hash = a.email_hash) <= 1
     order by id`,
    [hashes.map((hash) => Buffer.from(hash, "hex")), district],
  );
  return grouped(rows.map((row) => [row.email_hash.toString("hex"), accountFact(row)]));
}

type LicenseRow = {
  readonly id: string;
  readonly product: string;
  readonly orgs: readonly string[];
  readonly valid_from: string | null;
  readonly valid_to: string | null;
  readonly seats: number | null;
  readonly taken: number;
  readonly at: Date;
};

type License = Omit<LicenseFact, "hasSeat" | "seatsLeft"> & { readonly seats: number | null; readonly taken: number };

async function licensesOf(sql: Knex, identifiers: readonly string[]): Promise<readonly License[]> {
  const { rows } = await sql.raw<Rows<LicenseRow>>(
    `select id, product, orgs, to_char(valid_from, 'YYYY-MM-DD') as valid_from, to_char(valid_to, 'YYYY-MM-DD') as valid_to,
       seats, (select count(*) from seats s where s.license = l.id) as taken, at
     from licenses l where orgs && cast(? as text[]) order by id`,
    [[...identifiers]],
  );
  return rows.map(({ id, valid_from, valid_to, at, ...row }) => ({
    ...row,
    license: id,
    validFrom: valid_from,
    validTo: valid_to,
    since: at.getTime(),
    delivery: null,
    origin: null,
  }));
}

/** The place of each person in the order of those who hold a seat of a license, from 1, by `license person`. */
async function seatsOf(sql: Knex, persons: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql.raw<Rows<{ readonly license: string; readonly person: string; readonly place: number }>>(
    `select license, person, place from (
       select license, person, row_number() over (partition by license order by place) as place from seats
       where license in (
         select s.license from seats s join licenses l on l.id = s.license
         where s.person = any(cast(:persons as uuid[])) and l.seats is not null)
     ) ranked where person = any(cast(:persons as uuid[]))`,
    { persons: [...persons] },
  );
  return new Map(rows.map(({ license, person, place }) => [`${license} ${person}`, place]));
}

/** Whoever was named for the pilot, also where the person is one with others since. */
async function pilotTeachers(sql: Knex, district: string, persons: readonly string[]): Promise<ReadonlySet<string>> {
  const rows: readonly { readonly person: string }[] = await sql("pilot_teachers")
    .join("person_users", "person_users.own", "pilot_teachers.person")
    .where({ "pilot_teachers.district": district })
    .whereIn("person_users.person", [...persons])
    .select("person_users.person");
  return new Set(rows.map((row) => row.person));
}
