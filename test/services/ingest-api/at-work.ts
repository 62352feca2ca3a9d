// ingest-api at work in a test: started as a process starts it, with a look every few milliseconds and little patience.

import { setTimeout as sleep } from "node:timers/promises";

import { type ApiPull, lastPulls } from "../../../libs/adapters/postgres/api-pulls.ts";
import { apiSourceOf, storeApiSettings } from "../../../libs/adapters/postgres/api-sources.ts";
import { wantPull } from "../../../libs/adapters/postgres/api-states.ts";
import type { System } from "../../../libs/cli/system.ts";
import type { ApiSettings } from "../../../libs/domain/api/settings.ts";
import type { Notice } from "../../../libs/records.ts";
import { controlTopics } from "../../../libs/topics.ts";
import { type ApiOptions, runIngestApi } from "../../../services/ingest-api/service.ts";
import { addLane, hasty, type Lane, type LaneOptions } from "../../support/oneroster-pulls.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { freshSystem, type TestSystem } from "../../support/system.ts";
import type { Teardown } from "../../support/teardown.ts";

const limitMs = 20_000;

/** A source of a system of its own, made before the system's time. */
export async function freshLane(t: Teardown, options: Partial<LaneOptions> = {}): Promise<Lane> {
  return laneOn(t, await freshSystem(t), options);
}

export async function laneOn(t: Teardown, system: TestSystem, options: Partial<LaneOptions> = {}): Promise<Lane> {
  const lane = await addLane(t, system, { version: "1.1", auth: "oauth2", students: 6, ...options });
  await system.sql("sources").update({ created_at: new Date(system.clock.now() - 1) });
  return lane;
}

/** Runs the service beside the work. What it throws, the work throws. */
export async function atWork<T>(system: System, work: () => Promise<T>, options: Partial<ApiOptions> = {}): Promise<T> {
  const stop = new AbortController();
  const times = { pollIntervalMs: 10, checkUpMs: 20, rarelyMs: 20, ...options.times };
  const running = runIngestApi(system, { patience: hasty, chance: () => 0.5, ...options, times }, stop.signal);
  try {
    return await Promise.race([work(), running.then(() => Promise.reject(new Error("the service ended")))]);
  } finally {
    stop.abort();
    await running;
  }
}

export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`it never came that ${what}`);
    await sleep(10);
  }
}

/** All pulls of the source, the newest first. */
export async function pullsOf({ district, place }: Lane): Promise<readonly ApiPull[]> {
  return lastPulls(district.system.sql, place, 100);
}

/** Asks for a pull and waits for its end. The service runs. */
export async function pulled(lane: Lane): Promise<ApiPull> {
  const { sql, clock } = lane.district.system;
  const before = (await pullsOf(lane)).length;
  lane.district.system.sleepDays(1 / 24 / 60);
  await wantPull(sql, lane.place, clock.now());
  return nextPull(lane, before);
}

/** Waits for one more pull than there were, and its end. */
export async function nextPull(lane: Lane, before: number): Promise<ApiPull> {
  let last: ApiPull | undefined;
  await until("a pull ended", async () => {
    const pulls = await pullsOf(lane);
    [last] = pulls;
    return pulls.length > before && last?.endedAt !== null;
  });
  if (last === undefined) throw new Error("there is no pull");
  return last;
}

export async function change(lane: Lane, settings: Partial<ApiSettings>): Promise<void> {
  const { district, source } = lane.place;
  const { sql } = lane.district.system;
  const now = await apiSourceOf(sql, district, source);
  await storeApiSettings(sql, { ...now, settings: { ...now.settings, ...settings } });
}

export async function deliveriesOf({ district, place }: Lane): Promise<readonly string[]> {
  return district.system
    .sql("deliveries")
    .where({ district: place.district })
    .orderBy("sequence")
    .pluck<string[]>("id");
}

/** Every notice, as `code severity`. */
export async function noticesOf(system: System): Promise<readonly Notice[]> {
  const records = await topicRecords(system, controlTopics.notices.name);
  return records.map(({ value }) => value).filter(isNotice);
}

function isNotice(value: unknown): value is Notice {
  return typeof value === "object" && value !== null && "remedy" in value;
}

export async function codesOf(system: System): Promise<readonly string[]> {
  return (await noticesOf(system)).map(({ code, severity }) => `${code} ${severity}`);
}
