// Why a pull may show less than there is: what its comparison with the last one says, and what is not settled of before.
// It keeps true that a source which narrows in several steps is doubted through all of them, also when nobody is missing at
// the first: what vanishes later is held by the same cause, until people have decided about a plan of these deliveries, or
// a week has passed in which nothing was held. (E019, E080, E090)

import type { Knex } from "knex";

import type { ApiPlace } from "../../libs/adapters/postgres/api-sources.ts";
import { causesOf, type Compared } from "../../libs/domain/api/causes.ts";
import { type Cause, causes } from "../../libs/domain/api/pulled.ts";

const weekMs = 7 * 24 * 60 * 60_000;

/** In the order of their list. @param now epoch milliseconds. */
export async function doubtsOf(
  sql: Knex,
  place: ApiPlace,
  { now, ...compared }: Omit<Compared, "now"> & { readonly shown: Compared["now"]; readonly now: number },
): Promise<readonly Cause[]> {
  const { before, today, shown } = compared;
  const found = new Set(causesOf({ before, today, now: shown }));
  const earlier = before?.causes ?? [];
  if (earlier.length > 0 && !(await isSettled(sql, place, now))) for (const cause of earlier) found.add(cause);
  return causes.filter((cause) => found.has(cause));
}

/** The source's accepted deliveries since the last one that named no cause. */
type Doubted = { readonly first: number; readonly last: number; readonly since: Date };

async function isSettled(sql: Knex, place: ApiPlace, now: number): Promise<boolean> {
  const doubted = await doubtedOf(sql, place);
  if (doubted === null) return true;
  if (!(await isPlanned(sql, place, doubted)) || (await isHeld(sql, place))) return false;
  return (await isDecided(sql, place, doubted)) || doubted.since.getTime() < now - weekMs;
}

async function doubtedOf(sql: Knex, place: ApiPlace): Promise<Doubted | null> {
  const { rows } = await sql.raw<{ readonly rows: readonly { [K in keyof Doubted]: Doubted[K] | null }[] }>(
    `select min(sequence) as first, max(sequence) as last, min(received_at) as since from deliveries
     where district = :district and source = :source and state = 'accepted' and sequence > coalesce(
       (select max(sequence) from deliveries where district = :district and source = :source and state = 'accepted'
        and coalesce(jsonb_array_length(beside -> 'pull' -> 'causes'), 0) = 0), 0)`,
    place,
  );
  const { first = null, last = null, since = null } = rows[0] ?? {};
  return first === null || last === null || since === null ? null : { first, last, since };
}

/** Whether diff has come to the newest of them. */
async function isPlanned(sql: Knex, place: ApiPlace, { last }: Doubted): Promise<boolean> {
  return (await sql("plans").where(place).where("sequence", ">=", last).first("version")) !== undefined;
}

/** Whether something waits for a decision: by such a cause, or with all else of its plan. */
async function isHeld(sql: Knex, { district }: ApiPlace): Promise<boolean> {
  const held: unknown = await sql("exceptions").where({ district, state: "held", reason: "doubt" }).first("district");
  const whole: unknown = await sql("plans").where({ district, state: "open", verdict: "hold-all" }).first("version");
  return held !== undefined || whole !== undefined;
}

/** Whether people have decided about one of them: then they have seen it. */
async function isDecided(sql: Knex, { district, source }: ApiPlace, { first }: Doubted): Promise<boolean> {
  const decided: unknown = await sql("decisions as d")
    .join("plans as p", { "p.district": "d.district", "p.version": "d.version" })
    .where({ "d.district": district, "d.outcome": "applied", "p.source": source })
    .where("p.sequence", ">=", first)
    .first("d.id");
  return decided !== undefined;
}
