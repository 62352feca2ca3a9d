// The service over a real database and a real server: what is due is pulled once, what fails is a state, and what a process
// left is done by the next one.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { removeCredentials, setCredentials } from "../../../libs/adapters/postgres/api-credentials.ts";
import { deleteApiSource } from "../../../libs/adapters/postgres/api-sources.ts";
import { stateOf, wantPull } from "../../../libs/adapters/postgres/api-states.ts";
import { setEnabled } from "../../../libs/adapters/postgres/sources.ts";
import { outcomeOf } from "../../../libs/cli/outcome.ts";
import { withServices } from "../../../libs/cli/services.ts";
import { linesOfFold, linesOfImage, without } from "../../support/checker.ts";
import { start } from "../../support/child.ts";
import { faultNamed } from "../../support/oneroster-faults.ts";
import { truthOf } from "../../support/oneroster-items.ts";
import type { Lane } from "../../support/oneroster-pulls.ts";
import { anotherProcess } from "../../support/system.ts";
import {
  atWork,
  change,
  codesOf,
  deliveriesOf,
  freshLane,
  laneOn,
  nextPull,
  noticesOf,
  pulled,
  pullsOf,
  until,
} from "./at-work.ts";

t.setTimeout(240_000);

const nightly = "30 4 * * *";
const childFile = join(import.meta.dirname, "../../support/pulls-child.ts");

async function folders({ district }: Lane): Promise<readonly string[]> {
  await Promise.resolve();
  const { pullsFolder } = district.system;
  return existsSync(pullsFolder) ? readdirSync(pullsFolder) : [];
}

t.test("what is asked for is pulled, delivered and published; the same again is no delivery", async (t) => {
  const lane = await freshLane(t, { version: "1.2" });
  const { system } = lane.district;
  await atWork(system, async () => {
    const first = await pulled(lane);
    t.match(first, { state: "delivered", code: null, reason: null });
    t.ok(first.requests > 8);
    t.equal(first.collections.find(({ name }) => name === "users")?.items, lane.served.data().items.users.length);
    t.match(await pulled(lane), { state: "same", delivery: null });
    t.match(await stateOf(system.sql, lane.place), { state: "ready", failures: 0, retryAt: null, wantedAt: null });
    await until("nothing lies in the spool", async () => (await folders(lane)).length === 0);
  });
  const [delivery = ""] = await deliveriesOf(lane);
  const about = { district: lane.place.district, delivery };
  const { outcome } = await withServices(system, () => outcomeOf(system, about));
  t.equal(outcome, "published");
  const image = without(lane.served.data().image, "demographics");
  t.strictSame(linesOfFold(await lane.fold(), image), linesOfImage(image));
  t.strictSame(await codesOf(system), []);
});

t.test(
  "each failure is a state with its reason, told once; nothing is delivered, and it ends with a whole pull",
  async (t) => {
    const lane = await freshLane(t, { settings: { schedule: nightly } });
    const { system } = lane.district;
    const { sql } = system;
    const cases: readonly (readonly [fault: string, state: string, code: string])[] = [
      ["401-always", "unauthorised", "api.unauthorised"],
      ["403-one-collection", "forbidden", "api.forbidden"],
    ];
    await atWork(system, async () => {
      t.equal((await pulled(lane)).state, "delivered");
      for (const [fault, state, code] of cases) {
        lane.served.setFaults([faultNamed(fault)]);
        for (let again = 0; again < 2; again++) {
          const pull = await pulled(lane);
          t.match(pull, { state: "failed", code, delivery: null });
          t.match(await stateOf(sql, lane.place), { state, reason: pull.reason, retryAt: null }, "waits for a person");
        }
      }
      t.strictSame(await codesOf(system), ["pull.unauthorised error", "pull.forbidden error"]);
      lane.served.setFaults([]);
      t.equal((await pulled(lane)).state, "same");
      await until("it is told", async () => (await codesOf(system)).at(-1) === "pull.recovered info");
    });
    t.equal((await deliveriesOf(lane)).length, 1);
    const [notice] = await noticesOf(system);
    t.match(notice, { district: lane.place.district, message: /./u, remedy: /credentials/u });
    t.notMatch(JSON.stringify(await noticesOf(system)), lane.served.credentials["secret"] ?? "?");
  },
);

