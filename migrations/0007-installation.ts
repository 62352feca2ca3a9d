// Which log this installation began on. Positions, plans and grants name offsets of that log: on another one they would
// be read as places in records that are not there.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table installation (
      one_row boolean primary key default true check (one_row),
      -- 'postgres' or 'kafka'
      log text not null check (log in ('postgres', 'kafka'))
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable("installation");
}
