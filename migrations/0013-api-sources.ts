// Sources that are pulled: their credentials, what state their connection is in, and each pull.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  // Of a source that was deleted the rows of its deliveries stay, and what it delivered stays published.
  await knex.raw("alter table sources add column deleted_at timestamptz");
  await knex.raw(`
    create table api_credentials (
      district text not null, source text not null,
      -- as the profile names it, such as id or secret
      name text not null,
      -- the value, encrypted and bound to its place
      sealed bytea not null,
      set_at timestamptz not null default now(),
      primary key (district, source, name),
      foreign key (district, source) references sources (district, id) on delete cascade
    )`);
  await knex.raw(`
    create table api_states (
      district text not null, source text not null,
      -- untested, ready, incomplete, unauthorised, forbidden, unreachable, expired, unshared
      state text not null default 'untested',
      -- since when, and what is known of it: a sentence without personal data
      since timestamptz not null default now(),
      reason text,
      -- when a pull began last, and when one is due that was asked for by hand or is tried again
      pulled_at timestamptz, wanted_at timestamptz, retry_at timestamptz,
      -- pulls that failed since the last one that did not
      failures integer not null default 0,
      -- the day of expiry of which people were told, and how many days ahead
      expiry_told jsonb,
      -- by the code of a notice, of what people were told by it last
      told jsonb not null default '{}',
      primary key (district, source),
      foreign key (district, source) references sources (district, id) on delete cascade
    )`);
  await knex.raw(`
    create table api_pulls (
      id uuid primary key,
      district text not null, source text not null,
      started_at timestamptz not null, ended_at timestamptz,
      -- running; delivered and same are whole; incomplete and failed delivered nothing
      state text not null check (state in ('running', 'delivered', 'same', 'incomplete', 'failed')),
      -- of one that failed: the error's code, and a sentence
      code text, reason text,
      delivery text,
      -- name, items and pages of each collection
      collections jsonb not null default '[]',
      requests integer not null default 0,
      foreign key (district, source) references sources (district, id) on delete cascade
    )`);
  await knex.raw("create index on api_pulls (district, source, started_at)");
  // Districts that share with us through a partner's proxy, whether or not a source of ours reads them yet.
  await knex.raw(`
    create table api_shares (
      -- host of the proxy, and its id of the application in the district's console
      proxy text not null, application text not null,
      tenant text not null, name text not null,
      -- shared, disabled or gone
      state text not null check (state in ('shared', 'disabled', 'gone')),
      since timestamptz not null, seen_at timestamptz not null,
      -- the state of which people were told last
      told text,
      primary key (proxy, application)
    )`);
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ["api_shares", "api_pulls", "api_states", "api_credentials"]) await knex.schema.dropTable(table);
  await knex.raw("alter table sources drop column deleted_at");
}
