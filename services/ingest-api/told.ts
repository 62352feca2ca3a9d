// What people are told of sources that are pulled: once by each code, until it says something else or passed.
// It keeps true that several processes, and a start in between, tell it no second time.

import type { Knex } from "knex";

import type { IngestContext } from "../../libs/ingest/deliver.ts";
import { type Notice, tellIf } from "../../libs/ingest/notice.ts";

export type Place = { readonly district: string; readonly source: string };

/** What is delivered is judged after the pull. */
const refused = "pull.refused";
/** What a whole pull does not end. */
const lasting: readonly string[] = [refused, "source.outdated"];

/**
 * Notes as what people are told by a code.
 * @returns false when they were told just that.
 */
export async function noteTold(
  sql: Knex,
  place: Place,
  { code, as }: { readonly code: string; readonly as: string },
): Promise<boolean> {
  const { district, source } = place;
  await sql("api_states").insert({ district, source }).onConflict(["district", "source"]).ignore();
  const rows: number = await sql("api_states")
    .where({ district, source })
    .whereRaw("told->>cast(? as text) is distinct from ?", [code, as])
    .update({ told: sql.raw("told || jsonb_build_object(cast(? as text), cast(? as text))", [code, as]) });
  return rows > 0;
}

/** Tells it unless people were told just that. @returns whether they were told now. */
export async function tellOnce(
  context: IngestContext,
  place: Place,
  { as = "told", ...notice }: Omit<Notice, "district"> & { readonly as?: string },
): Promise<boolean> {
  const about = { ...notice, district: place.district };
  return tellIf(context, about, (sql) => noteTold(sql, place, { code: notice.code, as }));
}

/** The source was read whole: what people were told of its failing has passed, and if they were, that is told. */
export async function tellRecovered(context: IngestContext, place: Place): Promise<void> {
  const { district, source } = place;
  const notice = {
    district,
    code: "pull.recovered",
    severity: "info",
    message: `${district}.${source}: it is pulled again`,
    remedy: "Nothing has to be done.",
    since: context.clock.now(),
  } as const;
  await tellIf(context, notice, async (sql) => (await forget(sql, place)) > 0);
}

/** What was delivered was accepted. */
export async function forgetRefused({ sql }: IngestContext, { district, source }: Place): Promise<void> {
  await sql("api_states")
    .where({ district, source })
    .update({ told: sql.raw("told - cast(? as text)", [refused]) });
}

/** @returns how many sources people were told of by a code that a whole pull ends. */
async function forget(sql: Knex, { district, source }: Place): Promise<number> {
  const such = "select key from jsonb_each(told) where key <> all(?)";
  return sql("api_states")
    .where({ district, source })
    .whereRaw(`exists (${such})`, [[...lasting]])
    .update({ told: sql.raw(`told - array(${such})`, [[...lasting]]) });
}
