// Stones: what stays of a district that has left. Its id is not used again, and what comes late for it is dropped.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table stones (
      id text primary key,
      left_on date not null,
      -- the number of its last changeset, and the generation of its roster; null: it never had one
      changeset bigint not null, generation text,
      -- when the last thing of it was deleted; null: the removal has not come to its end
      emptied_at timestamptz
    )`);
  // Whether any delivery names a content in landing is asked for each content that may go.
  await knex.raw("create index deliveries_files on deliveries using gin (files jsonb_path_ops)");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("drop index deliveries_files");
  await knex.schema.dropTable("stones");
}
