// The exceptions of a district: keys where what the sources say and what is published must differ, and why.
// Held: it waits for a decision. Approved: it goes out with the next changeset, or once its children let it. Rejected and
// undone: a person said no, for as long as the sources say the same.

import type { Knex } from "knex";

import { exception, hold, type Image } from "../../libs/domain/diff/image.ts";
import type { StoredException } from "../../libs/domain/diff/plan.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import { entryOf } from "./entries.ts";

const rowsPerStatement = 5000;

type Rows<T> = Iterable<T> | AsyncIterable<T>;

export type ExceptionReason = "limit" | "children" | "plan" | "doubt";
export type NewException = {
  readonly type: string;
  readonly sourcedId: string;
  readonly hash: Buffer | null;
  readonly state: "held" | "approved" | "rejected";
  readonly reason: ExceptionReason;
};

export type ExceptionRow = {
  readonly type: string;
  readonly sourced_id: string;
  readonly hash: Buffer | null;
  readonly state: string;
  readonly reason: ExceptionReason;
  /** The newest version of the plan that showed it. */
  readonly plan: number;
};

/** All exceptions of a district, a page at a time, in the order of their keys. */
export async function* exceptionsOf(sql: Knex, district: string): AsyncGenerator<readonly ExceptionRow[]> {
  let after: ExceptionRow | undefined;
  for (;;) {
    const rows: ExceptionRow[] = await sql("exceptions")
      .where({ district })
      .whereRaw("(type, sourced_id) > (?, ?)", [after?.type ?? "", after?.sourced_id ?? ""])
      .orderBy(["type", "sourced_id"])
      .limit(rowsPerStatement)
      .select("type", "sourced_id", "hash", "state", "reason", "plan");
    if (rows.length > 0) yield rows;
    after = rows.at(-1);
    if (rows.length < rowsPerStatement) return;
  }
}

/** The entry and the stored word of an exception row; entry -1 when nothing is known of the key any more. */
export function readException(
  image: Image,
  row: ExceptionRow,
): { readonly entry: number; readonly stored: StoredException } {
  const entry = entryOf(image, { type: row.type, sourcedId: row.sourced_id });
  const hash = row.hash === null ? null : ([row.hash.readUInt32LE(0), row.hash.readUInt32LE(4)] as const);
  return { entry, stored: { hash, state: exceptionState(row) } };
}

/** Whether the state is one in which a key waits for a decision. */
export function isHeld(state: number | undefined): boolean {
  return state === exception.held || state === exception.doubted;
}

/** Why a key that waits for a decision does. */
export function heldFor(state: number | undefined): ExceptionReason {
  return state === exception.doubted ? "doubt" : "limit";
}

function exceptionState({ state, reason }: ExceptionRow): number {
  switch (state) {
    case "held":
      return reason === "doubt" ? exception.doubted : exception.held;
    case "approved":
      return exception.approved;
    default:
      return exception.refused;
  }
}

/** The stored form of the content that an exception is about. */
export function desiredHash(image: Image, entry: number): Buffer {
  const hash = Buffer.alloc(8);
  hash.writeUInt32LE(image.desiredHash[entry * 2] ?? 0, 0);
  hash.writeUInt32LE(image.desiredHash[entry * 2 + 1] ?? 0, 4);
  return hash;
}

/** Why a held key is held, as the row says it; null for keys that are held by no row of their own. */
export function reasonOf(held: number | undefined): ExceptionReason | null {
  switch (held) {
    case hold.limit:
      return "limit";
    case hold.children:
      return "children";
    case hold.doubt:
      return "doubt";
    case undefined:
    default:
      return null;
  }
}

/** Adds exceptions; a key that has one keeps its `since`. */
export async function putExceptions(
  sql: Knex.Transaction,
  {
    district,
    plan,
    since,
    by,
    rows,
  }: {
    readonly district: string;
    readonly plan: number;
    readonly since: Date;
    readonly by: string | null;
    readonly rows: Rows<NewException>;
  },
): Promise<void> {
  for await (const page of pages(rows)) {
    await sql.raw(
      `insert into exceptions (district, type, sourced_id, hash, state, reason, plan, since, decided_by)
       select ?, t.type, t.sourced_id, decode(t.hash, 'hex'), t.state, t.reason, ?, ?, ?
       from jsonb_to_recordset(?::jsonb) as t (type text, sourced_id text, hash text, state text, reason text)
       on conflict (district, type, sourced_id) do update
       set hash = excluded.hash, state = excluded.state, reason = excluded.reason, plan = excluded.plan,
           decided_by = coalesce(excluded.decided_by, exceptions.decided_by)`,
      [
        district,
        plan,
        since,
        by,
        JSON.stringify(
          page.map(({ sourcedId, hash, ...row }) => ({ ...row, sourced_id: sourcedId, hash: hash?.toString("hex") })),
        ),
      ],
    );
  }
}

export async function removeExceptions(
  sql: Knex.Transaction,
  district: string,
  rows: readonly Pick<ExceptionRow, "type" | "sourced_id">[],
): Promise<void> {
  const keys = rows.map(({ type, sourced_id }) => ({ type, sourced_id }));
  for await (const page of pages(keys)) {
    await sql.raw(
      `delete from exceptions e using jsonb_to_recordset(?::jsonb) as t (type text, sourced_id text)
       where e.district = ? and e.type = t.type and e.sourced_id = t.sourced_id`,
      [JSON.stringify(page), district],
    );
  }
}

/** Lets keys go that waited for children: approved, as far as their own delete goes. */
export async function releaseExceptions(
  sql: Knex.Transaction,
  district: string,
  rows: readonly Pick<ExceptionRow, "type" | "sourced_id">[],
): Promise<void> {
  for await (const page of pages(rows.map(({ type, sourced_id }) => ({ type, sourced_id })))) {
    await sql.raw(
      `update exceptions e set state = 'approved', reason = 'limit'
       from jsonb_to_recordset(?::jsonb) as t (type text, sourced_id text)
       where e.district = ? and e.type = t.type and e.sourced_id = t.sourced_id`,
      [JSON.stringify(page), district],
    );
  }
}

/** Moves the held exceptions that a version of the plan showed, of these types (empty: all), to another state. */
export async function decideExceptions(
  sql: Knex.Transaction,
  decision: {
    readonly district: string;
    readonly plan: number;
    readonly types: readonly string[];
    readonly state: "approved" | "rejected";
    readonly by: string;
  },
): Promise<void> {
  const { district, plan, state, by } = decision;
  const types = decision.types.length > 0 ? decision.types : entityTypes;
  await waitingOf(sql, { district, plan }).whereIn("type", types).update({ state, decided_by: by });
}

/** What a version of the plan keeps waiting: for a decision, or approved and for children that stay. */
function waitingOf(sql: Knex, where: { readonly district: string; readonly plan: number }): Knex.QueryBuilder {
  return sql("exceptions").where(where).whereRaw("(state = 'held' or (state = 'approved' and reason = 'children'))");
}

/** How many exceptions a version of the plan keeps waiting. */
export async function countHeld(
  sql: Knex,
  { district, plan }: { readonly district: string; readonly plan: number },
): Promise<number> {
  const row: { count?: string | number } | undefined = await waitingOf(sql, { district, plan })
    .count({ count: "*" })
    .first();
  return Number(row?.count ?? 0);
}

async function* pages<T>(rows: Rows<T>): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const row of rows) {
    page.push(row);
    if (page.length < rowsPerStatement) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
