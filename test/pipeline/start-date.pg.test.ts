// C032: before a district's start date every delivery is a dry run, and on that day what waits goes out by itself.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { withServices } from "../../libs/cli/services.ts";
import { defaultPolicy } from "../../libs/domain/policy.ts";
import { districtTopic } from "../../libs/topics.ts";
import { checkPublished } from "../support/checker.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const students = 60;
/** The first delivery of a test is handed over on 2025-10-02. */
const startDate = "2025-10-06";

/** Runs the services until this is so and nothing is half published, or for a while. */
async function servicesUntil({ system }: TestDistrict, isSo: () => Promise<boolean>): Promise<void> {
  await withServices(system, async () => {
    for (let turn = 0; turn < 200; turn++) {
      const is = await isSo();
      // Asked last: what makes it so begins a changeset.
      const begun: unknown = await system.sql("changesets").where({ state: "applying" }).first("number");
      if (is && begun === undefined) return;
      await sleep(50);
    }
  });
}

/** Runs the services until the open plan is another than this version, or for a while. */
async function servicesUntilPlanned(district: TestDistrict, version: number): Promise<void> {
  await servicesUntil(district, async () => (await district.plan()).version !== version);
}

async function changesets(district: TestDistrict): Promise<number> {
  const rows: readonly unknown[] = await district.system.sql("changesets").where({ district: district.id });
  return rows.length;
}

t.test(
  "C032: before the start date nothing goes out, whoever approves it; on that day it goes by itself",
  async (t) => {
    const district = await freshDistrict(t, { startDate });
    const set = await district.sample({ students });
    t.match(await district.deliver(set.directory), { outcome: "held", reason: "before-start", changeset: null });
    const first = await district.plan();
    t.match(first, { state: "open", verdict: "hold-all", cause: "before-start" });
    t.ok((first.held["user"] ?? 0) > students, "the plan says what would go out");
    for (const cause of [undefined, "before-start", "ids-changed"]) {
      const decided = await district.decide("approve", first.version, cause === undefined ? {} : { cause });
      t.match(decided, { outcome: "refused", reason: /start date, 2025-10-06/u }, cause ?? "no cause");
    }
    const second = await district.sample({ students, night: 2 });
    t.match(await district.deliver(second.directory), { outcome: "held", reason: "before-start" });
    const { version } = await district.plan();
    t.equal((await district.plan(first.version)).state, "superseded", "the next night takes the place of the first");
    t.equal(await changesets(district), 0);

    district.system.sleepDays(2);
    await withServices(district.system, () => sleep(1_000));
    t.match(await district.plan(), { version, state: "open" }, "on the day before it still waits");
    district.system.sleepDays(1);
    await servicesUntilPlanned(district, version);
    t.match(await district.plan(), { state: "closed", verdict: "publish", cause: null });
    t.equal((await district.plan(version)).state, "superseded");
    t.equal(await changesets(district), 1, "once");
    await checkPublished(t, district, second.directory);
    const third = await district.sample({ students, night: 3 });
    t.match(await district.deliver(third.directory), { outcome: "published" });
  },
);

t.test("on the start date the limits are asked as on every day", async (t) => {
  const district = await freshDistrict(t);
  const set = await district.sample({ students });
  await district.deliver(set.directory);
  await district.system
    .sql("districts")
    .where({ id: district.id })
    .update({ policy: JSON.stringify({ ...defaultPolicy, startDate: "2025-10-20" }) });
  t.match(
    await district.deliver(set.directory),
    { outcome: "published", changeset: { counts: [] } },
    "nothing to hold",
  );
  const renamed = await district.sample({ students, night: 2, scenario: "renamed-ids" });
  t.match(await district.deliver(renamed.directory), { outcome: "held", reason: "before-start" });
  const { version } = await district.plan();
  district.system.sleepDays(30);
  await servicesUntilPlanned(district, version);
  t.match(await district.plan(), { state: "open", verdict: "hold-all", cause: "ids-changed" });
  await checkPublished(t, district, set.directory, "nothing went out");
});

t.test("a plan that waits goes out once the start date is taken out of the policy", async (t) => {
  const district = await freshDistrict(t, { startDate: "2030-01-01" });
  const set = await district.sample({ students });
  await district.deliver(set.directory);
  const { version } = await district.plan();
  await district.system
    .sql("districts")
    .where({ id: district.id })
    .update({ policy: JSON.stringify(defaultPolicy) });
  await servicesUntilPlanned(district, version);
  await checkPublished(t, district, set.directory);
});

t.test("what waited for longer than its rows are kept is filled again, and a delta behind it follows", async (t) => {
  const district = await freshDistrict(t, { startDate });
  const { id, system } = district;
  await district.deliver((await district.sample({ students })).directory);
  const delta = await district.sample({ students, night: 2, mode: "delta" });
  t.match(await district.deliver(delta.directory), { outcome: "held", plan: { cause: "before-start" } });
  const { version } = await district.plan();
  const topic = districtTopic("entities", id);
  await system.log.deleteBefore(topic, (await system.log.extent(topic))?.end ?? 0);
  system.sleepDays(30);
  const attempts = (): Promise<readonly number[]> =>
    system.sql("deliveries").orderBy("sequence").pluck<number[]>("attempt");
  await servicesUntil(district, async () => (await attempts())[0] === 2);
  // Started anew: a district that waits for its range is left alone for a while.
  await servicesUntil(district, async () => {
    const open: unknown = await system.sql("work").where({ consumer: "diff" }).whereNot({ state: "done" }).first("id");
    return open === undefined && (await district.plan()).version > version + 1 && (await changesets(district)) === 2;
  });
  t.same(await attempts(), [2, 2]);
  t.equal(await changesets(district), 2, "the whole, then the delta");
  const whole = await district.sample({ students, night: 2 });
  await checkPublished(t, district, whole.directory);
});
