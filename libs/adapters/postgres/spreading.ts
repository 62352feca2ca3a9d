// From a fact about a license or an account to the logins that it concerns.
// It keeps true that nobody waits for ever: a fact is taken in first, and only a later transaction asks whom it concerns.
// Who judged before the fact was there is found by that question; who judges after it has seen the fact.

import type { Knex } from "knex";

import { districtOfSchool } from "../../domain/nces.ts";
import { markRegistrationDue } from "./people.ts";

export type FactToSpread =
  /** `orgs`: NCES ids that the license named before. */
  | { readonly kind: "license"; readonly id: string; readonly about: { readonly orgs?: readonly string[] } }
  /** `hashes`: of the email addresses it has or had, as hex; `logins`: those it was linked to. */
  | {
      readonly kind: "account";
      readonly id: string;
      readonly about: { readonly hashes?: readonly string[]; readonly logins?: readonly string[] };
    };

type Row = { readonly kind: string; readonly id: string; readonly mark: number; readonly about: Lists };
type Lists = Readonly<Record<string, readonly string[]>>;

/** Leaves a note that the fact is to be spread; what the notes of one fact say adds up. */
export async function spreadLater(sql: Knex.Transaction, { kind, id, about }: FactToSpread): Promise<void> {
  // A row first, so that there is one to lock: of two who note the same fact, the second adds to what the first said.
  await sql("facts_to_spread").insert({ kind, id, about: "{}" }).onConflict(["kind", "id"]).ignore();
  const before: { readonly about: Lists } | undefined = await sql("facts_to_spread")
    .where({ kind, id })
    .forUpdate()
    .first("about");
  const sum: Record<string, readonly string[]> = { ...before?.about };
  for (const [name, values] of Object.entries(about)) sum[name] = [...new Set([...(sum[name] ?? []), ...values])];
  await sql("facts_to_spread")
    .where({ kind, id })
    .update({ about: JSON.stringify(sum), mark: sql.raw("mark + 1") });
}

/** Marks whatever the noted facts concern, and forgets the notes. @returns how many facts there were. */
export async function spreadFacts(sql: Knex): Promise<number> {
  const rows: readonly Row[] = await sql("facts_to_spread")
    .orderBy(["kind", "id"])
    .select("kind", "id", "mark", "about");
  for (const { kind, id, mark, about } of rows) {
    await sql.transaction(async (trx) => {
      if (kind === "license") await spreadLicense(trx, id, about["orgs"] ?? []);
      else await spreadAccount(trx, { id, hashes: about["hashes"] ?? [], logins: about["logins"] ?? [] });
      await trx("facts_to_spread").where({ kind, id, mark }).delete();
    });
  }
  return rows.length;
}

type Districts = { readonly rows: readonly { readonly district: string }[] };

async function spreadLicense(sql: Knex.Transaction, license: string, former: readonly string[]): Promise<void> {
  const row: { readonly orgs: readonly string[] } | undefined = await sql("licenses")
    .where({ id: license })
    .first("orgs");
  const orgs = [...new Set([...former, ...(row?.orgs ?? [])])];
  const { rows } = await sql.raw<Districts>(
    `select district from roster_orgs where identifier = any(cast(:orgs as text[]))
     union select district from logins where school = any(cast(:orgs as text[])) or left(school, :length) = any(cast(:orgs as text[]))
     union select district from seats where license = :license
     order by district`,
    { orgs, license, length: districtOfSchool("000000000000").length },
  );
  for (const { district } of rows) await markRegistrationDue(sql, district);
}

async function spreadAccount(
  sql: Knex.Transaction,
  {
    id,
    hashes,
    logins,
  }: { readonly id: string; readonly hashes: readonly string[]; readonly logins: readonly string[] },
): Promise<void> {
  const row: { readonly login: string | null; readonly email_hash: Buffer | null } | undefined = await sql("accounts")
    .where({ id })
    .first("login", "email_hash");
  const emails = [...hashes.map((hash) => Buffer.from(hash, "hex")), ...[row?.email_hash ?? []].flat()];
  await sql.raw(
    `insert into login_due (login, district)
     select id, district from logins where id in (
       select id from logins where id = any(cast(:logins as uuid[]))
       union select id from logins where email_hash = any(cast(:emails as bytea[]))
       union select l.id from identifier_holders h
         join person_users p on p.district = h.district and p.sourced_id = h.sourced_id
         join logins l on l.person = p.person
         where h.kind = 'email' and h.value_hash = any(cast(:emails as bytea[]))
       -- an account that is linked concerns all logins of its person
       union select l.id from logins linked join logins l on l.person = linked.person
         where linked.id = any(cast(:logins as uuid[])))
     order by id
     on conflict (login) do update set mark = login_due.mark + 1`,
    { logins: [...logins, ...[row?.login ?? []].flat()], emails },
  );
}
