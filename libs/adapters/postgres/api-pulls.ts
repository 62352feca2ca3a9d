// Each pull as a row: when it ran, what it read, and what came of it. Its id names its folder while it runs.
//
//   running ─▶ delivered | same | incomplete | failed
//
// It keeps true that a pull ends once: whoever was taken for dead and ends later changes nothing.

import { join } from "node:path";

import type { Knex } from "knex";

import type { Collection } from "../../domain/api/collections.ts";
import { type DistrictId, type DeliveryId, parseDistrictId, parseSourceId } from "../../domain/ids.ts";
import type { ApiPlace } from "./api-sources.ts";

export type PullEnd = "delivered" | "same" | "incomplete" | "failed";
export type PullState = "running" | PullEnd;

export type CollectionCount = { readonly name: Collection; readonly items: number; readonly pages: number };

export type ApiPull = {
  readonly id: string;
  /** Epoch milliseconds, as is `endedAt`. */
  readonly startedAt: number;
  /** null while it runs. */
  readonly endedAt: number | null;
  readonly state: PullState;
  /** Of one that failed: the error's code, where there is one. */
  readonly code: string | null;
  /** A sentence without personal data. */
  readonly reason: string | null;
  /** The delivery that it led to. */
  readonly delivery: string | null;
  readonly collections: readonly CollectionCount[];
  /** How many requests were sent. */
  readonly requests: number;
};

type Row = Pick<ApiPull, "id" | "state" | "code" | "reason" | "delivery" | "collections" | "requests"> & {
  readonly started_at: Date;
  readonly ended_at: Date | null;
};

const columns = ["id", "started_at", "ended_at", "state", "code", "reason", "delivery", "collections", "requests"];

/** Of whoever pulls from the source: one at a time, in whatever process. */
export function pullLease({ district, source }: ApiPlace): string {
  return `pull.${district}.${source}`;
}

/** Where the pages of a pull lie until they have landed. */
export function pullFolder(pullsFolder: string, id: string): string {
  return join(pullsFolder, id);
}

export async function startPull(
  sql: Knex,
  { id, district, source, at }: ApiPlace & { readonly id: string; readonly at: number },
): Promise<void> {
  await sql("api_pulls").insert({ id, district, source, started_at: new Date(at), state: "running" });
}

export type EndedPull = {
  readonly id: string;
  readonly state: PullEnd;
  readonly code: string | null;
  readonly reason: string | null;
  readonly delivery: DeliveryId | null;
  readonly collections: readonly CollectionCount[];
  readonly requests: number;
  readonly at: number;
};

/** @returns whether it ran until now: false when others have ended it. */
export async function endPull(sql: Knex, { id, at, collections, ...end }: EndedPull): Promise<boolean> {
  const ended = await sql("api_pulls")
    .where({ id, state: "running" })
    .update({ ...end, collections: JSON.stringify(collections), ended_at: new Date(at) });
  return ended > 0;
}

/** The newest pulls of a source, the newest first. */
export async function lastPulls(sql: Knex, { district, source }: ApiPlace, limit: number): Promise<readonly ApiPull[]> {
  const rows: readonly Row[] = await sql("api_pulls")
    .where({ district, source })
    .orderBy([
      { column: "started_at", order: "desc" },
      { column: "id", order: "desc" },
    ])
    .limit(limit)
    .select(columns);
  return rows.map(({ started_at: startedAt, ended_at: endedAt, ...row }) => ({
    ...row,
    startedAt: startedAt.getTime(),
    endedAt: endedAt?.getTime() ?? null,
  }));
}

/** Sources with a pull that runs, or whose process died: then nobody holds their lease. */
export async function runningPlaces(sql: Knex, district?: DistrictId): Promise<readonly ApiPlace[]> {
  const rows: readonly { readonly district: string; readonly source: string }[] = await sql("api_pulls")
    .where({ state: "running", ...(district === undefined ? {} : { district }) })
    .distinct("district", "source");
  return rows.flatMap((row) => {
    const [own, source] = [parseDistrictId(row.district), parseSourceId(row.source)];
    return own === null || source === null ? [] : [{ district: own, source }];
  });
}

/** Whoever holds the source's lease ends what earlier holders left. @returns how many there were. */
export async function endAbandoned(sql: Knex, place: ApiPlace, at: number): Promise<number> {
  return endRunning(sql, place, { at: new Date(at), reason: "the process that pulled ended before the pull did" });
}

/** Takes a pull that runs for one that failed: it delivers nothing any more. @returns how many there were. */
export async function endRunning(
  sql: Knex,
  { district, source }: ApiPlace,
  { at, reason }: { readonly at: Date | Knex.Raw; readonly reason: string },
): Promise<number> {
  return sql("api_pulls")
    .where({ district, source, state: "running" })
    .update({ state: "failed", reason, ended_at: at });
}

/** @returns how many pulls were forgotten that began before the time and have ended. */
export async function deleteOldPulls(sql: Knex, before: number): Promise<number> {
  return sql("api_pulls").where("started_at", "<", new Date(before)).whereNot({ state: "running" }).delete();
}
