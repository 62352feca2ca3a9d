// Which content of landing some delivery names.
// It keeps true that no content goes that a delivery names: whoever records a delivery, and whoever deletes content, look
// at landing and at the deliveries under one lock. So of the two, the second sees what the first did.

import type { Knex } from "knex";

const lock = "hashtextextended('landing', 0)";

/** Until commit nothing is deleted from landing: whoever records a delivery sees first that its files are still there. */
export async function keepLanding(trx: Knex.Transaction): Promise<void> {
  await trx.raw(`select pg_advisory_xact_lock_shared(${lock})`);
}

/** Those of these contents that no delivery names. Until commit no delivery that names one is recorded. */
export async function unnamedContents(trx: Knex.Transaction, hashes: readonly string[]): Promise<readonly string[]> {
  await trx.raw(`select pg_advisory_xact_lock(${lock})`);
  const { rows } = await trx.raw<{ readonly rows: readonly { readonly hash: string }[] }>(
    `select h.hash from unnest(cast(? as text[])) as h (hash)
     where not exists (
       select 1 from deliveries d where d.files @> jsonb_build_array(jsonb_build_object('sha256', h.hash)))`,
    [[...hashes]],
  );
  return rows.map(({ hash }) => hash);
}
