// Moments at which to kill: a share of a step's time, or a state of the work that is over in milliseconds and that a
// clock would hardly ever hit.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import pg from "pg";

import { unreachable } from "../../libs/domain/assert.ts";
import type { Random } from "../support/seeded.ts";

/** `time`: a share of what the step takes undisturbed. The others: milliseconds after the state was seen. */
export type Moment =
  | { readonly at: "time"; readonly share: number }
  | { readonly at: "received" | "applying"; readonly afterMs: number }
  | { readonly at: "writing"; readonly records: number; readonly afterMs: number };

const pollMs = 2;

/** The n-th moment of a run: each kind in turn. */
export function momentOf(random: Random, n: number): Moment {
  const afterMs = random.below(40);
  switch (n % 4) {
    case 0:
      return { at: "writing", records: 2 + random.below(3000), afterMs: random.below(6) };
    case 1:
      return { at: "time", share: 0.25 + random.next() * 0.75 };
    case 2:
      return { at: "applying", afterMs: afterMs / 2 };
    default:
      return { at: "received", afterMs: afterMs * 5 };
  }
}

/** Resolves at the moment, or when the signal is aborted. */
export async function reached(
  moment: Moment,
  about: { readonly dataDir: string; readonly stepMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { dataDir, stepMs, signal } = about;
  if (moment.at === "time") return pause(stepMs * moment.share, signal);
  await seen(dataDir, queryOf(moment), signal);
  return pause(moment.afterMs, signal);
}

function queryOf(moment: Exclude<Moment, { readonly at: "time" }>): string {
  switch (moment.at) {
    case "received":
      return "select 1 from deliveries where state = 'received'";
    case "applying":
      return "select 1 from changesets where state = 'applying'";
    case "writing":
      return `select 1 from changesets c join log_topics t on t.name = 'roster.' || c.district
              where c.state = 'applying' and t.next_offset > c.from_offset + ${moment.records}`;
    default:
      return unreachable(moment);
  }
}

/** Asks the server of the folder until the query has a row. */
async function seen(dataDir: string, query: string, signal: AbortSignal): Promise<void> {
  const host = encodeURIComponent(join(dataDir, "postgres"));
  while (!signal.aborted) {
    const client = new pg.Client({ connectionString: `postgres://rollcall@localhost:5432/rollcall?host=${host}` });
    client.on("error", () => {});
    try {
      await client.connect();
      while (!signal.aborted && (await client.query(query)).rowCount === 0) await sleep(pollMs);
    } catch {
      // The server is not there yet, or it just ended.
      await sleep(pollMs * 5);
      continue;
    } finally {
      await client.end().catch(() => {});
    }
    return;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
