// The folders of pulls, one each while it runs.
// It keeps true that no pages lie there for longer than the pull runs, also after a process was killed, and that the folder
// of a pull that another process runs is left alone.

import { mkdir, readdir, rm } from "node:fs/promises";

import { endAbandoned, pullFolder, pullLease, runningPlaces } from "../../libs/adapters/postgres/api-pulls.ts";
import type { ApiPlace } from "../../libs/adapters/postgres/api-sources.ts";
import { noteFailed, stateOf } from "../../libs/adapters/postgres/api-states.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { randomUUID } from "node:crypto";
import { type ApiWork, restartAt } from "./context.ts";

const leaseMs = 15_000;
const idForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** Ends pulls whose process is gone, and removes folders of which no pull runs. */
export async function cleanSpool(work: ApiWork): Promise<void> {
  const { sql, pullsFolder } = work;
  for (const place of await runningPlaces(sql)) {
    const held = await holdLease(sql, { name: pullLease(place), holder: randomUUID(), ttlMs: leaseMs });
    if (held === null) continue;
    try {
      await endDead(work, place);
    } finally {
      await held.release();
    }
  }
  await mkdir(pullsFolder, { recursive: true, mode: 0o700 });
  const ids = (await readdir(pullsFolder)).filter((name) => idForm.test(name));
  if (ids.length === 0) return;
  const running = new Set(await sql("api_pulls").where({ state: "running" }).whereIn("id", ids).pluck<string[]>("id"));
  for (const id of ids) if (!running.has(id)) await rm(pullFolder(pullsFolder, id), { recursive: true, force: true });
}

/** Ends what earlier holders of the source's lease left, so that it is pulled again. Call it as the holder. */
export async function endDead(work: ApiWork, place: ApiPlace): Promise<void> {
  const { sql, clock } = work;
  await sql.transaction(async (trx) => {
    if ((await endAbandoned(trx, place, clock.now())) === 0) return;
    await noteFailed(trx, place, { retryAt: restartAt(work, await stateOf(trx, place)) });
  });
}
