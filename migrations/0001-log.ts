// The log: a head row per topic, and its records in batches, the unit on disk.
// A topic's offsets come from its head row, which stays locked until commit: offset order is commit order.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
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

export async function down(knex: Knex): Promise<void> {
  await knex.raw("drop table log_batches, log_topics");
}
