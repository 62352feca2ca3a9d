// Two processes pump the same topic: one that looked at its end before the other read on does nothing, and does not fail.

import t from "tap";

import { openInbox } from "../../../libs/adapters/postgres/inbox.ts";
import type { EventLog } from "../../../libs/ports.ts";
import { signIn } from "../../support/people.ts";
import { freshSystem } from "../../support/system.ts";

void t.test("whoever pumps with an old end of the topic leaves the position where another has moved it", async (t) => {
  const system = await freshSystem(t);
  const pumped = { consumer: "c", topics: ["sso.logins"] };
  await signIn(system, { district: "oak", subject: "s1" });
  const old = await system.log.extent("sso.logins");
  await signIn(system, { district: "oak", subject: "s2" });
  t.equal((await openInbox(system).pump(pumped)).copied, 2);
  const extents = [old];
  const late: EventLog = {
    ...system.log,
    extent: async (topic) => extents.shift() ?? system.log.extent(topic),
    scan: (range) => system.log.scan(range),
  };
  t.equal((await openInbox({ log: late, sql: system.sql }).pump(pumped)).copied, 0);
  t.equal((await openInbox(system).pump(pumped)).copied, 0, "nothing is copied twice");
});
