// When a source is pulled and when one that failed is tried again, as tables.

import t from "tap";

import { AppError } from "../../../libs/errors.ts";
import {
  dueOf,
  type DueFacts,
  Moments,
  retryAt,
  retryPauseMs,
  timeOfDay,
  type Why,
} from "../../../services/ingest-api/due.ts";
import { failingOf, isPatienceOver } from "../../../services/ingest-api/failing.ts";

const timeZone = "America/Chicago";
/** In March Chicago is five hours behind once its clocks went forward, and six before. */
const at = (text: string): number => Date.parse(text);
const refresh = { classes: "04:10", students: { from: "06:00", to: "18:00" } };

const nightly: DueFacts = {
  isEnabled: true,
  createdAt: at("2026-03-10T00:00:00Z"),
  schedule: "30 4 * * *",
  refresh: null,
  pulledAt: at("2026-03-17T09:30:01Z"),
  wantedAt: null,
  retryAt: null,
  isAbandoned: false,
};

type Case = readonly [what: string, now: string, facts: Partial<DueFacts>, why: Why | null];
const cases: readonly Case[] = [
  ["not before its moment", "2026-03-18T09:29:59Z", {}, null],
  ["at its moment, where the district is", "2026-03-18T09:30:00Z", {}, "schedule"],
  ["a moment missed while nothing ran", "2026-03-18T20:00:00Z", {}, "schedule"],
  ["many missed moments", "2026-03-30T20:00:00Z", {}, "schedule"],
  ["made up once", "2026-03-30T20:00:00Z", { pulledAt: at("2026-03-30T19:59:00Z") }, null],
  ["never pulled, and its first moment has not come", "2026-03-10T05:00:00Z", { pulledAt: null }, null],
  ["never pulled, and its first moment came", "2026-03-10T09:30:00Z", { pulledAt: null }, "schedule"],
  ["an hour later in winter", "2026-03-07T10:29:59Z", { pulledAt: null, createdAt: at("2026-03-07T00:00:00Z") }, null],
  ["by hand alone", "2026-03-30T20:00:00Z", { schedule: null }, null],
  ["disabled", "2026-03-18T09:30:00Z", { isEnabled: false, retryAt: 1, isAbandoned: true }, null],
  ["disabled and asked for: to be refused", "2026-03-18T09:30:00Z", { isEnabled: false, wantedAt: 1 }, "hand"],
  ["asked for", "2026-03-17T09:31:00Z", { wantedAt: at("2026-03-17T09:31:00Z") }, "hand"],
  ["a try that is not due", "2026-03-17T09:39:59Z", { retryAt: at("2026-03-17T09:40:00Z") }, null],
  ["a try that is due", "2026-03-17T09:40:00Z", { retryAt: at("2026-03-17T09:40:00Z") }, "retry"],
  ["a pull that died", "2026-03-17T09:31:00Z", { isAbandoned: true }, "abandoned"],
  ["before the refresh: a try", "2026-03-18T09:09:00Z", { refresh, retryAt: 1 }, null],
  ["before the refresh: a pull that died", "2026-03-18T05:00:00Z", { refresh, isAbandoned: true }, null],
  ["before the refresh: a missed moment", "2026-03-20T05:00:00Z", { refresh }, null],
  ["before the refresh: asked for", "2026-03-18T05:00:00Z", { refresh, wantedAt: 1 }, "hand"],
  ["after the refresh", "2026-03-18T09:10:00Z", { refresh, retryAt: 1 }, "retry"],
  ["before midnight", "2026-03-18T04:59:00Z", { refresh, retryAt: 1 }, "retry"],
];

t.test(
  "a source is due by hand, by its schedule, once more after a failure, and never before its cache is filled",
  async (t) => {
    const moments = new Moments();
    for (const [what, now, facts, why] of cases) {
      const about = { ...nightly, ...facts };
      t.equal(dueOf(about, { now: at(now), timeZone }), why, what);
      t.equal(dueOf(about, { now: at(now), timeZone }, moments.last), why, `${what}, remembered`);
    }
    t.equal(timeOfDay({ now: at("2026-03-18T05:00:00Z"), timeZone }), "00:00");
  },
);

t.test(
  "tries come after 10, 20, 40 minutes and at most 4 hours, and leave the next moment of the schedule alone",
  async (t) => {
    const minutes = [1, 2, 3, 4, 5, 6, 7, 60].map((failures) => retryPauseMs(failures, 0.5) / 60_000);
    t.strictSame(minutes, [10, 20, 40, 80, 160, 240, 240, 240]);
    for (const chance of [0, 0.999]) t.ok(Math.abs(retryPauseMs(1, chance) / 60_000 - 10) <= 2.5, "some chance");
    const local = { now: at("2026-03-18T09:30:05Z"), timeZone };
    const schedule = "30 4 * * *";
    t.equal(retryAt({ schedule, failures: 1 }, local, 0.5), local.now + 600_000);
    t.equal(retryAt({ schedule: "0,30 * * * *", failures: 3 }, local, 0.5), null, "the moment at five comes first");
    t.equal(retryAt({ schedule: null, failures: 1 }, local, 0.5), null, "by hand alone");
  },
);

t.test("each failure says its state, whether a try may help, and when people are told", async (t) => {
  const said = (
    [
      "api.unauthorised",
      "api.forbidden",
      "api.share",
      "api.expired",
      "api.redirected",
      "api.unreachable",
      "api.incomplete",
      "api.answer",
      "api.credentials-missing",
      "source.disabled",
      "api.secret-key",
      "landing.io",
    ] as const
  )
    .map((code) => [code, failingOf(new AppError(code))] as const)
    .map(([code, { state, isTriedSoon, told }]) => [code, state, isTriedSoon, told]);
  t.strictSame(said, [
    ["api.unauthorised", "unauthorised", false, "now"],
    ["api.forbidden", "forbidden", false, "now"],
    ["api.share", "unshared", false, "now"],
    ["api.expired", "expired", false, "now"],
    ["api.redirected", "unreachable", false, "now"],
    ["api.unreachable", "unreachable", true, "patience"],
    ["api.incomplete", "incomplete", true, "patience"],
    ["api.answer", "incomplete", true, "patience"],
    ["api.credentials-missing", "untested", false, "never"],
    ["source.disabled", null, false, "never"],
    ["api.secret-key", null, false, "now"],
    ["landing.io", null, true, "now"],
  ]);
  const hour = 3_600_000;
  t.notOk(isPatienceOver({ failures: 2, since: 0, now: 24 * hour }));
  t.ok(isPatienceOver({ failures: 3, since: 0, now: hour }), "three times");
  t.ok(isPatienceOver({ failures: 1, since: 0, now: 25 * hour }), "for more than a day");
});
