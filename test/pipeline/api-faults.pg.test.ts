// Every fault that a OneRoster server can be given, one at a time, from the request to the roster: none deletes anybody, none
// loses a record, and each pull that delivered nothing says why. While a fault is on the district is another one than what
// is published, with people who left and people who came, so that doing nothing is no answer either.

import t from "tap";

import { lastPulls } from "../../libs/adapters/postgres/api-pulls.ts";
import { pullSource } from "../../services/ingest-api/pull.ts";
import { faults } from "../support/oneroster-faults.ts";
import type { Fault } from "../support/oneroster-fault.ts";
import { type Truth, truthOf } from "../support/oneroster-items.ts";
import { addLane, type Lane, tryFaults, type Trial, withDiff } from "../support/oneroster-pulls.ts";
import { freshSystem } from "../support/system.ts";

t.setTimeout(180_000);

const only = process.env["FAULT"];
const lanesOf = [
  { version: "1.2", auth: "oauth2" },
  { version: "1.1", auth: "oauth1-sha256" },
  { version: "1.1", auth: "oauth2" },
  { version: "1.1", auth: "proxy" },
  { version: "1.1", auth: "oauth1-sha1" },
] as const;
const headers = { "x-permission-revision": "1" };

/** Two nights between which people come and go. */
async function nights(version: "1.1" | "1.2"): Promise<readonly [Truth, Truth]> {
  return [await truthOf({ version, night: 1 }), await truthOf({ version, night: 9 })];
}

function faultIn(fault: Fault, trial: Trial): string | null {
  const { expected, cause, states = ["incomplete"] } = fault;
  const said = `${trial.outcome}, ${trial.state}: ${trial.reason}`;
  if (trial.faults.length > 0) return `${trial.faults.join("; ")} (${said})`;
  if (cause !== undefined && !trial.causes.includes(cause))
    return `names ${trial.causes.join() || "no cause"} (${said})`;
  if (expected !== "either" && trial.outcome !== expected) return `is ${said}, and should be ${expected}`;
  if (expected === "either" && trial.outcome === "held") return `is ${said}`;
  if (trial.outcome === "incomplete" && !states.includes(trial.state)) return `is ${said}, not ${states.join(" or ")}`;
  return null;
}

t.test("I25 no fault of a source deletes anybody or loses a record", async (t) => {
  const system = await freshSystem(t);
  const settings = { revisionHeader: "x-permission-revision" };
  const lanes: Lane[] = [];
  for (const each of lanesOf)
    lanes.push(await addLane(t, system, { ...each, data: (await nights(each.version))[0], headers, settings }));
  const waiting = faults.filter(({ name }) => only === undefined || name === only);
  const take = (lane: number): Fault | undefined => {
    const at = waiting.findIndex(({ tokens }) => tokens !== true || lanesOf[lane]?.auth === "oauth2");
    return waiting.splice(at, at < 0 ? 0 : 1)[0];
  };
  await withDiff(system, (signal) =>
    Promise.all(
      lanes.map(async (lane, index) => {
        const truths = await nights(lane.served.data().version);
        const first = await lane.pull(signal);
        t.match(
          first,
          { state: { state: "ready" }, isHeld: false },
          `${lane.place.district} is pulled: ${first.pull.reason ?? ""}`,
        );
        for (let fault = take(index), turn = 1; fault !== undefined; fault = take(index), turn++) {
          const next = truths[turn % 2] ?? truths[0];
          const trial = await tryFaults(lane, { faults: [fault.name], next }, signal);
          const wrong = faultIn(fault, trial);
          t.equal(wrong, null, `${fault.name}, ${lane.place.district}: ${trial.outcome} ${trial.reason}`);
        }
      }),
    ),
  );
  t.ok(faults.length >= 25, `${faults.length} faults`);
});

t.test(
  "E087 E088 the log of an Infinite Campus obeys its guidelines: its cache's clock, and how much at once",
  async (t) => {
    const system = await freshSystem(t);
    const settings = { profile: "infinite-campus", schedule: "0 3 * * *", pageSize: 10, resources: false };
    const options = { version: "1.2", auth: "oauth2", prefix: "/campus/api", delayMs: 3, settings } as const;
    const lane = await addLane(t, system, options);
    const { served, place, work } = lane;
    served.setClock(() => system.clock.now());
    // Moments of the schedule count from when the source was made, which is by the database's clock.
    system.sleepDays(600);
    // The policy's own time zone is New York.
    const local = new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", timeStyle: "short" });
    const hour = (at: number): number => {
      const [hours = 0, minutes = 0] = local.format(at).split(":").map(Number);
      return hours + minutes / 60;
    };
    await withDiff(system, async (signal) => {
      for (let tenMinutes = 0; tenMinutes < 6 * 24; tenMinutes++) {
        system.sleepDays(1 / 144);
        await pullSource(work, place, signal);
      }
      const nightly = served.requests.splice(0);
      t.equal((await lastPulls(system.sql, place, 10)).length, 1, "one pull in a day");
      t.ok(nightly.length > 30, `${nightly.length} requests`);
      const early = nightly.filter(({ at }) => hour(at) < 4 + 10 / 60);
      t.same(early, [], "none before the cache is of today");
      const most = Math.max(...nightly.map(({ underWay }) => underWay));
      t.ok(most > 1 && most <= 5, `${most} at once off-peak`);

      // Shortly before the peak begins, and it begins in the middle of the pull.
      const minutesToSeven = ((7 - hour(system.clock.now()) + 24) % 24) * 60 - 61;
      system.sleepDays(minutesToSeven / 1440);
      served.setClock(() => {
        if (served.requests.length === 20) system.sleepDays(2 / 1440);
        return system.clock.now();
      });
      const pulled = lane.pull(signal);
      await pulled;
      const inPeak = served.requests.filter(({ at }) => hour(at) >= 7 && hour(at) < 17);
      t.ok(inPeak.length > 10, `${inPeak.length} requests in peak hours`);
      const settled = inPeak.slice(6);
      t.equal(Math.max(...settled.map(({ underWay }) => underWay)), 1, "one at once in peak hours");
    });
  },
);
