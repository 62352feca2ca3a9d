// People: who they are to us, the logins, accounts and licenses that concern them, and what became of it.
// Accounts, links and grants hang on a person, whose id is ours; a sourcedId only leads to one.

import type { Knex } from "knex";

const tables: Readonly<Record<string, string>> = {
  persons: `
    id uuid primary key default gen_random_uuid(), district text not null references districts,
    created_at timestamptz not null default clock_timestamp()`,
  person_users: `
    district text not null, sourced_id text not null,
    -- the person that the user is by itself, and the one that it is together with others
    own uuid not null references persons, person uuid not null references persons,
    since timestamptz not null default clock_timestamp(),
    -- since when, and by which delivery, the user is no longer in the roster
    gone_at timestamptz, gone_delivery text,
    primary key (district, sourced_id)`,
  // Every user that ever had a username, an email address or an id in another system. The values themselves are not
  // kept: a former address of a person is nobody's business.
  identifier_holders: `
    district text not null, kind text not null, value_hash bytea not null, sourced_id text not null,
    primary key (district, kind, value_hash, sourced_id)`,
  logins: `
    id uuid primary key, district text not null references districts, issuer text not null, subject text not null,
    event_id text not null, first_at timestamptz not null, last_at timestamptz not null,
    -- sourcedId, userIds, username, email, given, family, role: the newest value of each
    claims jsonb not null, claims_at jsonb not null,
    -- NCES id of a school that the teacher named, and when
    school text, school_at timestamptz,
    email_hash bytea,
    -- what a person decided: the users it is, or the person it is not
    decision jsonb,
    person uuid references persons, evidence jsonb not null default '[]', linked_at timestamptz,
    state text not null, reason text not null, since timestamptz not null,
    unique (district, issuer, subject)`,
  // Logins that were taken in over HTTP and not yet looked at.
  login_receipts: `
    id uuid primary key, district text not null, at timestamptz not null`,
  accounts: `
    id text primary key, product text not null, email_hash bytea,
    login uuid, district text, proof text, linked_at timestamptz,
    active boolean not null, at timestamptz not null`,
  licenses: `
    id text primary key, product text not null, orgs text[] not null, valid_from date, valid_to date, seats integer,
    at timestamptz not null`,
  // Who holds a seat of a license, in the order in which they came.
  seats: `
    license text not null, person uuid not null references persons, place bigint generated always as identity,
    district text not null, taken_at timestamptz not null, primary key (license, person)`,
  registrations: `
    district text not null, person uuid not null references persons, product text not null,
    status text not null, reason text not null, basis text, account text, license text,
    since timestamptz not null, primary key (district, person, product)`,
  // Districts all of whose logins must be looked at again. The mark tells whether it was asked for anew meanwhile.
  registration_due: `
    district text primary key, mark bigint not null default 1,
    -- how far a pass over its logins has come, and the mark that it began with
    pass_mark bigint, pass_after uuid, asked_at timestamptz not null default clock_timestamp()`,
  // Single logins that must be looked at again.
  login_due: `
    login uuid primary key, district text not null, mark bigint not null default 1`,
  // Facts that are taken in, and whose logins are not yet told: which ones is asked in a transaction of its own, which
  // sees every login and roster that did not see the fact.
  facts_to_spread: `
    kind text not null check (kind in ('license', 'account')), id text not null, about jsonb not null,
    mark bigint not null default 1, primary key (kind, id)`,
  // Persons whose rosters must be looked at again.
  roster_due: `
    district text not null, person uuid not null, mark bigint not null default 1, primary key (district, person)`,
  pilot_teachers: `
    district text not null references districts, person uuid not null references persons,
    named_by text not null, named_at timestamptz not null default clock_timestamp(), primary key (district, person)`,
  district_states: `
    district text not null references districts, number bigint generated always as identity,
    from_state text not null, to_state text not null, changed_by text not null,
    changed_at timestamptz not null default clock_timestamp(), primary key (district, number)`,
  tokens: `
    id uuid primary key default gen_random_uuid(), name text not null unique, role text not null, districts text[],
    hash bytea not null unique, created_at timestamptz not null default clock_timestamp(), revoked_at timestamptz`,
};

const indexes: readonly string[] = [
  "create index person_users_person on person_users (person)",
  "create index logins_person on logins (person)",
  "create index identifier_holders_value on identifier_holders (kind, value_hash)",
  "create index logins_school on logins (school) where school is not null",
  "create index districts_issuers on districts using gin ((policy #> '{signOn,issuers}'))",
  "create index logins_email on logins (email_hash)",
  "create index login_due_district on login_due (district)",
  "create index accounts_login on accounts (login)",
  "create index accounts_email on accounts (email_hash)",
  "create index seats_place on seats (license, place)",
];

export async function up(knex: Knex): Promise<void> {
  for (const [name, columns] of Object.entries(tables)) await knex.raw(`create table ${name} (${columns})`);
  for (const statement of indexes) await knex.raw(statement);
  // When each field of the policy was last changed, epoch milliseconds; a field that never was is as old as the district.
  await knex.raw("alter table districts add column policy_since jsonb not null default '{}'");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("alter table districts drop column policy_since");
  for (const name of Object.keys(tables).toReversed()) await knex.schema.dropTable(name);
}
