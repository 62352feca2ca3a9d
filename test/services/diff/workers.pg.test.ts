// Several districts at once: a slow one keeps no other one waiting, very large work has at most half of the workers, and
// a failure at one of them ends all.

import t from "tap";

import { type DistrictId, parseSourceId } from "../../../libs/domain/ids.ts";
import { AppError } from "../../../libs/errors.ts";
import { deliver } from "../../../libs/ingest/deliver.ts";
import type { EventLog, LogRange } from "../../../libs/ports.ts";
import { writeSample } from "../../../libs/sample/sample.ts";
import { districtTopic } from "../../../libs/topics.ts";
import { runDiff } from "../../../services/diff/service.ts";
import { addDistrict, freshSystem, type TestSystem } from "../../support/system.ts";

const smallStudents = 20;
const largeStudents = 120;
const largeRecords = 700;
const limitMs = 30_000;
const { signal: never } = new AbortController();

/** A district with a set that was read, and that diff has still to take up. */
async function delivered(system: TestSystem, name: string, students: number): Promise<DistrictId> {
  const district = await addDistrict(system, name);
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const path = `${system.folder}/${name}`;
  await writeSample({ directory: path, students, night: 1, schoolYear: 2026 });
  await deliver(system, { district, source, path, signal: never });
  return district;
}

/** The log, on which reading the entities of some districts waits until they are let go. */
function heldLog(log: EventLog, districts: readonly DistrictId[]) {
  const gates = new Map(
    districts.map((district) => [districtTopic("entities", district), Promise.withResolvers<void>()]),
  );
  const begun: string[] = [];
  async function* scan(range: LogRange): ReturnType<EventLog["scan"]> {
    const gate = gates.get(range.topic);
    if (gate !== undefined) begun.push(range.topic);
    await gate?.promise;
    yield* log.scan(range);
  }
  const held: EventLog = {
    description: log.description,
    createTopic: (topic) => log.createTopic(topic),
    extent: (topic) => log.extent(topic),
    deleteTopic: (topic) => log.deleteTopic(topic),
    scan,
    transaction: (work) => log.transaction(work),
    openWriter: (topic, lease) => log.openWriter(topic, lease),
    waitForAppend: (topics, timeoutMs, signal) => log.waitForAppend(topics, timeoutMs, signal),
  };
  const gateOf = (district: DistrictId) => gates.get(districtTopic("entities", district));
  return {
    held,
    hasBegun: (district: DistrictId) => begun.includes(districtTopic("entities", district)),
    letGo: (district: DistrictId) => gateOf(district)?.resolve(),
    fail: (district: DistrictId, error: AppError) => gateOf(district)?.reject(error),
  };
}

async function untilPublished({ sql }: TestSystem, district: DistrictId): Promise<void> {
  for (const deadline = performance.now() + limitMs; ;) {
    if ((await sql("changesets").where({ district, state: "published" }).first("number")) !== undefined) return;
    if (performance.now() > deadline) throw new Error(`${district} waits`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test("a district with a very large plan keeps no other one waiting, and two of them neither", async (t) => {
  const system = await freshSystem(t);
  const first = await delivered(system, "large-1", largeStudents);
  const second = await delivered(system, "large-2", largeStudents);
  const small = await delivered(system, "small", smallStudents);
  const { held, hasBegun, letGo } = heldLog(system.log, [first, second]);
  const stop = new AbortController();
  const times = { pollIntervalMs: 50, stoppedPauseMs: 1000, workers: { count: 2, largeRecords } };
  const running = runDiff({ ...system, log: held }, times, stop.signal);
  t.teardown(() => letGo(second));

  await untilPublished(system, small);
  t.ok(hasBegun(first), "the first large district came first");
  const later = await delivered(system, "later", smallStudents);
  await untilPublished(system, later);
  t.notOk(hasBegun(second), "the second large one waits for the first, so that half of the workers are left");
  letGo(first);
  await untilPublished(system, first);
  letGo(second);
  await untilPublished(system, second);
  t.ok(hasBegun(second), "and comes after it");
  stop.abort();
  await running;
});

t.test("what fails at one worker ends all, once the others have done what they had in hand", async (t) => {
  const system = await freshSystem(t);
  const [bad, good] = [await delivered(system, "bad", smallStudents), await delivered(system, "good", smallStudents)];
  const { held, hasBegun, letGo, fail } = heldLog(system.log, [bad, good]);
  const times = { pollIntervalMs: 50, stoppedPauseMs: 1000 };
  const running = runDiff({ ...system, log: held }, times, never).catch((error: unknown) => error);
  while (!hasBegun(bad) || !hasBegun(good)) await new Promise((resolve) => setTimeout(resolve, 10));
  fail(bad, new AppError("kafka.unreachable"));
  setTimeout(() => letGo(good), 100);
  t.match(await running, { code: "kafka.unreachable" });
  await untilPublished(system, good);
  t.same(await system.sql("changesets").where({ district: bad }), []);
  const leases: readonly unknown[] = await system.sql("leases").where("expires_at", ">", system.sql.fn.now());
  t.same(leases, [], "no lease is left");
});
