// What is forgotten of the SFTP server and of taken sets after its time: both name people's addresses and files' names.
// It keeps true that a set stays while more may be told of it, and the newest set of each source as long as the source.

import type { Knex } from "knex";

/** @returns how many rows went. */
export async function forgetDropHistory(sql: Knex, ageMs: number): Promise<number> {
  const before = sql.raw("clock_timestamp() - ? * interval '1 millisecond'", [ageMs]);
  const events = await sql("sftp_audit").where("at", "<", before).delete();
  const sets = await sql("drop_sets")
    .where("ended_at", "<", before)
    .whereRaw("plan->>'state' is distinct from 'open'")
    .whereExists(
      sql("drop_sets as newer")
        .whereRaw("newer.district = drop_sets.district and newer.source = drop_sets.source")
        .whereRaw("(newer.taken_at, newer.id) > (drop_sets.taken_at, drop_sets.id)"),
    )
    .delete();
  return events + sets;
}
