// Sources that deliver by themselves: their settings, who may sign in for them, and what lies in their folders.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table sources
      add column settings jsonb not null default '{}',
      add column created_at timestamptz not null default now(),
      -- null: it is enabled
      add column disabled_at timestamptz,
      -- the newest moment at which a set was expected, did not come, and people were told
      add column late_told_at timestamptz`);
  await knex.raw(`
    create table sftp_credentials (
      id bigint generated always as identity primary key,
      district text not null, source text not null,
      kind text not null check (kind in ('password', 'key')),
      -- of a password its scrypt hash with salt and costs; of a key the public key in OpenSSH's form
      secret text not null,
      -- of a key SHA256:...; of a password null
      fingerprint text,
      label text not null,
      added_at timestamptz not null default now(), last_used_at timestamptz,
      foreign key (district, source) references sources (district, id) on delete cascade,
      unique (district, source, fingerprint)
    )`);
  await knex.raw(`
    create table sftp_audit (
      id bigint generated always as identity primary key,
      at timestamptz not null default now(),
      -- null: the name that was given is no account's
      district text, source text,
      address text not null,
      event text not null check (event in ('login', 'refused', 'logout', 'upload', 'torn', 'rename', 'delete')),
      -- a path of the source's folder; of a rename the new one
      path text, former_path text, bytes bigint, reason text
    )`);
  await knex.raw("create index on sftp_audit (district, at)");
  await knex.raw("create index on sftp_audit (at)");
  await createDropTables(knex);
}

async function createDropTables(knex: Knex): Promise<void> {
  await knex.raw(`
    create table drop_files (
      district text not null, source text not null,
      -- from the source's root, as in /users.csv
      path text not null,
      -- open: being written; closed: whole as far as its writer says; torn: the connection ended before it was closed;
      -- taken: read as part of a set and left where it is, in a folder that may only be read
      state text not null check (state in ('open', 'closed', 'torn', 'taken')),
      -- which process writes it; null unless open
      holder uuid,
      -- inode, size and time of change as seen last: another file under the name has another one
      identity text,
      bytes bigint not null default 0,
      -- since when the file is as it is, by the server's clock
      still_since timestamptz not null,
      primary key (district, source, path),
      foreign key (district, source) references sources (district, id) on delete cascade
    )`);
  await knex.raw(`
    create table drop_sets (
      id uuid primary key,
      district text not null, source text not null,
      -- taken: its files are put aside; the others are its ends; superseded: a newer one was used in its place
      state text not null check (state in ('taken', 'delivered', 'same', 'refused', 'superseded')),
      -- name, bytes and when it was received, of each file
      files jsonb not null,
      complete_at timestamptz not null, taken_at timestamptz not null, ended_at timestamptz,
      delivery text, reason text,
      -- the newest plan of its delivery, and the changesets that were published of it, as their topics say
      plan jsonb, changesets jsonb not null default '[]',
      -- when its receipt was told
      received_told_at timestamptz,
      -- the result that was told last: it is told again when it becomes another one
      result_told text,
      foreign key (district, source) references sources (district, id) on delete cascade
    )`);
  await knex.raw("create index on drop_sets (district, source, taken_at)");
  await knex.raw("create index on drop_sets (delivery)");
  await knex.raw(`
    create table drop_waits (
      district text not null, source text not null,
      -- what lies there and what is missing, as libs/domain/drop.ts says
      state jsonb not null,
      since timestamptz not null,
      told_at timestamptz,
      primary key (district, source),
      foreign key (district, source) references sources (district, id) on delete cascade
    )`);
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ["drop_waits", "drop_sets", "drop_files", "sftp_audit", "sftp_credentials"])
    await knex.schema.dropTable(table);
  await knex.raw(`
    alter table sources
      drop column settings, drop column created_at, drop column disabled_at, drop column late_told_at`);
}
