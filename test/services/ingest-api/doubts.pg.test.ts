// A source that narrows in steps is doubted through all of them, until people have decided what was held.

import t from "tap";

import type { Cause } from "../../../libs/domain/api/pulled.ts";
import { lastPulled } from "../../../libs/ingest/pulled-set.ts";
import { faultNamed } from "../../support/oneroster-faults.ts";
import { type Lane, withDiff } from "../../support/oneroster-pulls.ts";
import { freshLane } from "./at-work.ts";

t.setTimeout(120_000);

/** Students vanish, so many from the end. */
function lose(lane: Lane, count: number): void {
  const truth = lane.served.data();
  const isStudent = ({ role }: Readonly<Record<string, unknown>>): boolean => role === "student";
  const gone = new Set(truth.items.users.filter(isStudent).slice(-count));
  const users = truth.items.users.filter((user) => !gone.has(user));
  lane.served.setData({ ...truth, items: { ...truth.items, users } });
}

t.test("the cause of a delivery stays with the next ones as long as what it held is not decided", async (t) => {
  const lane = await freshLane(t);
  const { district, served } = lane;
  const causes = async (): Promise<readonly Cause[] | undefined> =>
    (await lastPulled(district.system.sql, lane.place))?.causes;
  const version = await withDiff(district.system, async (signal) => {
    t.notOk((await lane.pull(signal)).isHeld);
    t.strictSame(await causes(), []);
    served.setFaults([faultNamed("orgs-narrowed")]);
    t.ok((await lane.pull(signal)).isHeld);
    t.strictSame(await causes(), ["orgs-narrowed"]);
    lose(lane, 1);
    t.ok((await lane.pull(signal)).isHeld, "the next pull shows as few orgs, and fewer students");
    t.strictSame(await causes(), ["orgs-narrowed"]);
    const held = await district.exceptions();
    t.ok(
      held.some((line) => line.startsWith("held user ")),
      "so they are held too",
    );
    return (await district.plan()).version;
  });
  await district.decide("approve", version);
  await withDiff(district.system, async (signal) => {
    lose(lane, 1);
    t.notOk((await lane.pull(signal)).isHeld);
    t.strictSame(await causes(), [], "once it is decided, it is over");
  });
});

/** So that there is something to deliver. */
function rename(lane: Lane, name: string): void {
  const truth = lane.served.data();
  const orgs = truth.items.orgs.map((org) => ({ ...org, name }));
  lane.served.setData({ ...truth, items: { ...truth.items, orgs } });
}

t.test("a cause by which nobody was missing at first stays for a week", async (t) => {
  const lane = await freshLane(t);
  const { sql, sleepDays } = lane.district.system;
  await withDiff(lane.district.system, async (signal) => {
    const causesOfPull = async (isHeld: boolean): Promise<readonly Cause[] | undefined> => {
      t.equal((await lane.pull(signal)).isHeld, isHeld);
      return (await lastPulled(sql, lane.place))?.causes;
    };
    t.strictSame(await causesOfPull(false), []);
    lane.served.setFaults([faultNamed("scope-narrowed")]);
    rename(lane, "one");
    t.strictSame(await causesOfPull(false), ["scope-narrowed"], "and nobody is missing yet");
    const whole = lane.served.data();
    lose(lane, 1);
    t.strictSame(await causesOfPull(true), ["scope-narrowed"], "now somebody is, and is held");
    lane.served.setData(whole);
    t.strictSame(await causesOfPull(false), ["scope-narrowed"], "all are there again");
    sleepDays(8);
    lose(lane, 1);
    t.strictSame(await causesOfPull(false), [], "after a week in which nothing was held it is over");
  });
});
