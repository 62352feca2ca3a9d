// What a person is to each product, as rows, as records of registrations.<district>, and as seats of licenses.

import type { Knex } from "knex";

import { markRosterDue, uuidOf } from "../../libs/adapters/postgres/people.ts";
import { spreadLater } from "../../libs/adapters/postgres/spreading.ts";
import { parseDistrictId } from "../../libs/domain/ids.ts";
import type { Grant } from "../../libs/domain/registration/facts.ts";
import { assert } from "../../libs/domain/assert.ts";
import { effects, type StoredStatus } from "../../libs/domain/registration/transitions.ts";
import type { NewRecord, Transaction } from "../../libs/ports.ts";
import { controlKey, districtTopic } from "../../libs/topics.ts";
import type { RegistrationContext } from "./context.ts";

type Row = Grant & { readonly person: string; readonly since: Date };

/** What persons have, read once for many of them, and the seats that change hands while they are judged. */
export type Ledger = {
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  /** Licenses of which a person holds a seat. */
  readonly seats: ReadonlyMap<string, readonly string[]>;
  /** Seats taken less seats given back in this transaction, by license. */
  readonly taken: Map<string, number>;
  /** Licenses of which a seat was given back. */
  readonly freed: Set<string>;
};

export async function openLedger(sql: Knex, persons: readonly string[]): Promise<Ledger> {
  const rows: readonly Row[] = await sql("registrations")
    .whereIn("person", [...persons])
    .select("person", "product", "status", "reason", "basis", "account", "license", "since");
  const seats: readonly { readonly person: string; readonly license: string }[] = await sql("seats")
    .whereIn("person", [...persons])
    .select("person", "license");
  const licenses = new Map(
    [...Map.groupBy(seats, ({ person }) => person)].map(([person, own]) => [person, own.map(({ license }) => license)]),
  );
  return { rows: Map.groupBy(rows, ({ person }) => person), seats: licenses, taken: new Map(), freed: new Set() };
}

/** Lets those who wait for a seat be looked at. Last, and in one order, so that nobody waits in a circle. */
export async function closeLedger(sql: Knex.Transaction, { freed }: Ledger): Promise<void> {
  for (const license of [...freed].toSorted()) await spreadLater(sql, { kind: "license", id: license, about: {} });
}

type Change = {
  readonly district: string;
  readonly person: string;
  readonly grants: readonly Grant[];
  readonly ledger: Ledger;
  readonly at: Date;
};

/** Brings rows, seats and records to these grants; the same again changes nothing. */
export async function putGrants(context: RegistrationContext, tx: Transaction, change: Change): Promise<void> {
  const { district, person, grants, ledger } = change;
  const before = new Map((ledger.rows.get(person) ?? []).map((row) => [row.product, row]));
  const after = new Map(grants.map((grant) => [grant.product, grant]));
  const records: NewRecord[] = [];
  let isRosterDue = false;
  for (const product of [...new Set([...before.keys(), ...after.keys()])].toSorted()) {
    const row = before.get(product) ?? null;
    const grant = after.get(product) ?? null;
    if (row !== null && grant !== null && isSame(row, grant)) continue;
    isRosterDue ||= effects[statusOf(row)][statusOf(grant)].roster === "due";
    const value = await putGrant(context, tx.sql, { ...change, product, row, grant });
    records.push({ key: controlKey(person, product), value });
  }
  const id = parseDistrictId(district);
  assert(id !== null, "a district of the table has a good id");
  if (records.length > 0) tx.append(districtTopic("registrations", id), records);
  if (isRosterDue) await markRosterDue(tx.sql, district, [person]);
  await putSeats(tx.sql, change);
}

/** @returns the record that says it; null when nothing is said of the product any more. */
async function putGrant(
  context: RegistrationContext,
  sql: Knex.Transaction,
  change: Change & { readonly product: string; readonly row: Row | null; readonly grant: Grant | null },
): Promise<Uint8Array | null> {
  const { district, person, product, row, grant, at } = change;
  if (grant === null) {
    await sql("registrations").where({ district, person, product }).delete();
    return null;
  }
  const since = row?.status === grant.status ? row.since : at;
  await sql("registrations")
    .insert({ district, person, ...grant, since })
    .onConflict(["district", "person", "product"])
    .merge();
  return recordOf(context, { ...change, grant, since });
}

function statusOf(grant: Grant | null): StoredStatus {
  return grant?.status ?? "none";
}

function isSame(row: Grant, grant: Grant): boolean {
  return (["status", "reason", "basis", "account", "license"] as const).every((field) => row[field] === grant[field]);
}

function recordOf(
  context: RegistrationContext,
  { district, person, grant, since, at }: Change & { readonly grant: Grant; readonly since: Date },
): Uint8Array {
  // The same person and product have the same welcome for ever: whoever sends it knows that it was sent.
  const isWelcome = grant.status === "granted" && grant.basis !== "account";
  return context.records.encode("rollcall.registration.Registration", {
    district,
    person,
    ...grant,
    since: since.getTime(),
    welcome: isWelcome ? uuidOf(JSON.stringify(["welcome", person, grant.product])) : null,
    at: at.getTime(),
  });
}

/** Takes and gives back seats. */
async function putSeats(sql: Knex.Transaction, { district, person, grants, ledger, at }: Change): Promise<void> {
  const { taken, freed } = ledger;
  const needed = new Set(grants.flatMap(({ license }) => license ?? []));
  for (const license of ledger.seats.get(person) ?? []) {
    if (needed.delete(license)) continue;
    await sql("seats").where({ license, person }).delete();
    taken.set(license, (taken.get(license) ?? 0) - 1);
    freed.add(license);
  }
  for (const license of [...needed].toSorted()) {
    await sql("seats").insert({ license, person, district, taken_at: at });
    taken.set(license, (taken.get(license) ?? 0) + 1);
  }
}
