// What the roster knows of the identifiers that a login claims: everyone who ever had them, as persons.

import type { Knex } from "knex";

import type { Evidence, Identifier, Strength } from "../../domain/identity.ts";
import { identifierHash } from "./people.ts";

type Claim = Identifier & { readonly strength: Strength };

/** A user who is nobody's person yet, as evidence names them. */
const userPrefix = "user:";

/** @returns the evidence of each login, by login id. */
export async function evidenceOf(
  sql: Knex,
  district: string,
  claims: ReadonlyMap<string, readonly Claim[]>,
): Promise<ReadonlyMap<string, readonly Evidence[]>> {
  const wanted = [...claims.values()].flat();
  const { rows } = await sql.raw<{
    readonly rows: readonly { readonly kind: string; readonly hash: string; readonly person: string }[];
  }>(
    `select distinct h.kind, encode(h.value_hash, 'hex') as hash, coalesce(p.person::text, ? || h.sourced_id) as person
     from unnest(cast(? as text[]), cast(? as bytea[])) as w (kind, value_hash)
     join identifier_holders h on h.district = ? and h.kind = w.kind and h.value_hash = w.value_hash
     left join person_users p on p.district = h.district and p.sourced_id = h.sourced_id
     order by person`,
    [
      userPrefix,
      wanted.map(({ kind }) => kind),
      wanted.map(({ kind, value }) => identifierHash(kind, value)),
      district,
    ],
  );
  const persons = new Map<string, string[]>();
  for (const { kind, hash, person } of rows) {
    const holders = persons.get(`${kind} ${hash}`);
    if (holders === undefined) persons.set(`${kind} ${hash}`, [person]);
    else holders.push(person);
  }
  const evidence = ({ kind, value, strength }: Claim): Evidence => ({
    kind,
    value,
    strength,
    persons: persons.get(`${kind} ${identifierHash(kind, value).toString("hex")}`) ?? [],
  });
  return new Map([...claims].map(([login, own]) => [login, own.map(evidence)]));
}

/** How evidence names a user who is nobody's person yet. */
export function userReference(sourcedId: string): string {
  return userPrefix + sourcedId;
}

/** The sourcedId by which evidence names a user who is nobody's person yet; null when it names a person. */
export function userNamed(person: string): string | null {
  return person.startsWith(userPrefix) ? person.slice(userPrefix.length) : null;
}

/** sourcedIds of everyone in question, as evidence names them: by user, or by person. */
export async function candidateUsers(sql: Knex, candidates: readonly string[]): Promise<readonly string[]> {
  const named = candidates.flatMap((each) => userNamed(each) ?? []);
  const persons = candidates.filter((each) => userNamed(each) === null);
  const rows: readonly { readonly sourced_id: string }[] = await sql("person_users")
    .whereIn("person", persons)
    .select("sourced_id");
  return [...new Set([...named, ...rows.map((row) => row.sourced_id)])].toSorted();
}
