// What landing still has of a delivery, and what later deliveries of its source build on.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table deliveries
      -- of an accepted delivery, by file name: whole, when it took the place of all before it, or part, when it adds to
      -- them; null: accepted before this was kept, so that every file may be a part
      add column read_as jsonb,
      -- files that were in landing and need not be there any more; those that are stand in files
      add column forgotten jsonb not null default '[]',
      add column documents_forgotten boolean not null default false`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("alter table deliveries drop column read_as, drop column forgotten, drop column documents_forgotten");
}
