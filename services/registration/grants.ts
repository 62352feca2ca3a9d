// What a person is to each product, as rows, as records of registrations.<district>, and as seats of licenses.

import type { Knex } from "knex";

import { markRosterDue, uuidOf } from "../../libs/adapters/postgres/people.ts";
import { spreadLater } from "../../libs/adapters/postgres/spreading.ts";
import { parseDistrictId } from "../../libs/domain/ids.ts";
import type { Facts, Grant } from "../../libs/domain/registration/facts.ts";
import { assert } from "../../libs/domain/assert.ts";
import { effects, type StoredStatus } from "../../libs/domain/registration/transitions.ts";
import type { NewRecord, Transaction } from "../../libs/ports.ts";
import { controlKey, districtTopic } from "../../libs/topics.ts";
import type { RegistrationContext } from "./context.ts";

type Row = Grant & { readonly since: Date };

type Change = {
  readonly district: string;
  readonly person: string;
  readonly grants: readonly Grant[];
  readonly facts: Facts;
  /** Seats taken less seats given back in this transaction, by license. */
  readonly taken: Map<string, number>;
  readonly at: Date;
};

/** Brings rows, seats and records to these grants; the same again changes nothing. */
export async function putGrants(context: RegistrationContext, tx: Transaction, change: Change): Promise<void> {
  const { district, person, grants, at } = change;
  const rows: readonly Row[] = await tx
    .sql("registrations")
    .where({ person })
    .select("product", "status", "reason", "basis", "account", "license", "since");
  const before = new Map(rows.map((row) => [row.product, row]));
  const after = new Map(grants.map((grant) => [grant.product, grant]));
  const records: NewRecord[] = [];
  let isRosterDue = false;
  for (const product of [...new Set([...before.keys(), ...after.keys()])].toSorted()) {
    const row = before.get(product) ?? null;
    const grant = after.get(product) ?? null;
    if (row !== null && grant !== null && isSame(row, grant)) continue;
    const effect = effects[statusOf(row)][statusOf(grant)];
    isRosterDue ||= effect.roster === "due";
    const key = controlKey(person, product);
    if (grant === null) {
      await tx.sql("registrations").where({ person, product }).delete();
      records.push({ key, value: null });
      continue;
    }
    const since = row?.status === grant.status ? row.since : at;
    await tx
      .sql("registrations")
      .insert({ district, person, ...grant, since })
      .onConflict(["district", "person", "product"])
      .merge();
    records.push({ key, value: recordOf(context, { ...change, grant, since }) });
  }
  const id = parseDistrictId(district);
  assert(id !== null, "a district of the table has a good id");
  if (records.length > 0) tx.append(districtTopic("registrations", id), records);
  if (isRosterDue) await markRosterDue(tx.sql, district, [person]);
  await putSeats(tx.sql, change);
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
  const isWelcome = grant.status === "granted" && grant.basis === "license";
  return context.records.encode("rollcall.registration.Registration", {
    district,
    person,
    ...grant,
    since: since.getTime(),
    welcome: isWelcome ? uuidOf(JSON.stringify(["welcome", person, grant.product])) : null,
    at: at.getTime(),
  });
}

/** Takes and gives back seats. Who gives back the seat of a full license lets those who wait for one be looked at. */
async function putSeats(sql: Knex.Transaction, { district, person, grants, facts, taken, at }: Change): Promise<void> {
  const needed = new Set(grants.flatMap(({ license }) => license ?? []));
  const held: readonly { readonly license: string }[] = await sql("seats").where({ person }).select("license");
  for (const { license } of held) {
    if (needed.delete(license)) continue;
    await sql("seats").where({ license, person }).delete();
    taken.set(license, (taken.get(license) ?? 0) - 1);
    await spreadLater(sql, { kind: "license", id: license, about: {} });
  }
  for (const license of [...needed].toSorted()) {
    assert(
      facts.licenses.some((each) => each.license === license),
      "a seat is of a license that covers the person",
    );
    await sql("seats").insert({ license, person, district, taken_at: at });
    taken.set(license, (taken.get(license) ?? 0) + 1);
  }
}
