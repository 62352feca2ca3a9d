// The log: a head row per topic, and its records in batches, the unit on disk. A topic's offsets come from its head row,
// which stays locked until commit: offset order is commit order.
// Leases, which give the right to write with an epoch that only grows. The inbox, which keeps a consumer's position and
// its work side by side, so that both move in one transaction.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await createLog(knex);
  await createLeases(knex);
  await createInbox(knex);
}

async function createLog(knex: Knex): Promise<void> {
  await knex.raw(`
    create table log_topics (
      id bigint generated always as identity primary key,
      name text not null unique,
      generation text not null default gen_random_uuid()::text,
      start_offset bigint not null default 0,
      next_offset bigint not null default 0,
      -- counts the openings of a writer; only the last one may append as a writer
      writer bigint not null default 0,
      created_at timestamptz not null default clock_timestamp(),
      check (0 <= start_offset and start_offset <= next_offset)
    ) with (fillfactor = 50)`);
  await knex.raw(`
    create table log_batches (
      topic_id bigint not null references log_topics on delete cascade,
      first_offset bigint not null,
      -- one beyond the last offset; compaction may leave fewer records than the difference
      end_offset bigint not null,
      records integer not null,
      -- epoch milliseconds of this server's clock
      appended_at bigint not null,
      bytes bytea not null,
      primary key (topic_id, first_offset),
      check (end_offset > first_offset)
    )`);
  // The bytes are compressed already: trying again costs time and gains nothing.
  await knex.raw("alter table log_batches alter column bytes set storage external");
}

async function createLeases(knex: Knex): Promise<void> {
  // Rows stay when released: the epoch is theirs and must never begin again.
  await knex.raw(`
    create table leases (
      name text primary key,
      holder text not null,
      epoch bigint not null,
      expires_at timestamptz not null
    )`);
}

async function createInbox(knex: Knex): Promise<void> {
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
  await knex.raw("drop table work, inbox_positions, leases, log_batches, log_topics");
}
