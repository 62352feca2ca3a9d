// What people are told beside pulls: credentials that end, versions that are too old, silence, and shares. Each once.

import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { removeCredentials } from "../../../libs/adapters/postgres/api-credentials.ts";
import { sharesOf } from "../../../libs/adapters/postgres/api-shares.ts";
import { stateOf } from "../../../libs/adapters/postgres/api-states.ts";
import { setEnabled } from "../../../libs/adapters/postgres/sources.ts";
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

t.setTimeout(120_000);

/** Long enough for some looks. */
const looks = (): Promise<void> => sleep(150);

t.test(
  "the end of credentials is told 30, 14, 7 and 1 days ahead and on its day, each once, and anew for another day (E028 to E031)",
  async (t) => {
    const lane = await freshLane(t, { settings: { expires: "2025-11-10" } });
    const { system } = lane.district;
    const other = await anotherProcess(t, system);
    const told = async (): Promise<readonly string[]> =>
      (await noticesOf(system)).map(({ message, severity }) => `${severity} ${message.replace(/^[^:]+: /u, "")}`);
    const steps: readonly (readonly [days: number, expected: readonly string[]])[] = [
      [9, []],
      [1, ["warning its credentials expire within 30 days, on 2025-11-10"]],
      [16, ["warning its credentials expire within 14 days, on 2025-11-10"]],
      [7, ["warning its credentials expire within 7 days, on 2025-11-10"]],
      [6, ["error its credentials expire within a day, on 2025-11-10"]],
      [1, ["error its credentials expired on 2025-11-10"]],
      [1, []],
    ];
    const all: string[] = [];
    await atWork(system, () =>
      atWork(other, async () => {
        for (const [days, expected] of steps) {
          system.sleepDays(days);
          all.push(...expected);
          await until("it is told", async () => (await told()).length >= all.length);
          await looks();
          t.strictSame(await told(), all);
        }
        await change(lane, { expires: "2025-11-15" });
        await until("it is told anew", async () => (await told()).length > all.length);
        t.strictSame((await told()).slice(all.length), ["warning its credentials expire within 7 days, on 2025-11-15"]);
        await change(lane, { expires: null });
      }),
    );
    const { district, source: id } = lane.place;
    await system.sql.transaction((trx) => setEnabled(trx, { district, id, isEnabled: false }));
    await change(lane, { expires: "2025-11-11" });
    const before = (await told()).length;
    await atWork(system, looks);
    t.equal((await told()).length, before, "one that is disabled is not looked after");
  },
);

t.test("a version that is too old is told once, with what it needs (A079)", async (t) => {
  const lane = await freshLane(t, {
    settings: { profile: "powerschool", sourceVersion: "21.4.3.9", resources: false },
  });
  const { system } = lane.district;
  await atWork(system, () => until("it is told", async () => (await codesOf(system)).length > 0));
  await atWork(system, looks);
  t.match(await noticesOf(system), [
    { code: "source.outdated", message: /21\.4\.3\.9/u, remedy: /Universal Rostering/u },
  ]);
  t.equal((await noticesOf(system)).length, 1);
  await change(lane, { sourceVersion: "21.4.4.0" });
  await atWork(system, looks);
  t.equal((await noticesOf(system)).length, 1);
});

t.test("settings that cannot be read are told once, also by two processes, and keep no other waiting", async (t) => {
  const lane = await freshLane(t, { settings: { profile: "gone" } });
  const { system } = lane.district;
  const well = await laneOn(t, system, { auth: "oauth1-sha1" });
  const other = await anotherProcess(t, system);
  await atWork(system, () => atWork(other, async () => t.equal((await pulled(well)).state, "delivered")));
  await atWork(system, looks);
  t.strictSame(await codesOf(system), ["config.invalid error"]);
});

t.test(
  "silence of which nobody knows the reason is told 12 hours after a pull was due, once, until one is whole",
  async (t) => {
    const lane = await freshLane(t, { settings: { schedule: "30 4 * * *" } });
    const { system } = lane.district;
    await atWork(system, async () => {
      system.sleepDays(0.25);
      t.equal((await nextPull(lane, 0)).state, "delivered");
      await removeCredentials(system.sql, lane.place);
      system.sleepDays(1);
      t.match(await nextPull(lane, 1), { code: "api.credentials-missing" });
      await looks();
      t.strictSame(await codesOf(system), []);
      system.sleepDays(0.5);
      await until("it is told", async () => (await codesOf(system)).length > 0);
      t.strictSame(await codesOf(system), ["pull.missing warning"]);
      system.sleepDays(1);
      await nextPull(lane, 2);
      await looks();
      t.equal((await codesOf(system)).length, 1);
    });
    const [notice] = await noticesOf(system);
    t.match(notice, { message: /credentials are missing/u, remedy: /rollcall source pulls/u });
  },
);

t.test(
  "a share that is disabled, vanishes or comes back is a state, told once, and never a delivery (A051 to A056)",
  async (t) => {
    const lane = await freshLane(t, { auth: "proxy", settings: { schedule: "30 4 * * *" } });
    const { system } = lane.district;
    const { sql } = system;
    const proxy = { url: lane.served.url, key: lane.served.credentials["secret"] ?? "" };
    const shares = lane.served.shares;
    const isState = async (state: string): Promise<boolean> => (await stateOf(sql, lane.place)).state === state;
    await atWork(
      system,
      async () => {
        t.equal((await pulled(lane)).state, "delivered");
        t.strictSame(await codesOf(system), [], "a share that a source reads is no news");
        lane.served.shares = shares.map((share) => ({ ...share, isEnabled: false }));
        await until("it is disabled", () => isState("unshared"));
        t.match(await stateOf(sql, lane.place), { reason: /disabled/u });
        t.match(await pulled(lane), { state: "failed", code: "api.share" });
        lane.served.shares = [];
        await until("it is gone", async () => (await sharesOf(sql))[0]?.state === "gone");
        t.strictSame(await codesOf(system), ["pull.unshared error"]);
        const before = (await pullsOf(lane)).length;
        system.sleepDays(1 / 24 / 60);
        lane.served.shares = [
          ...shares,
          { application: "x%2Fy", tenant: "4712", name: "Shelbyville", isEnabled: true },
        ];
        t.match(await nextPull(lane, before), { state: "same" }, "and is pulled at once");
        await until("it is ready", () => isState("ready"));
        await until("all is told", async () => (await codesOf(system)).length === 4);
        await looks();
      },
      { proxy },
    );
    t.strictSame((await codesOf(system)).toSorted(), [
      "pull.recovered info",
      "pull.unshared error",
      "share.appeared info",
      "share.returned info",
    ]);
    t.match(
      (await noticesOf(system)).find(({ code }) => code === "share.appeared"),
      { message: /tenant 4712/u, remedy: /rollcall source shares/u },
    );
    t.notMatch(JSON.stringify(await noticesOf(system)), /Shelbyville/u);
    t.equal((await deliveriesOf(lane)).length, 1);
  },
);
