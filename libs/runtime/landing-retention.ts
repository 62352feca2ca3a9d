// Once a day landing forgets what nobody needs any more: files past their time, old documents, and what an interrupted
// delivery left. It keeps true that a failure here keeps nothing else from being done.

import { randomUUID } from "node:crypto";

import { takeLease } from "../adapters/postgres/leases.ts";
import { deleteUnnamed, forgetOld } from "../adapters/postgres/landing-retention.ts";
import { type DistrictId, parseDistrictId } from "../domain/ids.ts";
import { AppError, isAppError } from "../errors.ts";
import { controlTopics } from "../topics.ts";
import type { Ports } from "./open.ts";

const dayMs = 24 * 60 * 60_000;
const documentsMs = 90 * dayMs;
const leaseName = "landing.day";

/** One round, unless some process had one within a day. */
export async function keepLandingSmall(system: Ports, signal: AbortSignal): Promise<void> {
  const { sql, logger } = system;
  const day = await takeLease(sql, { name: leaseName, holder: randomUUID(), ttlMs: dayMs });
  if (day === null) return;
  try {
    await tidyLanding(system, signal);
  } catch (err) {
    await sql("leases").where(day).delete();
    if (!isAppError(err, "landing.io")) throw err;
    logger.warn({ err, remedy: err.remedy }, "forgetting old files of landing failed, it is tried again in an hour");
  }
}

/** One round. @throws AppError `landing.io`: what was forgotten by then stays so, and the rest is done by the next one. */
export async function tidyLanding(system: Ports, signal: AbortSignal): Promise<void> {
  const { sql, landing, clock, logger, landingDays } = system;
  const retention = { now: clock.now(), filesMs: landingDays * dayMs, documentsMs };
  const ids: readonly string[] = await sql("districts").orderBy("id").pluck("id");
  let deliveries = 0;
  for (const district of ids.flatMap((id) => parseDistrictId(id) ?? [])) {
    if (signal.aborted) return;
    const requested = await requestedDeliveries(system, district);
    if (requested !== null) deliveries += await forgetOld(system, { district, requested, retention });
  }
  await landing.deleteUnfinished(dayMs);
  const contents = await deleteUnnamed({ sql, landing });
  if (deliveries + contents > 0) logger.info({ deliveries, contents }, "old files of landing forgotten");
}

/** Deliveries of unanswered requests; null when a request cannot be read: then nobody knows what it needs. */
async function requestedDeliveries({ sql, records }: Ports, district: DistrictId): Promise<readonly string[] | null> {
  const values: readonly (Buffer | null)[] = await sql("work")
    .where({ district, topic: controlTopics.requests.name })
    .whereNot({ state: "done" })
    .pluck("value");
  try {
    return values.flatMap((value) =>
      value === null ? [] : [records.decode("rollcall.control.Request", value).delivery],
    );
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}
