// What diff keeps in PostgreSQL: plans, exceptions, decisions and changesets. Each function is one statement or a few in
// the caller's transaction; the order of locks is always the district's row first.

import type { Knex } from "knex";

import { exception, hold, type Image } from "../../libs/domain/diff/image.ts";
import type { Limits, StoredException, Verdict } from "../../libs/domain/diff/plan.ts";
import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { entityKey } from "../../libs/domain/ids.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import { AppError } from "../../libs/errors.ts";
import type { Count, PlanPart } from "../../libs/records.ts";

const rowsPerStatement = 5000;

export type PlanRow = {
  readonly version: number;
  readonly source: string;
  readonly delivery: string;
  readonly sequence: number;
  readonly deliveryRecord: Buffer;
  readonly state: string;
  readonly verdict: Verdict;
  readonly cause: string | null;
  readonly parts: readonly PlanPart[];
  readonly since: Date;
};

export type ChangesetRow = {
  readonly number: number;
  readonly plan: number;
  readonly delivery: string;
  readonly allowed: readonly Count[];
  readonly generation: string;
  readonly from: number;
};

type Rows<T> = Iterable<T> | AsyncIterable<T>;

export type ExceptionReason = "limit" | "children" | "plan";
export type NewException = {
  readonly type: string;
  readonly sourcedId: string;
  readonly hash: Buffer | null;
  readonly state: "held" | "approved" | "rejected";
  readonly reason: ExceptionReason;
};

/** Counts a new version or number on the district's row, which stays locked until the transaction ends. */
export async function nextNumber(
  sql: Knex.Transaction,
  district: string,
  counter: "last_plan" | "last_changeset",
): Promise<number> {
  const [row]: { value: string }[] = await sql("districts")
    .where({ id: district })
    .increment(counter, 1)
    .returning(sql.raw(`${counter} as value`));
  if (row === undefined) throw new AppError("district.unknown", { message: `there is no district ${district}` });
  return Number(row.value);
}

/** The limits of the district's policy as it is now. */
export async function limitsOf(
  sql: Knex,
  district: string,
): Promise<{ readonly limits: Limits; readonly policy: unknown }> {
  const row: { policy: { limits: Limits } } | undefined = await sql("districts")
    .where({ id: district })
    .first("policy");
  if (row === undefined) throw new AppError("district.unknown", { message: `there is no district ${district}` });
  return { limits: row.policy.limits, policy: row.policy };
}

/** The newest plan of the district that is open, if any. */
export async function openPlan(sql: Knex, district: string): Promise<PlanRow | null> {
  return planWhere(sql, (query) => query.where({ district, state: "open" }));
}

export async function planOfVersion(sql: Knex, district: string, version: number): Promise<PlanRow | null> {
  return planWhere(sql, (query) => query.where({ district, version }));
}

async function planWhere(sql: Knex, narrow: (query: Knex.QueryBuilder) => Knex.QueryBuilder): Promise<PlanRow | null> {
  const row: StoredPlan | undefined = await narrow(sql("plans")).orderBy("version", "desc").first();
  if (row === undefined) return null;
  const { version, delivery_record, ...rest } = row;
  return { ...rest, version: Number(version), deliveryRecord: delivery_record };
}

type StoredPlan = Omit<PlanRow, "version" | "deliveryRecord"> & {
  readonly version: string;
  readonly delivery_record: Buffer;
};

/** The place in its source's sequence of the newest delivery that was planned; 0 when none was. */
export async function newestSequence(
  sql: Knex,
  { district, source }: { readonly district: string; readonly source: string },
): Promise<number> {
  const row: { readonly max?: number | null } | undefined = await sql("plans")
    .where({ district, source })
    .max({ max: "sequence" })
    .first();
  return row?.max ?? 0;
}

export async function insertPlan(
  sql: Knex.Transaction,
  district: string,
  plan: Omit<PlanRow, "version"> & { readonly version: number; readonly at: Date },
): Promise<void> {
  await sql("plans").insert({
    district,
    version: plan.version,
    source: plan.source,
    delivery: plan.delivery,
    sequence: plan.sequence,
    delivery_record: plan.deliveryRecord,
    state: plan.state,
    verdict: plan.verdict,
    cause: plan.cause,
    parts: JSON.stringify(plan.parts),
    since: plan.since,
    planned_at: plan.at,
  });
}

