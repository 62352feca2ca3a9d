// Leases, which give the right to write with an epoch that only grows; the inbox, which keeps a consumer's position
// and its work side by side, so that both move in one transaction.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  // Rows stay when released: the epoch is theirs and must never begin again.
  await knex.raw(`
    create table leases (
      name text primary key,
      holder text not null,
      epoch bigint not null,
      expires_at timestamptz not null
    )`);
  await knex.raw(`
    create table inbox_positions (
      consumer text not null,
      topic text not null,
      generation text not null,
      next_offset bigint not null,
      -- when the consumer last knew itself at the end of the topic
      at_end_at timestamptz,
      primary key (consumer, topic)
    )`);
  await knex.raw(`
    create table work (
      id bigint generated always as identity primary key,
      consumer text not null,
      topic text not null,
      -- null when the record's key names none: such work is stopped from the start
      district text,
      generation text not null,
      "offset" bigint not null,
      key bytea not null,
      value bytea,
      headers jsonb not null,
      appended_at timestamptz not null,
      state text not null default 'waiting' check (state in ('waiting', 'done', 'stopped')),
      reason text,
      attempts integer not null default 0,
      received_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz,
      unique (consumer, topic, generation, "offset")
    )`);
  await knex.raw("create index work_open on work (consumer, district, id) where state <> 'done'");
  await knex.raw("create index work_finished on work (finished_at) where state = 'done'");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("drop table work, inbox_positions, leases");
}
