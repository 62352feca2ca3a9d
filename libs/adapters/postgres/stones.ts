// Stones: districts that have left. What comes for one later is dropped, and its id is not used again.

import type { Knex } from "knex";

/** `emptiedAt` null: its removal has not come to its end. `leftOn` is YYYY-MM-DD, UTC. */
export type Stone = {
  readonly id: string;
  readonly leftOn: string;
  readonly changeset: number;
  readonly generation: string | null;
  readonly emptiedAt: Date | null;
};

function stones(sql: Knex): Knex.QueryBuilder<object, Stone[]> {
  return sql("stones")
    .orderBy("id")
    .select("id", sql.raw(`left_on::text as "leftOn"`), "changeset", "generation", "emptied_at as emptiedAt");
}

/** Every district that has left, by id. */
export async function allStones(sql: Knex): Promise<readonly Stone[]> {
  return stones(sql);
}

/** @returns null when no district of this id has left. */
export async function stoneOf(sql: Knex, id: string): Promise<Stone | null> {
  const [stone] = await stones(sql).where({ id });
  return stone ?? null;
}

/** Whether a district has left, or is just being removed. */
export async function isStone(sql: Knex, id: string): Promise<boolean> {
  return (await stoneOf(sql, id)) !== null;
}
