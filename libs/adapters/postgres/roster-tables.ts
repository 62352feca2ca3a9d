// Writes a district's roster tables, or shadows of them that a transaction alone sees, from changes in their order.
// It keeps true: of one key the last change holds, memory is bounded however many changes there are, and what a user is
// called is remembered in identifier_holders for good, since an address that two people had is no evidence of either.

import type { Knex } from "knex";

import { type Identifier } from "../../domain/identity.ts";
import { identifierHash } from "./people.ts";
import { rosterTables, type StoredType, storedTypes } from "./roster-rows.ts";

/** One change of an entity; `row` null when it is gone. */
export type RosterChange = {
  readonly type: StoredType;
  readonly sourcedId: string;
  readonly row: Readonly<Record<string, unknown>> | null;
  /** What a user is called, now. */
  readonly identifiers: readonly Identifier[];
};

export type Target = {
  readonly district: string;
  readonly tables:
    | "live"
    | "shadow" /** Whether what identifies the users is kept, for ever: not where one only looks. */;
  readonly keepsIdentifiers: boolean;
};

/** Rows that differ between the live tables and the shadows; rows of the same key that say the same count nowhere. */
export type TableDifference = {
  readonly type: StoredType;
  readonly onlyLive: number;
  readonly onlyTopic: number;
  readonly differing: number;
};

const mostPending = 4000;

/** Takes changes in the order of the log and writes them in batches; `flush` writes the rest. */
export class RosterWriter {
  readonly #sql: Knex.Transaction;
  readonly #target: Target;
  /** The last change per key, by type. */
  readonly #pending = new Map<StoredType, Map<string, RosterChange>>();
  #count = 0;

  constructor(sql: Knex.Transaction, target: Target) {
    this.#sql = sql;
    this.#target = target;
  }

  async put(change: RosterChange): Promise<void> {
    const ofType = this.#pending.get(change.type) ?? new Map<string, RosterChange>();
    this.#pending.set(change.type, ofType);
    ofType.set(change.sourcedId, change);
    this.#count++;
    if (this.#count >= mostPending) await this.flush();
  }

  async flush(): Promise<void> {
    for (const [type, changes] of this.#pending) await this.#write(type, [...changes.values()]);
    this.#pending.clear();
    this.#count = 0;
  }

  async #write(type: StoredType, changes: readonly RosterChange[]): Promise<void> {
    const { district, tables, keepsIdentifiers } = this.#target;
    const table = tables === "live" ? rosterTables[type] : shadowOf(type);
    await this.#sql.raw("delete from ?? where district = ? and sourced_id = any(?)", [
      table,
      district,
      changes.map(({ sourcedId }) => sourcedId),
    ]);
    const rows = changes.flatMap(({ sourcedId, row }) =>
      row === null ? [] : [{ district, sourced_id: sourcedId, ...row }],
    );
    if (rows.length === 0) return;
    await this.#sql.raw("insert into ?? select * from json_populate_recordset(null::??, cast(? as json))", [
      table,
      table,
      JSON.stringify(rows),
    ]);
    if (keepsIdentifiers) await keepIdentifiers(this.#sql, district, changes);
  }
}

async function keepIdentifiers(
  sql: Knex.Transaction,
  district: string,
  changes: readonly RosterChange[],
): Promise<void> {
  const held = changes.flatMap(({ sourcedId, identifiers }) =>
    identifiers.map(({ kind, value }) => ({ kind, hash: identifierHash(kind, value).toString("hex"), sourcedId })),
  );
  if (held.length === 0) return;
  await sql.raw(
    `insert into identifier_holders (district, kind, value_hash, sourced_id)
     select ?, kind, decode(hash, 'hex'), sourced_id
     from unnest(cast(? as text[]), cast(? as text[]), cast(? as text[])) as held (kind, hash, sourced_id)
     on conflict do nothing`,
    [district, held.map(({ kind }) => kind), held.map(({ hash }) => hash), held.map(({ sourcedId }) => sourcedId)],
  );
}

function shadowOf(type: StoredType): string {
  return `shadow_${rosterTables[type]}`;
}

/** Makes an empty shadow of each table, which goes with the transaction. */
export async function createShadows(sql: Knex.Transaction): Promise<void> {
  for (const type of storedTypes)
    await sql.raw("create temporary table ?? (like ?? including all) on commit drop", [
      shadowOf(type),
      rosterTables[type],
    ]);
}

/**
 * Holds the live tables against the shadows, every column of a row: both are made from the same records, so that also
 * where a row comes from must agree. Types without a difference are left out.
 */
export async function compareShadows(sql: Knex.Transaction, district: string): Promise<readonly TableDifference[]> {
  const found: TableDifference[] = [];
  for (const type of storedTypes) {
    // Nothing is known of a table that was just filled: without this the plan may be a loop over all pairs.
    await sql.raw("analyze ??", [shadowOf(type)]);
    const { rows } = await sql.raw<{ readonly rows: readonly Omit<TableDifference, "type">[] }>(
      `select count(*) filter (where s.sourced_id is null) as "onlyLive",
         count(*) filter (where l.sourced_id is null) as "onlyTopic",
         count(*) filter (where s.sourced_id is not null and l.sourced_id is not null
           and row(l.*) is distinct from row(s.*)) as differing
       from (select * from ?? where district = ?) l full join ?? s on s.sourced_id = l.sourced_id`,
      [rosterTables[type], district, shadowOf(type)],
    );
    found.push(...rows.map((row) => ({ type, ...row })));
  }
  return found.filter(({ onlyLive, onlyTopic, differing }) => onlyLive + onlyTopic + differing > 0);
}

/** Makes the live tables what the shadows are. Rows that agree are not touched. */
export async function takeShadows(sql: Knex.Transaction, district: string): Promise<void> {
  for (const type of storedTypes) {
    const names = [rosterTables[type], shadowOf(type)] as const;
    await sql.raw(
      `delete from ?? l where l.district = ? and not exists (
         select 1 from ?? s where s.sourced_id = l.sourced_id and row(s.*) is not distinct from row(l.*))`,
      [names[0], district, names[1]],
    );
    await sql.raw(
      `insert into ?? select s.* from ?? s
       where not exists (select 1 from ?? l where l.district = ? and l.sourced_id = s.sourced_id)`,
      [names[0], names[1], names[0], district],
    );
  }
}
