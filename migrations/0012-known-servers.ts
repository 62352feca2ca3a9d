// What the servers were on which this installation began. Stored records name schemas by the registry's ids, and what
// was read names offsets of one cluster's topics: on other servers both would be taken for something else.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table schema_ids (
      -- the registry's
      id bigint primary key,
      -- name and fingerprint of the form that has it
      form text not null
    )`);
  // Null until the first start on Kafka.
  await knex.raw("alter table installation add column cluster text, add column prefix text");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("drop table schema_ids");
  await knex.raw("alter table installation drop column cluster, drop column prefix");
}
