// Districts with their policy, what they delivered, and what became of it: plans, exceptions, decisions, changesets.

import type { Knex } from "knex";

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable("districts", (table) => {
    table.text("id").primary();
    table.text("name").notNullable();
    table.text("state").notNullable().defaultTo("setup");
    table.jsonb("policy").notNullable();
    table.bigInteger("last_plan").notNullable().defaultTo(0);
    table.bigInteger("last_changeset").notNullable().defaultTo(0);
    table.timestamp("created_at").notNullable().defaultTo(knex.fn.now());
  });
  await knex.schema.createTable("sources", (table) => {
    table.text("district").notNullable().references("districts.id");
    table.text("id").notNullable();
    table.text("kind").notNullable();
    table.bigInteger("last_sequence").notNullable().defaultTo(0);
    table.primary(["district", "id"]);
  });
  await knex.schema.createTable("deliveries", (table) => {
    table.text("id").primary();
    table.text("district").notNullable().references("districts.id");
    table.text("source").notNullable();
    table.bigInteger("sequence").notNullable();
    table.integer("attempt").notNullable();
    table.text("state").notNullable().comment("received, accepted or refused");
    table.text("set_hash").notNullable();
    table.jsonb("files").notNullable().comment("name, sha256 and bytes of each landed file");
    table.jsonb("beside").notNullable().comment("what stood beside the files of the standard");
    table.jsonb("policy").notNullable().comment("the policy under which the set was read");
    table.date("as_of").notNullable().comment("the district's own date");
    table.text("refusal");
    table.timestamp("received_at").notNullable();
    table.timestamp("decided_at");
    table.unique(["district", "source", "sequence"]);
  });
  await createDiffTables(knex);
}

async function createDiffTables(knex: Knex): Promise<void> {
  await knex.schema.createTable("plans", (table) => {
    table.text("district").notNullable();
    table.bigInteger("version").notNullable();
    table.text("source").notNullable();
    table.text("delivery").notNullable();
    table.bigInteger("sequence").notNullable().comment("the delivery's place in its source's sequence");
    table.binary("delivery_record").notNullable().comment("the framed delivery record, newest attempt");
    table.text("state").notNullable().comment("open, superseded or closed");
    table.text("verdict").notNullable();
    table.text("cause");
    table.jsonb("parts").notNullable();
    table.timestamp("since").notNullable();
    table.timestamp("planned_at").notNullable();
    table.primary(["district", "version"]);
    table.index(["district", "delivery"]);
  });
  await knex.schema.createTable("exceptions", (table) => {
    table.text("district").notNullable();
    table.text("type").notNullable();
    table.text("sourced_id").notNullable();
    table.binary("hash").comment("fingerprint of the desired content; null: absent");
    table.text("state").notNullable().comment("held, approved, rejected or undone");
    table.text("reason").notNullable().comment("limit, children or plan");
    table.bigInteger("plan").notNullable();
    table.timestamp("since").notNullable();
    table.text("decided_by");
    table.primary(["district", "type", "sourced_id"]);
  });
  await knex.schema.createTable("changesets", (table) => {
    table.text("district").notNullable();
    table.bigInteger("number").notNullable();
    table.bigInteger("plan").notNullable();
    table.text("delivery").notNullable();
    table.text("state").notNullable().comment("applying or published");
    table.text("policy").notNullable().comment("hash of the policy");
    table.text("rules").notNullable();
    table.text("verdict").notNullable();
    table.jsonb("allowed").notNullable().comment("planned counts per type and op: deletes never exceed them");
    table.text("generation").notNullable();
    table.bigInteger("from_offset").notNullable();
    table.bigInteger("to_offset");
    table.jsonb("counts");
    table.text("hash");
    table.timestamp("started_at").notNullable();
    table.timestamp("published_at");
    table.primary(["district", "number"]);
    table.index(["delivery"]);
  });
  await knex.schema.createTable("decisions", (table) => {
    table.text("id").primary();
    table.text("district").notNullable();
    table.bigInteger("version").notNullable();
    table.text("verdict").notNullable();
    table.jsonb("types").notNullable();
    table.text("cause");
    table.text("decided_by").notNullable();
    table.timestamp("decided_at").notNullable();
    table.text("outcome").notNullable().comment("applied or refused");
    table.text("reason");
  });
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ["decisions", "changesets", "exceptions", "plans", "deliveries", "sources", "districts"])
    await knex.schema.dropTable(table);
}
