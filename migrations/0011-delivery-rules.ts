// Under which rules a set was read: the same set under the same rules and policy need not be read again.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  // All that was delivered before was read under the first rules.
  await knex.raw("alter table deliveries add column rules text not null default '1'");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("alter table deliveries drop column rules");
}
