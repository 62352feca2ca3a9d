// What districts entered so that we may sign in at their APIs. Each value is sealed for its place (sealed.ts), and none is
// ever shown again: names and times are all that a person sees (C014).

import type { Knex } from "knex";

import { isAppError } from "../../errors.ts";
import { isSealedWithCurrent, mustHaveKey, seal, type SecretKey, unseal } from "../sealed.ts";
import type { ApiPlace } from "./api-sources.ts";

/** Values by the names that the vendor's profile gives them. */
export type Credentials = Readonly<Record<string, string>>;

export type CredentialName = {
  readonly name: string;
  /** Epoch milliseconds. */
  readonly setAt: number;
};

type Row = { readonly name: string; readonly sealed: Buffer };
type PlacedRow = Row & { readonly district: string; readonly source: string };

/** Sets those that are given, and leaves the others as they are. @throws AppError `api.secret-key` when no key is set. */
export async function setCredentials(
  sql: Knex,
  key: SecretKey | null,
  place: ApiPlace,
  values: Credentials,
): Promise<void> {
  const own = mustHaveKey(key);
  const { district, source } = place;
  const rows = Object.entries(values).map(([name, value]) => ({
    district,
    source,
    name,
    sealed: seal(own, value, sealedFor({ district, source, name })),
    set_at: sql.fn.now(),
  }));
  if (rows.length > 0) await sql("api_credentials").insert(rows).onConflict(["district", "source", "name"]).merge();
}

/** @throws AppError `api.secret-key` when there are some and no key that is set opens them. */
export async function credentialsOf(sql: Knex, key: SecretKey | null, place: ApiPlace): Promise<Credentials> {
  const rows: readonly Row[] = await ofPlace(sql, place).select("name", "sealed");
  if (rows.length === 0) return {};
  const own = mustHaveKey(key);
  return Object.fromEntries(rows.map(({ name, sealed }) => [name, unseal(own, sealed, sealedFor({ ...place, name }))]));
}

/** Which are set, and since when; never what they are. */
export async function credentialNames(sql: Knex, place: ApiPlace): Promise<readonly CredentialName[]> {
  const rows: readonly { readonly name: string; readonly set_at: Date }[] = await ofPlace(sql, place)
    .orderBy("name")
    .select("name", "set_at");
  return rows.map(({ name, set_at: setAt }) => ({ name, setAt: setAt.getTime() }));
}

/** @returns how many there were. */
export async function removeCredentials(sql: Knex, place: ApiPlace): Promise<number> {
  return ofPlace(sql, place).delete();
}

/**
 * Seals anew, with the key in use, what a former one sealed: then the former one is needed no more. Whatever no key opens
 * stays as it is. Twice changes nothing.
 * @returns how many were sealed anew, and how many no key opens.
 */
export async function resealCredentials(
  sql: Knex,
  key: SecretKey,
): Promise<{ readonly resealed: number; readonly unopened: number }> {
  const rows: readonly PlacedRow[] = await sql("api_credentials").select("district", "source", "name", "sealed");
  let [resealed, unopened] = [0, 0];
  for (const row of rows) {
    const place = sealedFor(row);
    if (isSealedWithCurrent(key, row.sealed, place)) continue;
    const value = openedOrNull(key, row.sealed, place);
    if (value === null) unopened++;
    // Whoever entered another value meanwhile is right.
    else
      resealed += await sql("api_credentials")
        .where({ ...row })
        .update({ sealed: seal(key, value, place) });
  }
  return { resealed, unopened };
}

function openedOrNull(key: SecretKey, sealed: Buffer, place: string): string | null {
  try {
    return unseal(key, sealed, place);
  } catch (error) {
    if (isAppError(error, "api.secret-key")) return null;
    throw error;
  }
}

/** No district and no source has a slash in its id. */
function sealedFor(row: { readonly district: string; readonly source: string; readonly name: string }): string {
  return `${row.district}/${row.source}/${row.name}`;
}

function ofPlace(sql: Knex, { district, source }: ApiPlace): Knex.QueryBuilder {
  return sql("api_credentials").where({ district, source });
}
