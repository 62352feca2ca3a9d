// What the log on Kafka keeps in PostgreSQL: the outbox, which holds what a transaction appended until it is sent, and a
// row per topic that gives the order of commits. Repeats from the outbox are told by their number in the inbox.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table outbox_topics (
      topic text primary key,
      -- of the next record; follows the clock, so that a database put back from a copy repeats no number
      next_seq bigint not null default 0
    ) with (fillfactor = 50)`);
  await knex.raw(`
    create table outbox (
      topic text not null references outbox_topics on delete cascade,
      -- of the first record in the block
      seq bigint not null,
      records integer not null,
      bytes bytea not null,
      committed_at timestamptz not null default clock_timestamp(),
      primary key (topic, seq)
    )`);
  await knex.raw("alter table outbox alter column bytes set storage external");
  await knex.raw("alter table work add column outbox_seq bigint");
  await knex.raw("create unique index work_outbox on work (consumer, topic, generation, outbox_seq)");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("drop index work_outbox");
  await knex.raw("alter table work drop column outbox_seq");
  await knex.raw("drop table outbox, outbox_topics");
}
