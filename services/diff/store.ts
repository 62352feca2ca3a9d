// What diff keeps in PostgreSQL: plans, decisions and changesets. Each function is one statement or a few in
// the caller's transaction; the order of locks is always the district's row first.

import type { Knex } from "knex";

import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import type { Verdict } from "../../libs/domain/diff/plan.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { AppError } from "../../libs/errors.ts";
import type { Count, PlanPart } from "../../libs/records.ts";

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

/** The district's policy as it is now. */
export async function policyOf(sql: Knex, district: string): Promise<Policy> {
  const row = await districtOf(sql, district);
  if (row === null) throw new AppError("district.unknown", { message: `there is no district ${district}` });
  return row.policy;
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

/** A plan that was held as a whole and is approved: what is left of it. */
export async function amendPlan(
  sql: Knex.Transaction,
  plan: {
    readonly district: string;
    readonly version: number;
    readonly verdict: Verdict;
    readonly parts: readonly PlanPart[];
  },
): Promise<void> {
  const { district, version, verdict, parts } = plan;
  await sql("plans")
    .where({ district, version })
    .update({ verdict, cause: null, parts: JSON.stringify(parts) });
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
