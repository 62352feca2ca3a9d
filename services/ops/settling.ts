// Waiting until the other services have seen a change. It is a courtesy with an end: what was appended is seen anyway.

import { setTimeout as sleep } from "node:timers/promises";

import type { OpsContext } from "./context.ts";
import { defaultWaitMs, longestWaitMs } from "./schemas.ts";

const firstPauseMs = 15;
const longestPauseMs = 200;

/** Asks again and again until it is so, or the time is over. @returns whether it is so. */
export async function waitUntil(isSo: () => Promise<boolean>, waitMs: number): Promise<boolean> {
  const end = performance.now() + waitMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 1.5)) {
    if (waitMs > 0 && (await isSo())) return true;
    const left = end - performance.now();
    if (left <= 0) return false;
    await sleep(Math.min(pauseMs, left));
  }
}

/** The time to wait that a query asks for, milliseconds. */
export function waitMsOf({ wait }: { readonly wait?: string }): number {
  return Math.min(longestWaitMs, wait === undefined ? defaultWaitMs : Number(wait));
}

/** Waits until what is on these topics now is worked off, with all that it made due. @returns whether it is. */
export async function untilSettled(
  { log, sql }: Pick<OpsContext, "log" | "sql">,
  { topics, waitMs }: { readonly topics: readonly string[]; readonly waitMs: number },
): Promise<boolean> {
  if (waitMs === 0) return false;
  const ends = new Map<string, number>();
  for (const topic of topics) ends.set(topic, (await log.extent(topic))?.end ?? 0);
  const isSettled = async (): Promise<boolean> => {
    const { rows } = await sql.raw<{ readonly rows: readonly { readonly busy: boolean }[] }>(
      `select exists (
           select from unnest(cast(:topics as text[]), cast(:ends as bigint[])) as wanted (topic, until)
           where until > coalesce((select min(next_offset) from inbox_positions p where p.topic = wanted.topic), 0))
         -- what waits behind stopped work waits for a person
         or exists (select from work w where topic = any(cast(:topics as text[])) and state = 'waiting'
           and not exists (select from work s where s.consumer = w.consumer and s.district = w.district
             and s.state = 'stopped' and s.id < w.id))
         or exists (select from facts_to_spread) or exists (select from login_due)
         or exists (select from registration_due) or exists (select from roster_due) as busy`,
      { topics: [...ends.keys()], ends: [...ends.values()] },
    );
    return rows[0]?.busy === false;
  };
  return waitUntil(isSettled, waitMs);
}