t.test("what may pass is tried again with patience, and told after the third time", async (t) => {
  const lane = await freshLane(t, { settings: { schedule: nightly } });
  const { system } = lane.district;
  lane.served.setFaults([faultNamed("500-always")]);
  await atWork(system, async () => {
    t.match(await pulled(lane), { state: "failed", code: "api.unreachable" });
    const minutes = async (): Promise<number> =>
      ((await stateOf(system.sql, lane.place)).retryAt ?? 0) / 60_000 - system.clock.now() / 60_000;
    t.equal(await minutes(), 10);
    system.sleepDays(10 / 24 / 60);
    await nextPull(lane, 1);
    t.equal(await minutes(), 20);
    t.strictSame(await codesOf(system), []);
    system.sleepDays(20 / 24 / 60);
    await nextPull(lane, 2);
    t.strictSame(await codesOf(system), ["pull.unreachable warning"]);
    system.sleepDays(40 / 24 / 60);
    await nextPull(lane, 3);
    t.equal((await codesOf(system)).length, 1, "once");
    lane.served.setFaults([]);
    system.sleepDays(1);
    t.equal((await nextPull(lane, 4)).state, "delivered");
    t.match(await stateOf(system.sql, lane.place), { state: "ready", failures: 0 });
  });
});

t.test(
  "by its schedule it is pulled once, a moment that was missed is made up, and two processes pull it once",
  async (t) => {
    const lane = await freshLane(t, { settings: { schedule: nightly } });
    const { system } = lane.district;
    const other = await anotherProcess(t, system);
    await atWork(system, async () => {
      await sleep(100);
      t.equal((await pullsOf(lane)).length, 0, "its moment has not come");
    });
    system.sleepDays(3);
    lane.served.setDelay(5);
    await atWork(system, async () =>
      atWork(other, async () => {
        t.equal((await nextPull(lane, 0)).state, "delivered");
        await sleep(200);
        t.equal((await pullsOf(lane)).length, 1, "three moments were missed, and it is pulled once");
        system.sleepDays(1);
        t.equal((await nextPull(lane, 1)).state, "same");
        await sleep(100);
        t.equal((await pullsOf(lane)).length, 2);
      }),
    );
    const asked = lane.served.requests.filter(({ collection, offset }) => collection === "orgs" && offset === 0);
    t.ok(asked.length <= 4, "no request of a second process");
  },
);

t.test("one that is disabled, deleted or without credentials is frozen, also in the middle of a pull", async (t) => {
  const lane = await freshLane(t, { settings: { schedule: nightly } });
  const { system } = lane.district;
  const { sql } = system;
  const { district, source: id } = lane.place;
  const enable = async (isEnabled: boolean): Promise<void> =>
    sql.transaction((trx) => setEnabled(trx, { district, id, isEnabled }));
  await atWork(system, async () => {
    await enable(false);
    system.sleepDays(1);
    t.match(await pulled(lane), { state: "failed", code: "source.disabled" }, "asked for, and refused with its reason");
    await sleep(60);
    t.equal((await pullsOf(lane)).length, 1, "its moment came, and it is not pulled");
    await enable(true);
    system.sleepDays(1);
    t.equal((await nextPull(lane, 1)).state, "delivered");
    await removeCredentials(sql, lane.place);
    t.match(await pulled(lane), { state: "failed", code: "api.credentials-missing", requests: 0 });
    t.match(await stateOf(sql, lane.place), { state: "untested", reason: /missing/u, failures: 0 });
    await setCredentials(sql, system.secretKey, lane.place, lane.served.credentials);
    lane.served.setData(await truthOf({ version: "1.1", students: 6, night: 2 }));
    lane.served.setDelay(30);
    const freezes: readonly (readonly [string, () => Promise<unknown>, string])[] = [
      ["disabled", () => enable(false), "is disabled"],
      ["without credentials", () => removeCredentials(sql, lane.place), "credentials were removed"],
      ["deleted", () => sql.transaction((trx) => deleteApiSource(trx, { district, id })), "was deleted"],
    ];
    for (const [what, freeze, reason] of freezes) {
      await enable(true);
      const before = (await pullsOf(lane)).length;
      const asked = lane.served.requests.length;
      system.sleepDays(1 / 24 / 60);
      await wantPull(sql, lane.place, system.clock.now());
      await until("it is pulled", () => lane.served.requests.length > asked + 3);
      await freeze();
      const pull = await nextPull(lane, before);
      t.equal(pull.state, "failed", what);
      t.match(pull.reason, reason);
      await until("the pull itself has ended", async () => (await folders(lane)).length === 0);
      if (what === "without credentials")
        await setCredentials(sql, system.secretKey, lane.place, lane.served.credentials);
      if (what === "disabled") await enable(true);
    }
  });
  t.equal((await deliveriesOf(lane)).length, 1, "only the one before");
  t.strictSame(await codesOf(system), [], "an operator did it, and need not be told");
});

