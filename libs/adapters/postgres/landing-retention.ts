// Forgets what landing need not keep of a district's deliveries.
// It keeps true: the district's row is locked while it is decided, so that no plan begins meanwhile that would need a
// file; a delivery names in `files` what landing has, and in `forgotten` what it need not have any more.

import type { Knex } from "knex";

import type { DeliveryId, DistrictId } from "../../domain/ids.ts";
import {
  type Forgettable,
  forgettable,
  type ReadAs,
  type Retention,
  type StoredDelivery,
} from "../../domain/landing-retention.ts";
import type { LandedFile, Landing } from "../../ports.ts";
import { unnamedContents } from "./landing-names.ts";

type Row = {
  readonly id: DeliveryId;
  readonly source: string;
  readonly sequence: number;
  readonly state: StoredDelivery<DeliveryId>["state"];
  readonly received_at: Date;
  readonly files: readonly LandedFile[];
  readonly read_as: ReadAs | null;
  readonly named: boolean;
  readonly documents_forgotten: boolean;
};

// Exceptions that are held or approved are still to be applied; those that a person refused are not.
const candidates = `
  with held as (select distinct plan from exceptions where district = :district and state in ('held', 'approved'))
  select d.id, d.source, d.sequence, d.state, d.received_at, d.files, d.read_as, d.documents_forgotten,
    d.id = any (cast(:requested as text[]))
    or (d.state = 'accepted' and not exists (select from plans p where p.district = d.district and p.delivery = d.id))
    or exists (
      select from plans p where p.district = d.district and p.delivery = d.id
      and (p.state = 'open' or p.version in (select plan from held)))
    or exists (
      select from changesets c where c.district = d.district and c.delivery = d.id and c.state = 'applying') as named
  from deliveries d
  where d.district = :district and (d.files <> '[]' or not d.documents_forgotten)`;

/**
 * Marks the files that landing need not keep, and deletes the documents that are past their time.
 * @param about.requested deliveries that requests name which are not answered yet.
 * @returns how many deliveries something was forgotten of. Twice changes nothing.
 */
export async function forgetOld(
  { sql, landing }: { readonly sql: Knex; readonly landing: Landing },
  about: { readonly district: DistrictId; readonly requested: readonly string[]; readonly retention: Retention },
): Promise<number> {
  const { district, requested, retention } = about;
  return sql.transaction(async (trx) => {
    await trx.raw("select 1 from districts where id = ? for no key update", [district]);
    const { rows } = await trx.raw<{ readonly rows: readonly Row[] }>(candidates, {
      district,
      requested: [...requested],
    });
    let count = 0;
    for (const ofSource of Map.groupBy(rows, ({ source }) => source).values()) {
      const byId = new Map(ofSource.map((row) => [row.id, row]));
      for (const found of forgettable(ofSource.map(storedOf), retention)) {
        const row = byId.get(found.id);
        if (row !== undefined && (await forget({ trx, landing }, row, found))) count++;
      }
    }
    return count;
  });
}

function storedOf(row: Row): StoredDelivery<DeliveryId> {
  const { id, sequence, state } = row;
  const files = row.files.map(({ name }) => name);
  return { id, sequence, state, receivedAt: row.received_at.getTime(), isNamed: row.named, files, readAs: row.read_as };
}

/** Documents go before the row says so: what a crash cuts short is done again. */
async function forget(
  { trx, landing }: { readonly trx: Knex.Transaction; readonly landing: Landing },
  row: Row,
  found: Forgettable<DeliveryId>,
): Promise<boolean> {
  const documents = found.documents && !row.documents_forgotten;
  if (found.files.length === 0 && !documents) return false;
  if (documents) await landing.deleteDocumentsOf(row.id);
  const [gone, kept] = [true, false].map((isGone) =>
    JSON.stringify(row.files.filter(({ name }) => found.files.includes(name) === isGone)),
  );
  await trx.raw(
    `update deliveries set files = cast(:kept as jsonb), forgotten = forgotten || cast(:gone as jsonb),
     documents_forgotten = documents_forgotten or :documents where id = :id`,
    { kept, gone, documents, id: row.id },
  );
  return true;
}

/** Deletes whatever lies in landing and no delivery names. @returns how many contents. */
export async function deleteUnnamed({
  sql,
  landing,
}: {
  readonly sql: Knex;
  readonly landing: Landing;
}): Promise<number> {
  let count = 0;
  for await (const hashes of landing.contents()) {
    await sql.transaction(async (trx) => {
      for (const hash of await unnamedContents(trx, hashes)) {
        await landing.deleteContent(hash);
        count++;
      }
    });
  }
  return count;
}
