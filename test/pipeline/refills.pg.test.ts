// The rows of a delivery are kept for days, the delivery may wait for longer: its range is asked for again, is filled by
// one more attempt, and the work goes on by itself.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { outcomeOf } from "../../libs/cli/outcome.ts";
import { withServices } from "../../libs/cli/services.ts";
import { type DeliveryId, parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { districtTopic } from "../../libs/topics.ts";
import { readLedger } from "../sample/naive.ts";
import { checkPublished, sameLines } from "../support/checker.ts";
import { stoppingBefore } from "../support/interrupted.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../support/pipeline.ts";
import { anotherProcess, type TestSystem } from "../support/system.ts";

const students = 100;

/** Forgets all rows that were delivered so far, as retention does. */
async function expire({ system, id }: TestDistrict): Promise<void> {
  const topic = districtTopic("entities", id);
  const extent = await system.log.extent(topic);
  await system.log.deleteBefore(topic, extent?.end ?? 0);
}

/** Hands a set over without diff being there to take it up. */
async function handOver({ system, id }: TestDistrict, path: string): Promise<DeliveryId> {
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const { signal } = new AbortController();
  return (await deliver(system, { district: id, source, path, signal })).id;
}

async function attempts({ system }: TestDistrict): Promise<readonly number[]> {
  return system.sql("deliveries").orderBy("sequence").pluck<number[]>("attempt");
}

const account = ({ type, sourcedId, op }: { readonly type: string; readonly sourcedId: string; readonly op: string }) =>
  `${op} ${type} ${sourcedId}`;

t.test("I9 a delivery's range that has expired is asked for again, and is never an empty set", async (t) => {
  await t.test("before an approval", async (t) => {
    const district = await freshDistrict(t);
    await district.deliver((await district.sample({ students })).directory);
    const drop = await district.sample({ students, night: 2, scenario: "drop" });
    await district.deliver(drop.directory);
    const { version } = await district.plan();
    await expire(district);
    const { outcome, changeset } = await district.decide("approve", version);
    t.equal(outcome, "applied", "the approval goes on by itself");
    t.match(await topicRecords(district.system, "requests"), [
      { value: { delivery: "springfield.files.2", wish: "refill" } },
    ]);
    t.same(await attempts(district), [1, 2]);
    const held = readLedger(drop.ledger).filter(
      ({ type, suspicious, waits }) => type !== "demographics" && (suspicious === true || waits === true),
    );
    sameLines(t, (await district.changes(changeset?.number)).map(account), held.map(account), "exactly what was held");
    await checkPublished(t, district, drop.directory);
    const left = await district.system
      .sql("work")
      .whereNot({ state: "done" })
      .whereIn("consumer", ["diff", "ingest-sftp"]);
    t.same(left, [], "no work is left");
  });

  await t.test("before its delivery was planned", async (t) => {
    const district = await freshDistrict(t);
    await district.deliver((await district.sample({ students })).directory);
    const next = await district.sample({ students, night: 2 });
    const delivery = await handOver(district, next.directory);
    await expire(district);
    const { outcome } = await withServices(district.system, () =>
      outcomeOf(district.system, { district: district.id, delivery }),
    );
    t.equal(outcome, "published");
    t.same(await attempts(district), [1, 2]);
    await checkPublished(t, district, next.directory);
  });

  await t.test("once, also where two processes hear the request", async (t) => {
    const district = await freshDistrict(t);
    await district.deliver((await district.sample({ students })).directory);
    const next = await district.sample({ students, night: 2 });
    const delivery = await handOver(district, next.directory);
    await expire(district);
    const other = await anotherProcess(t, district.system);
    const both = withServices(other, () =>
      withServices(district.system, async () => {
        const { outcome } = await outcomeOf(district.system, { district: district.id, delivery });
        // Whoever came second has something to say about it by then.
        await sleep(1000);
        return outcome;
      }),
    );
    t.equal(await both, "published");
    t.same(await attempts(district), [1, 2]);
  });
});

t.test("while nobody can fill an expired range nothing is published", async (t) => {
  const district = await freshDistrict(t);
  const first = await district.sample({ students });
  await district.deliver(first.directory);
  const delivery = await handOver(district, (await district.sample({ students, night: 2 })).directory);
  await expire(district);
  const forgotten = await district.system.landing.document(delivery, "report.json");
  t.type(forgotten, "string");
  await district.system.sql("deliveries").where({ id: delivery }).update({ files: "[]" });
  const { outcome } = await withServices(district.system, async () =>
    Promise.race([
      outcomeOf(district.system, { district: district.id, delivery }),
      sleep(1500, { outcome: "waiting" }),
    ]),
  );
  t.not(outcome, "published");
  await checkPublished(t, district, first.directory, "what was published stays");
});

type Cut = { readonly district: TestDistrict; readonly set: string };

/** Begins the first changeset and stops it before its nth append; `meanwhile` happens, then the first process goes on. */
async function cutOff(
  t: Parameters<typeof freshDistrict>[0],
  nth: number,
  meanwhile: (district: TestDistrict) => Promise<void>,
): Promise<Cut> {
  const district = await freshDistrict(t);
  const { system, id } = district;
  const set = (await district.sample({ students })).directory;
  const topic = districtTopic("roster", id);
  let isMet = (): void => undefined;
  const met = new Promise<void>((resolve) => (isMet = resolve));
  let goOn = (): void => undefined;
  const gone = new Promise<void>((resolve) => (goOn = resolve));
  const meet = async (): Promise<void> => {
    isMet();
    await gone;
  };
  const frozen: TestSystem = { ...system, log: stoppingBefore(system.log, { topic, nth, meet }) };
  await handOver(district, set);
  await withServices(frozen, async () => {
    await met;
    // Its lease ends while it is frozen.
    await system.sql("leases").where({ name: topic }).update({ expires_at: "-infinity" });
    await meanwhile(district);
    goOn();
    await sleep(300);
  });
  return { district, set };
}

async function published({ system, id }: TestDistrict): Promise<void> {
  for (;;) {
    const row: unknown = await system.sql("changesets").where({ district: id, number: 1, state: "published" }).first();
    if (row !== undefined) return;
    await sleep(50);
  }
}

for (const [nth, where] of [
  [1, "before its first record"],
  [2, "in the middle"],
  [3, "before its marker"],
] as const) {
  t.test(`a changeset that is taken over ${where} is finished once, and the first writer is refused`, async (t) => {
    const { district, set } = await cutOff(t, nth, async (cut) => {
      const other = await anotherProcess(t, cut.system);
      await withServices(other, () => published(cut));
    });
    await checkPublished(t, district, set);
    const records = await district.records("roster");
    const changes = records.filter(({ name }) => name.endsWith("Change"));
    t.equal(new Set(changes.map(({ key }) => key)).size, changes.length, "no key is written twice");
    t.equal(records.filter(({ key }) => key === '["changeset"]').length, 1);
    t.match(await district.system.sql("changesets"), [{ number: 1, from_offset: 0, state: "published" }]);
    t.match(await district.deliver(set), { outcome: "published", changeset: { number: 2, counts: [] } });
  });
}

t.test("a changeset that was begun is finished although its rows have expired meanwhile", async (t) => {
  const { district, set } = await cutOff(t, 2, async (cut) => {
    await expire(cut);
    const other = await anotherProcess(t, cut.system);
    await withServices(other, async () => {
      while ((await topicRecords(other, "deliveries")).length < 2) await sleep(20);
      // A district that stopped is left alone for a while.
      cut.system.sleepDays(1);
      await published(cut);
    });
  });
  t.same(await attempts(district), [2]);
  await checkPublished(t, district, set);
});
