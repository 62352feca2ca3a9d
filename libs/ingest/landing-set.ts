// Lands the files of a set, tells whether it is the last accepted one again, and records it as a delivery.

import type { Knex } from "knex";

import type { DeliveredSet } from "../adapters/oneroster/set-reader.ts";
import { storedPolicy } from "../adapters/postgres/districts.ts";
import { fileOf } from "../domain/api/pulled.ts";
import { localDate } from "../domain/dates.ts";
import { type DeliveryId, deliveryId, type DistrictId, type SourceId } from "../domain/ids.ts";
import type { Policy } from "../domain/policy.ts";
import type { LandedFile, Landing } from "../ports.ts";
import type { NotKept } from "./judge-set.ts";
import { setHash } from "./landed-set.ts";

export const demographicsFile = "demographics.csv";
const demographicsFiles = new Set([demographicsFile, fileOf("demographics")]);

/** @param keep.demographics whether demographics may lie in landing. */
export async function land(
  landing: Landing,
  { entries }: DeliveredSet,
  keep: { readonly demographics: boolean },
): Promise<{ readonly files: readonly LandedFile[]; readonly notKept: readonly NotKept[] }> {
  const files: LandedFile[] = [];
  const notKept: NotKept[] = [];
  for (const entry of entries) {
    if (demographicsFiles.has(entry.name) && !keep.demographics) notKept.push({ name: entry.name, bytes: entry.bytes });
    else files.push(await landing.put(entry.name, await entry.open()));
  }
  return { files, notKept };
}

/** What was delivered beside the files that were landed; `notKept` are files of the standard. */
export type Beside = Pick<DeliveredSet, "notes" | "otherNames" | "pull"> & { readonly notKept: readonly NotKept[] };

/** A set that was landed, and what is known of it. */
export type Received = {
  readonly district: DistrictId;
  readonly source: SourceId;
  readonly policy: Policy;
  /** Version of the rules by which it is read. */
  readonly rules: string;
  readonly files: readonly LandedFile[];
  readonly beside: Beside;
  /** Epoch milliseconds. */
  readonly at: number;
};

type LastRow = {
  readonly state: string;
  readonly set_hash: string;
  readonly policy: unknown;
  readonly rules: string;
  readonly received_at: Date;
};

/**
 * Only the last set is the same again: A, B, A is two changes, also when B came from another source of the district. One
 * that was not read yet may still be accepted.
 */
export async function isLastAccepted(
  sql: Knex,
  { district, source, policy, files, rules }: Received,
): Promise<boolean> {
  const last: LastRow | undefined = await sql("deliveries")
    .where({ district, source })
    .whereNot({ state: "refused" })
    .orderBy("sequence", "desc")
    .first("state", "set_hash", "policy", "rules", "received_at");
  if (last === undefined || (await cameFromOther(sql, { district, source, since: last.received_at }))) return false;
  if (last.state !== "accepted" || last.rules !== rules || last.set_hash !== setHash(files)) return false;
  return JSON.stringify(storedPolicy(last.policy)) === JSON.stringify(policy);
}

async function cameFromOther(
  sql: Knex,
  { district, source, since }: Pick<Received, "district" | "source"> & { readonly since: Date },
): Promise<boolean> {
  const other: unknown = await sql("deliveries")
    .where({ district })
    .whereNot({ source })
    .whereNot({ state: "refused" })
    .where("received_at", ">=", since)
    .first("id");
  return other !== undefined;
}

/** Records a delivery of the source, its next one. */
export async function insertDelivery(sql: Knex, received: Received): Promise<DeliveryId> {
  const { district, source, policy, rules, files, beside, at } = received;
  await sql("sources").insert({ district, id: source, kind: "files" }).onConflict(["district", "id"]).ignore();
  const [counted]: { last_sequence: number }[] = await sql("sources")
    .where({ district, id: source })
    .increment("last_sequence", 1)
    .returning("last_sequence");
  const sequence = counted?.last_sequence ?? 1;
  const id = deliveryId(district, source, sequence);
  await sql("deliveries").insert({
    id,
    district,
    source,
    sequence,
    attempt: 0,
    state: "received",
    set_hash: setHash(files),
    files: JSON.stringify(files),
    beside: JSON.stringify(beside),
    policy: JSON.stringify(policy),
    rules,
    as_of: localDate(at, policy.timeZone),
    received_at: new Date(at),
  });
  return id;
}
