// What a district delivered and published, as tables: one per entity type, one row per entity. Each row says by which
// changeset it last changed, and where it stood in the delivery.
// What was published of it on teacher-rosters.<district>, and how far the changesets are applied.

import type { Knex } from "knex";

const tables: Readonly<Record<string, string>> = {
  roster_orgs: `
    name text not null, org_type text not null, identifier text, parent_id text`,
  roster_sessions: `
    title text not null, session_type text not null, start_date date not null, end_date date not null,
    parent_id text, school_year integer not null`,
  roster_courses: `
    title text not null, course_code text, org_id text, school_year_id text,
    grades text[] not null, subjects text[] not null, subject_codes text[] not null`,
  roster_classes: `
    title text not null, class_code text, class_type text, location text, course_id text, school_id text not null,
    term_ids text[] not null, grades text[] not null, subjects text[] not null, subject_codes text[] not null,
    periods text[] not null`,
  roster_users: `
    enabled boolean not null, username text, user_ids jsonb not null, given_name text not null, family_name text not null,
    middle_name text, preferred_given_name text, preferred_family_name text, identifier text, email text,
    grades text[] not null, primary_org_id text`,
  roster_roles: `
    user_id text not null, role text not null, role_type text not null, org_id text not null,
    begin_date date, end_date date`,
  roster_enrollments: `
    class_id text not null, user_id text not null, school_id text not null, role text not null,
    is_primary boolean, begin_date date, end_date date`,
  roster_resources: `
    vendor_resource_id text not null, title text, importance text, vendor_id text, application_id text`,
  roster_class_resources: `
    class_id text not null, resource_id text not null`,
  roster_course_resources: `
    course_id text not null, resource_id text not null`,
};

const indexes: readonly string[] = [
  "create index roster_enrollments_class on roster_enrollments (district, class_id)",
  "create index roster_enrollments_user on roster_enrollments (district, user_id)",
  "create index roster_roles_user on roster_roles (district, user_id)",
  "create index roster_orgs_identifier on roster_orgs (identifier)",
];

export async function up(knex: Knex): Promise<void> {
  for (const [name, columns] of Object.entries(tables)) {
    await knex.raw(`
      create table ${name} (
        district text not null, sourced_id text not null, ${columns},
        -- the changeset that last wrote the row, when, and where the row stood in its delivery
        changeset bigint not null, changed_at timestamptz not null, delivery text, origin text,
        primary key (district, sourced_id)
      )`);
  }
  for (const statement of indexes) await knex.raw(statement);
  await knex.raw(`
    create table roster_positions (
      district text primary key references districts,
      generation text not null,
      -- one beyond the last record that is applied, and the changeset that ends there
      next_offset bigint not null,
      changeset bigint not null,
      applied_at timestamptz not null,
      -- the district's own day for which the published rosters are true
      as_of date not null,
      -- changes with the district's state, policy and pilot: what is published was judged by these
      standing text not null
    )`);
  await knex.raw(`
    create table teacher_rosters (
      district text not null, person uuid not null, class_id text not null,
      -- of the record that was published last, without its changeset and time
      hash bytea not null,
      published_at timestamptz not null,
      primary key (district, person, class_id)
    )`);
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ["teacher_rosters", "roster_positions", ...Object.keys(tables).toReversed()])
    await knex.schema.dropTable(table);
}