t.test("credentials that expired by their day are no more tried, until the day is another", async (t) => {
  const lane = await freshLane(t, { settings: { expires: "2025-10-01" } });
  const { system } = lane.district;
  await atWork(system, async () => {
    t.match(await pulled(lane), { state: "failed", code: "api.expired", requests: 0 });
    t.match(await stateOf(system.sql, lane.place), { state: "expired", reason: /2025-10-01/u });
    await change(lane, { expires: "2026-10-01" });
    t.equal((await pulled(lane)).state, "delivered");
    t.equal((await stateOf(system.sql, lane.place)).state, "ready");
  });
});

t.test("a district that is slow keeps no other waiting", async (t) => {
  const slow = await freshLane(t);
  const { system } = slow.district;
  const quick = await laneOn(t, system, { auth: "oauth1-sha256" });
  slow.served.setDelay(150);
  await atWork(
    system,
    async () => {
      await wantPull(system.sql, slow.place, system.clock.now());
      await until("the slow one is pulled", async () => (await pullsOf(slow)).length === 1);
      t.equal((await pulled(quick)).state, "delivered");
      t.equal((await pullsOf(slow))[0]?.state, "running");
    },
    { times: { pollIntervalMs: 10, pullsAtOnce: 2 } },
  );
  t.match(await pullsOf(slow), [{ state: "failed", code: null }]);
});

t.test("a fault of ours that one source brings to light ends its pull, and no other's", async (t) => {
  const lane = await freshLane(t);
  const { system } = lane.district;
  const other = await laneOn(t, system, { auth: "oauth1-sha256" });
  const { landing } = system;
  const put = landing.put.bind(landing);
  let faults = 1;
  Object.assign(landing, {
    put: (...about: Parameters<typeof put>) =>
      faults-- > 0 ? Promise.reject(new RangeError("a fault of ours")) : put(...about),
  });
  await atWork(system, async () => {
    t.match(await pulled(lane), { state: "incomplete", code: "api.answer", reason: /fault of Rollcall/u });
    t.equal((await pulled(other)).state, "delivered");
    t.equal((await pulled(lane)).state, "delivered");
  });
  t.match(system.logged(), /RangeError/u);
});

t.test("what a process pulls that is told to end is no pull, and the next process pulls at once", async (t) => {
  const lane = await freshLane(t, { settings: { schedule: nightly } });
  const { system } = lane.district;
  lane.served.setDelay(60);
  system.sleepDays(1);
  let endedAt = 0;
  await atWork(system, async () => {
    await until("it is pulled", () => lane.served.requests.length > 4);
    endedAt = Date.now();
  });
  t.ok(Date.now() - endedAt < 3000, "it ends within seconds");
  t.match(await pullsOf(lane), [{ state: "failed", delivery: null, reason: /stopped/u }]);
  t.strictSame(await folders(lane), []);
  t.equal((await deliveriesOf(lane)).length, 0);
  lane.served.setDelay(0);
  system.sleepDays(1 / 24 / 60);
  await atWork(system, async () => t.equal((await nextPull(lane, 1)).state, "delivered"));
  t.match(await stateOf(system.sql, lane.place), { state: "ready", failures: 0 });
});

t.test("a process that is killed in the middle of a pull is no obstacle: the next one delivers once", async (t) => {
  const lane = await freshLane(t);
  const { system } = lane.district;
  lane.served.setDelay(60);
  // The other process has no clock that can be set.
  system.sleepDays((Date.now() - system.clock.now()) / 86_400_000 + 0.1);
  await wantPull(system.sql, lane.place, Date.now());
  const child = start([process.execPath, childFile, system.database.url, system.folder]);
  await until("the child pulls", () => lane.served.requests.length > 6);
  child.kill("SIGKILL");
  await child.ended;
  t.match(await pullsOf(lane), [{ state: "running" }]);
  t.equal((await folders(lane)).length, 1, "its pages lie there");
  mkdirSync(join(system.pullsFolder, "8c9e0e5c-3c3f-4f0c-9a1e-1f2d3c4b5a69"));
  mkdirSync(join(system.pullsFolder, "somebody-else"));
  // Its lease would lapse by itself, in a quarter of a minute.
  await system.sql("leases").where("name", "like", "pull.%").update({ expires_at: "-infinity" });
  lane.served.setDelay(0);
  await atWork(system, async () => {
    t.equal((await nextPull(lane, 1)).state, "delivered");
    await until("the spool is clean", async () => (await folders(lane)).length === 1);
    t.strictSame(await folders(lane), ["somebody-else"]);
  });
  t.equal((await deliveriesOf(lane)).length, 1);
  t.match((await pullsOf(lane))[1] ?? {}, { state: "failed", reason: /process/u });
});
