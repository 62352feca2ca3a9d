// Whether a district has stopped until someone acts, so that whoever waits for it can say so instead of waiting for ever.
// It keeps true that a district which only waits for a range to be filled again has not stopped.

import { waitsForRange } from "../../services/diff/refills.ts";
import type { DistrictId } from "../domain/ids.ts";
import { controlTopics } from "../topics.ts";
import type { System } from "./system.ts";

/** The number of the changeset that was begun and is not yet published; null when there is none. */
export async function unfinishedChangeset(system: System, district: string): Promise<number | null> {
  const row: { readonly number: number } | undefined = await system
    .sql("changesets")
    .where({ district, state: "applying" })
    .first("number");
  return row?.number ?? null;
}

/** Why diff has stopped, null while it goes on. */
export type WhyStopped = () => Promise<string | null>;

/**
 * A question to be asked again and again: why has diff stopped on the district? Null while it goes on.
 * A changeset that cannot be finished belongs to no work of the inbox: that it stopped is heard from its notice alone,
 * which diff repeats with every attempt, half a minute apart: watch before what could make the first one.
 */
export async function watchStops(system: System, district: DistrictId): Promise<WhyStopped> {
  const heard = await hearNotices(system, district);
  return async () => {
    const stopped = await stoppedReason(system, district);
    if (stopped !== null) return stopped;
    const notice = await heard();
    return (await unfinishedChangeset(system, district)) === null ? null : notice;
  };
}

/** Why the district's next work waits for a decision about the plan before it, in words; null when it does not. */
export async function waitsForDecision(system: System, district: DistrictId): Promise<string | null> {
  const next: { readonly state: string; readonly reason: string | null } | undefined = await system
    .sql("work")
    .where({ consumer: "diff", district })
    .whereNot({ state: "done" })
    .orderBy("id")
    .first("state", "reason");
  if (next === undefined || next.state !== "waiting" || next.reason === null) return null;
  // The reason outlives the decision until the work is taken up.
  const plan: unknown = await system
    .sql("plans")
    .where({ district, state: "open", verdict: "hold-all" })
    .first("version");
  return plan === undefined ? null : next.reason;
}

/** Diff's stopped work; work that waits for its range has stopped when what should fill that range has. */
async function stoppedReason(system: System, district: string): Promise<string | null> {
  const rows: readonly { readonly consumer: string; readonly reason: string }[] = await system
    .sql("work")
    .where({ district, state: "stopped" })
    .whereIn("consumer", ["diff", "ingest-sftp"])
    .orderBy("id")
    .select("consumer", "reason");
  const inDiff = rows.find(({ consumer, reason }) => consumer === "diff" && reason !== waitsForRange);
  const waits = rows.some(({ consumer }) => consumer === "diff");
  const unfillable = rows.find(({ consumer }) => consumer === "ingest-sftp");
  return inDiff?.reason ?? (waits ? (unfillable?.reason ?? null) : null);
}

/** The newest error that a notice told of the district, from the moment of the call on. */
async function hearNotices(system: System, district: DistrictId): Promise<() => Promise<string | null>> {
  const topic = controlTopics.notices.name;
  let next = (await system.log.extent(topic))?.end ?? 0;
  let newest: string | null = null;
  return async () => {
    const extent = await system.log.extent(topic);
    if (extent === null || extent.end <= next) return newest;
    for await (const batch of system.log.scan({ topic, generation: extent.generation, from: next, to: extent.end })) {
      for (const { value } of batch) {
        if (value === null) continue;
        const notice = system.records.decode("rollcall.control.Notice", value);
        if (notice.district === district && notice.severity === "error") newest = `${notice.code}: ${notice.message}`;
      }
    }
    next = extent.end;
    return newest;
  };
}
