// Patterns of cron at the edges of their moments and of days, and networks of either family.

import t from "tap";

import { isInNetworks, isNetwork } from "../../libs/adapters/networks.ts";
import { isPattern, lastMoment, nextMoment } from "../../libs/adapters/schedule.ts";

const newYork = "America/New_York";
const night = { pattern: "30 2 * * *", timeZone: newYork };

t.test("the last moment is not after now, the next one is, to the millisecond", (t) => {
  const at = Date.parse("2026-11-25T07:30:00Z");
  const dayMs = 86_400_000;
  for (const [now, last, next] of [
    [at - 1, at - dayMs, at],
    [at, at, at + dayMs],
    [at + 1, at, at + dayMs],
    [at + 60_000, at, at + dayMs],
  ] as const) {
    t.equal(lastMoment(night, now), last, String(now - at));
    t.equal(nextMoment(night, now), next, String(now - at));
  }
  t.end();
});

t.test("half past two comes once on each day on which clocks change", (t) => {
  const moments = (day: string): readonly string[] => {
    const from = Date.parse(`${day}T05:00:00Z`);
    const found: string[] = [];
    for (let at = nextMoment(night, from); at !== null && at < from + 86_400_000; at = nextMoment(night, at))
      found.push(new Date(at).toISOString());
    return found;
  };
  t.same(moments("2026-03-08"), ["2026-03-08T07:00:00.000Z"], "forward: half past two is not there");
  t.same(moments("2026-11-01"), ["2026-11-01T07:30:00.000Z"], "back");
  t.end();
});

t.test("a pattern has five fields and names a moment", (t) => {
  for (const pattern of ["0 2 * * *", "* 1-4 * * 1-5", "*/5 0 1 9 *"]) t.ok(isPattern(pattern), pattern);
  for (const pattern of ["", "2", "@daily", "0 0 30 2 *", "61 0 * * *", "0 0 2 * * *"])
    t.notOk(isPattern(pattern), pattern);
  t.end();
});

t.test("an address is in a network, of either family, also as a socket for both tells it", (t) => {
  const networks = ["198.51.100.0/24", "203.0.113.9", "2001:db8::/32"];
  for (const address of ["198.51.100.7", "::ffff:198.51.100.7", "203.0.113.9", "2001:db8::1"])
    t.ok(isInNetworks(address, networks), address);
  for (const address of ["198.51.101.7", "203.0.113.8", "2001:db9::1", "::ffff:203.0.113.8"])
    t.notOk(isInNetworks(address, networks), address);
  for (const text of ["198.51.100.0/24", "::1", "10.0.0.1"]) t.ok(isNetwork(text), text);
  for (const text of ["", "localhost", "10.0.0.0/33", "10.0.0.0/8/8", "10.0.0/8", "::/129", "10.0.0.0/x"])
    t.notOk(isNetwork(text), text);
  t.end();
});
