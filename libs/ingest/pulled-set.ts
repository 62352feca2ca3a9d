// A pull as a delivery: its collections are the files of a set, and what is known of it lies beside them.
// It keeps true that a pull is received whole and once, in the transaction that says so in its row; and that a pull which
// brought what the source's last accepted delivery had is none.

import { createReadStream, statSync } from "node:fs";

import type { Knex } from "knex";

import type { DeliveredSet } from "../adapters/oneroster/set-reader.ts";
import type { Collection } from "../domain/api/collections.ts";
import { fileOf, type PullRecord } from "../domain/api/pulled.ts";
import type { DistrictId, SourceId } from "../domain/ids.ts";
import { type DeliveryRow, findDelivery, type IngestContext, landAndRecord } from "./deliver.ts";
import { insertDelivery, isLastAccepted } from "./landing-set.ts";

/** A file with the pages of a collection, one line each. */
export type PulledFile = { readonly collection: Collection; readonly path: string };

/** The set that a pull is, for judging and landing. */
export function pulledSet(files: readonly PulledFile[], pull: PullRecord): DeliveredSet {
  const entries = files.map(({ collection, path }) => ({
    name: fileOf(collection),
    bytes: statSync(path).size,
    open: () => Promise.resolve(createReadStream(path)),
  }));
  return { entries, otherNames: [], notes: [], pull: storable(pull), close: () => undefined };
}

/** Without what no JSON of the database can hold: such an id or name is refused in its row, and is no column. */
function storable(pull: PullRecord): PullRecord {
  const isStorable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();
  const orNull = (text: string | null): string | null => (text !== null && isStorable(text) ? text : null);
  const { orgs, scopes, revision, sessionsEnd } = pull.seen;
  return {
    ...pull,
    baseUrl: pull.baseUrl.toWellFormed().replaceAll("\0", ""),
    collections: pull.collections.map((one) => ({ ...one, metadata: one.metadata.filter(isStorable) })),
    seen: {
      orgs: orgs.filter(isStorable),
      scopes: scopes?.filter(isStorable) ?? null,
      revision: orNull(revision),
      sessionsEnd: orNull(sessionsEnd),
    },
  };
}

/**
 * Lands the pages of a whole pull and records the delivery: from here on it cannot be lost.
 * @param pulled.record runs in the transaction that records it, also when there is nothing to record.
 * @returns null when it is the last accepted delivery of the source again, under the same policy and rules.
 * @throws AppError `district.unknown`, `source.disabled`, `source.second`, `landing.io`.
 */
export async function receivePulled(
  context: IngestContext,
  pulled: {
    readonly district: DistrictId;
    readonly source: SourceId;
    readonly files: readonly PulledFile[];
    readonly pull: PullRecord;
    readonly record: (trx: Knex.Transaction, delivery: DeliveryRow | null) => Promise<void>;
  },
): Promise<DeliveryRow | null> {
  const { district, source, files, pull } = pulled;
  const set = pulledSet(files, pull);
  return landAndRecord(context, { district, source, open: () => Promise.resolve(set) }, async (trx, received) => {
    const isSame = await isLastAccepted(trx, received);
    const delivery = isSame ? null : await findDelivery(trx, await insertDelivery(trx, received));
    await pulled.record(trx, delivery);
    return delivery;
  });
}

/** What is known of the pull of the source's newest accepted delivery; null before the first. */
export async function lastPulled(
  sql: Knex,
  { district, source }: { readonly district: DistrictId; readonly source: SourceId },
): Promise<PullRecord | null> {
  const last: { readonly pull: PullRecord | null } | undefined = await sql("deliveries")
    .where({ district, source, state: "accepted" })
    .orderBy("sequence", "desc")
    .first(sql.raw("beside -> 'pull' as pull"));
  return last?.pull ?? null;
}
