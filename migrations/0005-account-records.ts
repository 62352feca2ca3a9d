// The newest whole state of each product account, as the record that was last appended to `accounts` over HTTP.
// A change of one field needs all others: the table `accounts` follows later, and of an email address keeps the hash.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.raw("create table account_records (account text primary key, record bytea not null)");
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable("account_records");
}
