// What state the connection to each API is in: one row per source, made when something is first known of it.
// It keeps true that `since` says when a state began, however often it was found again; and that people are told of each
// step towards the end of credentials once.

import type { Knex } from "knex";

import type { DistrictId } from "../../domain/ids.ts";
import type { ApiPlace } from "./api-sources.ts";
import { namedBy } from "./sources.ts";

/** `untested`: never pulled as it is set up now. `unshared`: the vendor lists the district's share no more. */
export type ApiStateName =
  | "untested"
  | "ready"
  | "incomplete"
  | "unauthorised"
  | "forbidden"
  | "unreachable"
  | "expired"
  | "unshared";

/** Days before the end of credentials, when people are told; 0: they have ended. */
export type ExpiryStep = 30 | 14 | 7 | 1 | 0;

/** All times are epoch milliseconds. */
export type ApiState = {
  readonly state: ApiStateName;
  readonly since: number | null;
  /** A sentence without personal data. */
  readonly reason: string | null;
  /** When the last pull began. */
  readonly pulledAt: number | null;
  /** When somebody asked for a pull that has not begun. */
  readonly wantedAt: number | null;
  /** When the next try is due after a pull that failed. */
  readonly retryAt: number | null;
  /** Pulls that failed since the last one that did not. */
  readonly failures: number;
  /** The day of expiry of which people were told, and how many days ahead. */
  readonly expiryTold: { readonly expires: string; readonly step: ExpiryStep } | null;
};

type Row = {
  readonly state: ApiStateName;
  readonly since: Date;
  readonly reason: string | null;
  readonly pulled_at: Date | null;
  readonly wanted_at: Date | null;
  readonly retry_at: Date | null;
  readonly failures: number;
  readonly expiry_told: ApiState["expiryTold"];
};

const columns = ["state", "since", "reason", "pulled_at", "wanted_at", "retry_at", "failures", "expiry_told"];
const key = ["district", "source"];

/** What is known of a source of which nothing is. */
export const unknownState: ApiState = {
  state: "untested",
  since: null,
  reason: null,
  pulledAt: null,
  wantedAt: null,
  retryAt: null,
  failures: 0,
  expiryTold: null,
};

export async function stateOf(sql: Knex, { district, source }: ApiPlace): Promise<ApiState> {
  const row: Row | undefined = await sql("api_states").where({ district, source }).first(columns);
  return row === undefined ? unknownState : fromRow(row);
}

/** Of all sources, or of a district's, of which something is known. */
export async function allStates(sql: Knex, district?: DistrictId): Promise<readonly (ApiPlace & ApiState)[]> {
  const rows: readonly (Row & { readonly district: string; readonly id: string })[] = await sql("api_states")
    .where(district === undefined ? {} : { district })
    .select("district", "source as id", ...columns);
  return rows.flatMap((row) => {
    const named = namedBy(row);
    return named === null ? [] : [{ district: named.district, source: named.id, ...fromRow(row) }];
  });
}

/**
 * Says what state the connection is in.
 * @returns whether it was in another one.
 */
export async function noteState(
  sql: Knex,
  { district, source }: ApiPlace,
  { state, reason, at }: { readonly state: ApiStateName; readonly reason: string | null; readonly at: number },
): Promise<boolean> {
  const { rows } = await sql.raw<{ readonly rows: readonly { readonly before: ApiStateName | null }[] }>(
    `with before as (
       select state from api_states where district = :district and source = :source)
     insert into api_states as known (district, source, state, reason, since)
     values (:district, :source, :state, :reason, :since)
     on conflict (district, source) do update set
       state = excluded.state, reason = excluded.reason,
       since = case when known.state = excluded.state then known.since else excluded.since end
     returning (select state from before) as before`,
    { district, source, state, reason, since: new Date(at) },
  );
  return (rows[0]?.before ?? unknownState.state) !== state;
}

/** Asks for a pull, whatever the schedule says. */
export async function wantPull(sql: Knex, place: ApiPlace, at: number): Promise<void> {
  await store(sql, place, { wanted_at: new Date(at) });
}

/** A pull begins: what was asked for before is being done. */
export async function noteBegun(sql: Knex, place: ApiPlace, at: number): Promise<void> {
  await store(sql, place, { pulled_at: new Date(at), wanted_at: null, retry_at: null });
}

/** A pull failed. @param retryAt null: it is not tried again before the schedule or a person says so. */
export async function noteFailed(
  sql: Knex,
  { district, source }: ApiPlace,
  { retryAt }: { readonly retryAt: number | null },
): Promise<void> {
  const retry = retryAt === null ? null : new Date(retryAt);
  await sql("api_states")
    .insert({ district, source, failures: 1, retry_at: retry })
    .onConflict(key)
    .merge({ failures: sql.raw("api_states.failures + 1"), retry_at: retry });
}

/** A pull was whole: nothing is to be tried again. */
export async function noteWhole(sql: Knex, place: ApiPlace): Promise<void> {
  await store(sql, place, { failures: 0, retry_at: null });
}

/** @returns whether people have still to be told of this step towards this day: each is told once, and none after a later. */
export async function noteExpiryTold(
  sql: Knex,
  { district, source }: ApiPlace,
  told: { readonly expires: string; readonly step: ExpiryStep },
): Promise<boolean> {
  const noted: readonly unknown[] = await sql("api_states")
    .insert({ district, source, expiry_told: JSON.stringify(told) })
    .onConflict(key)
    .merge()
    .whereRaw(
      `api_states.expiry_told is null
       or api_states.expiry_told->>'expires' <> ? or cast(api_states.expiry_told->>'step' as integer) > ?`,
      [told.expires, told.step],
    )
    .returning("source");
  return noted.length > 0;
}

type Change = Partial<Readonly<Record<"pulled_at" | "wanted_at" | "retry_at", Date | null>>> & {
  readonly failures?: number;
};

async function store(sql: Knex, { district, source }: ApiPlace, change: Change): Promise<void> {
  await sql("api_states")
    .insert({ district, source, ...change })
    .onConflict(key)
    .merge();
}

function fromRow(row: Row): ApiState {
  return {
    state: row.state,
    since: row.since.getTime(),
    reason: row.reason,
    pulledAt: row.pulled_at?.getTime() ?? null,
    wantedAt: row.wanted_at?.getTime() ?? null,
    retryAt: row.retry_at?.getTime() ?? null,
    failures: row.failures,
    expiryTold: row.expiry_told,
  };
}
