// Open plans are looked for at every turn, for one district and for all: of a district's many plans one at most is open.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw("create index plans_open on plans (district) where state = 'open'");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("drop index plans_open");
}
