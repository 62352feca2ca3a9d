// The ingest goes on: what fails of one delivery or one request is told, and everything else is done all the same.

import { renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { recordCodec } from "../../../libs/adapters/registry/record-codec.ts";
import { type DeliveryId, type DistrictId, parseSourceId } from "../../../libs/domain/ids.ts";
import { AppError } from "../../../libs/errors.ts";
import { deliver, type DeliveryRow, receive } from "../../../libs/ingest/deliver.ts";
import { controlKey, controlTopics, districtTopic } from "../../../libs/topics.ts";
import { runIngest } from "../../../services/ingest-sftp/service.ts";
import { stoppingBefore } from "../../support/interrupted.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { addDistrict, freshSystem, type TestSystem } from "../../support/system.ts";

const path = new URL("../../fixtures/v12-bulk", import.meta.url).pathname;
const source = parseSourceId("files") ?? neverHappens();
const times = { pollIntervalMs: 50, unreadAfterMs: 0, failedPauseMs: 60_000 };

function neverHappens(): never {
  throw new Error("files is a source id");
}

/** Runs the ingest beside the work; what it throws fails the test. */
async function whileIngesting(system: TestSystem, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const running = runIngest(system, times, stop.signal);
  try {
    await Promise.race([work(), running]);
  } finally {
    stop.abort();
    await running;
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(30);
}

async function states({ sql }: TestSystem): Promise<Readonly<Record<string, string>>> {
  const rows: readonly { readonly id: string; readonly state: string }[] = await sql("deliveries").select(
    "id",
    "state",
  );
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
}

async function notices(system: TestSystem): Promise<readonly unknown[]> {
  return (await topicRecords(system, "notices")).map(({ value }) => value);
}

const landed = (system: TestSystem, { files }: DeliveryRow): string => {
  const sha256 = files.find(({ name }) => name === "users.csv")?.sha256 ?? "";
  return join(system.folder, "landing", "content", sha256.slice(0, 2), sha256);
};

t.test("a delivery that cannot be read keeps no other district waiting, is told once, and tried again", async (t) => {
  const system = await freshSystem(t);
  const [north, south] = [await addDistrict(system, "north"), await addDistrict(system, "south")];
  const lost = await receive(system, { district: north, source, path });
  const lostFile = landed(system, lost);
  // The same content is stored once, so the other district's set is another.
  const other = new URL("../../fixtures/v11-bulk", import.meta.url).pathname;
  renameSync(lostFile, `${lostFile}.away`);
  await receive(system, { district: north, source, path: other });
  await receive(system, { district: south, source, path: other });
  await whileIngesting(system, async () => {
    await until(async () => (await states(system))["south.files.1"] === "accepted");
    await sleep(300);
    const first = { "north.files.1": "received", "north.files.2": "received", "south.files.1": "accepted" };
    t.same(await states(system), first, "the source's next delivery waits for it");
    const told = await notices(system);
    t.match(told, [{ district: "north", code: "landing.io", severity: "error", message: /^north\.files\.1: /u }]);
    t.match(told, [{ remedy: /landing folder/u }]);
    system.sleepDays(1);
    await until(async () => system.logged().split('"delivery not read"').length === 3);
    t.equal((await notices(system)).length, 1, "told once");
    renameSync(`${lostFile}.away`, lostFile);
    system.sleepDays(1);
    await until(async () => (await states(system))["north.files.2"] === "accepted");
    t.equal((await states(system))["north.files.1"], "accepted", "it was read first");
  });
});

t.test("a delivery that no further try can read is refused with its reason, and the next one is read", async (t) => {
  const system = await freshSystem(t);
  const north = await addDistrict(system, "north");
  const topic = districtTopic("entities", north);
  const tooLarge = (): Promise<void> => Promise.reject(new AppError("log.record-too-large"));
  const log = stoppingBefore(system.log, { topic, nth: 1, meet: tooLarge });
  await receive(system, { district: north, source, path });
  await receive(system, { district: north, source, path });
  await whileIngesting({ ...system, log }, async () => {
    await until(async () => (await states(system))["north.files.2"] === "accepted");
  });
  const [first] = await system.sql("deliveries").where({ id: "north.files.1" }).select("state", "refusal");
  t.match(first, { state: "refused", refusal: /^log\.record-too-large: / });
  t.match(await notices(system), [{ district: "north", code: "log.record-too-large" }]);
});

/** Appends a request of diff; `value` in its place, where it is to be none. */
async function ask(
  system: TestSystem,
  {
    district,
    delivery = "",
    value,
  }: { readonly district: DistrictId; readonly delivery?: string; readonly value?: Buffer },
): Promise<void> {
  const request = { district, source, delivery, wish: "refill", reason: "gone", at: 0 };
  const bytes = value ?? recordCodec(system.codec).encode("rollcall.control.Request", request);
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.requests.name, [{ key: controlKey(district, source), value: bytes }]);
    await Promise.resolve();
  });
}

t.test("a request that cannot be answered is stopped with its reason, and the others are answered", async (t) => {
  const system = await freshSystem(t);
  const [north, south] = [await addDistrict(system, "north"), await addDistrict(system, "south")];
  const { signal } = new AbortController();
  const read: DeliveryId[] = [];
  for (const district of [north, south]) read.push((await deliver(system, { district, source, path, signal })).id);
  await ask(system, { district: north, value: Buffer.from("junk") });
  await ask(system, { district: north, delivery: "north.files.9" });
  await ask(system, { district: north, delivery: "nothing at all" });
  for (const [index, district] of [north, south].entries())
    await ask(system, { district, delivery: read[index] ?? "" });
  const work = async (): Promise<readonly { readonly state: string; readonly reason: string | null }[]> =>
    system.sql("work").where({ consumer: "ingest-sftp" }).orderBy("id").select("state", "reason");
  await whileIngesting(system, async () => {
    await until(async () => (await work()).filter(({ state }) => state === "done").length === 2);
  });
  t.match(await work(), [
    { state: "stopped", reason: /^registry\./u },
    { state: "stopped", reason: /^delivery\.unknown: .*north\.files\.9/u },
    { state: "stopped", reason: /^delivery\.unknown: / },
    { state: "done" },
    { state: "done" },
  ]);
  t.same(await system.sql("deliveries").orderBy("id").pluck("attempt"), [2, 2]);
  const told = await notices(system);
  t.match(told, [{ code: /^registry\./u }, { code: "delivery.unknown" }, { code: "delivery.unknown" }]);
});

t.test("a delivery whose content was replaced by nothing cannot be filled again, and that is told", async (t) => {
  const system = await freshSystem(t);
  const north = await addDistrict(system, "north");
  const { signal } = new AbortController();
  const { id } = await deliver(system, { district: north, source, path, signal });
  await system.sql("deliveries").where({ id }).update({ files: "[]" });
  await ask(system, { district: north, delivery: id });
  await whileIngesting(system, () => until(async () => (await notices(system)).length > 0));
  t.match(await notices(system), [{ district: "north", code: "delivery.unfillable" }]);
  t.match(await system.sql("work").select("state", "reason"), [{ state: "stopped", reason: /^delivery\.unfillable/u }]);
});
