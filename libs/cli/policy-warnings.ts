// What a policy says that is allowed and most likely not meant: a name that nothing published has, a sign-on of two.

import type { Knex } from "knex";

import type { Policy } from "../domain/policy.ts";

/** @returns a sentence for each; nothing is said of organisations before a first roster was published. */
export async function policyWarnings(
  sql: Knex,
  { id, policy }: { readonly id: string; readonly policy: Policy },
): Promise<readonly string[]> {
  const unknown = await unknownOrgs(sql, id, policy.orgScope);
  const orgs = unknown.map((org) => `orgScope: the published roster of ${id} has no organisation ${org}`);
  const issuers = (await sharedIssuers(sql, id, policy.signOn.issuers)).map(
    ({ issuer, other }) =>
      `signOn.issuers: ${issuer} is a sign-on of ${other} too; each login must then name its district`,
  );
  return [...orgs, ...issuers];
}

async function unknownOrgs(sql: Knex, district: string, orgs: readonly string[]): Promise<readonly string[]> {
  const known: readonly string[] = await sql("roster_orgs").where({ district }).pluck("sourced_id");
  return known.length === 0 ? [] : orgs.filter((org) => !known.includes(org));
}

type Shared = { readonly issuer: string; readonly other: string };

async function sharedIssuers(sql: Knex, district: string, issuers: readonly string[]): Promise<readonly Shared[]> {
  const { rows } = await sql.raw<{ readonly rows: readonly Shared[] }>(
    `select issuer, d.id as other from districts d
     join unnest(cast(? as text[])) as issuer on policy #> '{signOn,issuers}' @> to_jsonb(issuer)
     where d.id <> ? and d.state <> 'leaving' order by issuer, d.id`,
    [[...issuers], district],
  );
  return rows;
}
