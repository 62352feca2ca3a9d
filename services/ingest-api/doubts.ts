// Why a pull may show less than there is: what its comparison with the last one says, and what is not decided of before.
// It keeps true that a source which narrows in several steps is doubted through all of them: as long as people have not
// decided what an earlier delivery's cause held, what vanishes later is held by the same cause. (E019, E080, E090)

import type { Knex } from "knex";

import type { ApiPlace } from "../../libs/adapters/postgres/api-sources.ts";
import { causesOf, type Compared } from "../../libs/domain/api/causes.ts";
import { type Cause, causes } from "../../libs/domain/api/pulled.ts";

/** In the order of their list. */
export async function doubtsOf(sql: Knex, place: ApiPlace, compared: Compared): Promise<readonly Cause[]> {
  const found = new Set(causesOf(compared));
  const earlier = compared.before?.causes ?? [];
  if (earlier.length > 0 && (await isUndecided(sql, place))) for (const cause of earlier) found.add(cause);
  return causes.filter((cause) => found.has(cause));
}

/** Whether something is held for such a cause, or diff has not come to the last delivery yet. */
async function isUndecided(sql: Knex, { district }: ApiPlace): Promise<boolean> {
  const held: unknown = await sql("exceptions").where({ district, state: "held", reason: "doubt" }).first("district");
  if (held !== undefined) return true;
  const waiting: unknown = await sql("work")
    .where({ consumer: "diff", district })
    .whereNot({ state: "done" })
    .first("district");
  return waiting !== undefined;
}