export async function setPlanState(
  sql: Knex.Transaction,
  { district, version, state }: { readonly district: string; readonly version: number; readonly state: string },
): Promise<void> {
  await sql("plans").where({ district, version }).update({ state });
}

/** A delivery that was filled again: its plans name the new range. @returns how many plans there were. */
export async function replaceDeliveryRecord(
  sql: Knex.Transaction,
  { district, delivery, record }: { readonly district: string; readonly delivery: string; readonly record: Buffer },
): Promise<number> {
  return sql("plans").where({ district, delivery }).update({ delivery_record: record });
}

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
  const key = Buffer.from(entityKey(row.type, row.sourced_id));
  const print = new Uint32Array(4);
  fingerprint(key, 0, key.length, print);
  const hash = row.hash === null ? null : ([row.hash.readUInt32LE(0), row.hash.readUInt32LE(4)] as const);
  return { entry: image.find(print), stored: { hash, state: exceptionState(row.state) } };
}

function exceptionState(state: string): number {
  switch (state) {
    case "held":
      return exception.held;
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
       set hash = excluded.hash, state = excluded.state, reason = excluded.reason, plan = excluded.plan, decided_by = excluded.decided_by`,
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

/** The changeset that was begun and not finished, if any: it comes before everything else of the district. */
export async function begunChangeset(sql: Knex, district: string): Promise<ChangesetRow | null> {
  const row: StoredChangeset | undefined = await sql("changesets").where({ district, state: "applying" }).first();
  if (row === undefined) return null;
  const { number, plan, from_offset, ...rest } = row;
  return { ...rest, number: Number(number), plan: Number(plan), from: Number(from_offset) };
}

type StoredChangeset = Omit<ChangesetRow, "number" | "plan" | "from"> & {
  readonly number: string;
  readonly plan: string;
  readonly from_offset: string;
};

/** Where the range of the last changeset of this generation ended; the next begins there. */
export async function lastRangeEnd(
  sql: Knex,
  { district, generation, start }: { readonly district: string; readonly generation: string; readonly start: number },
): Promise<number> {
  const row: { to_offset: string } | undefined = await sql("changesets")
    .where({ district, generation, state: "published" })
    .orderBy("number", "desc")
    .first("to_offset");
  return row === undefined ? start : Number(row.to_offset);
}

export async function insertChangeset(
  sql: Knex.Transaction,
  row: ChangesetRow & {
    readonly district: string;
    readonly policy: string;
    readonly rules: string;
    readonly verdict: string;
    readonly at: Date;
  },
): Promise<void> {
  await sql("changesets").insert({
    district: row.district,
    number: row.number,
    plan: row.plan,
    delivery: row.delivery,
    state: "applying",
    policy: row.policy,
    rules: row.rules,
    verdict: row.verdict,
    allowed: JSON.stringify(row.allowed),
    generation: row.generation,
    from_offset: row.from,
    started_at: row.at,
  });
}

export async function publishChangeset(
  sql: Knex.Transaction,
  row: {
    readonly district: string;
    readonly number: number;
    readonly to: number;
    readonly counts: readonly Count[];
    readonly hash: string;
    readonly at: Date;
  },
): Promise<void> {
  await sql("changesets")
    .where({ district: row.district, number: row.number })
    .update({
      state: "published",
      to_offset: row.to,
      counts: JSON.stringify(row.counts),
      hash: row.hash,
      published_at: row.at,
    });
}

/** What became of a decision, once it was taken up. */
export async function recordDecision(
  sql: Knex.Transaction,
  decision: {
    readonly id: string;
    readonly district: string;
    readonly version: number;
    readonly verdict: string;
    readonly types: readonly string[];
    readonly cause: string | null;
    readonly by: string;
    readonly at: Date;
    readonly outcome: "applied" | "refused";
    readonly reason: string | null;
  },
): Promise<void> {
  await sql("decisions")
    .insert({
      id: decision.id,
      district: decision.district,
      version: decision.version,
      verdict: decision.verdict,
      types: JSON.stringify(decision.types),
      cause: decision.cause,
      decided_by: decision.by,
      decided_at: decision.at,
      outcome: decision.outcome,
      reason: decision.reason,
    })
    .onConflict("id")
    .ignore();
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
