// Silence is noticed: with a clock that is set, sets as the watcher notes them, and the notices as they are on the topic.

import { randomUUID } from "node:crypto";

import t, { type Test } from "tap";

import {
  addSource,
  setEnabled,
  type Source,
  sourceOf,
  storeSettings,
} from "../../../libs/adapters/postgres/sources.ts";
import { parseSourceId } from "../../../libs/domain/ids.ts";
import { defaultDropSettings, type DropSettings } from "../../../libs/domain/source.ts";
import type { IngestContext } from "../../../libs/ingest/deliver.ts";
import { controlTopics } from "../../../libs/topics.ts";
import { tellLate } from "../../../services/ingest-sftp/expected.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { addDistrict, anotherProcess, districtNamed, freshSystem, type TestSystem } from "../../support/system.ts";

t.setTimeout(180_000);

const oak = districtNamed("oak");
const nightly = "30 2 * * *";
const hourMs = 3_600_000;

class Expecting {
  readonly system: TestSystem;
  constructor(system: TestSystem) {
    this.system = system;
  }

  async source(): Promise<Source> {
    return sourceOf(this.system.sql, oak, "sftp");
  }

  async settings(settings: Partial<DropSettings>): Promise<void> {
    const source = await this.source();
    await storeSettings(this.system.sql, { ...source, settings: { ...source.settings, ...settings } });
  }

  /** As if a set had become complete at that time. */
  async set(at: string, state = "delivered"): Promise<void> {
    const row = { id: randomUUID(), district: oak, source: "sftp", state, files: "[]" };
    await this.system.sql("drop_sets").insert({ ...row, complete_at: new Date(at), taken_at: new Date(at) });
  }

  /** Whether somebody is told at that time. */
  async tells(at: string, system: IngestContext = this.system): Promise<boolean> {
    return tellLate({ ...system, clock: { now: () => Date.parse(at) } }, await this.source());
  }

  async notices(): Promise<readonly unknown[]> {
    return (await topicRecords(this.system, controlTopics.notices.name)).map(({ value }) => value);
  }
}

/** A source in New York that was made on 1 March, with a set at half past two each night, an hour of grace. */
async function expecting(t: Test, settings: Partial<DropSettings> = {}): Promise<Expecting> {
  const system = await freshSystem(t);
  await addDistrict(system, "oak");
  const id = parseSourceId("sftp");
  if (id === null) throw new Error("sftp is a source id");
  const source = {
    district: oak,
    id,
    kind: "sftp",
    settings: { ...defaultDropSettings, expected: nightly, ...settings },
  };
  await system.sql.transaction((sql) => addSource(sql, { ...source, kind: "sftp" }));
  await system.sql("sources").update({ created_at: new Date("2026-03-01T12:00:00Z") });
  return new Expecting(system);
}

t.test("a missing set is told once, after its grace, with what to do, and the next one again (D013)", async (t) => {
  const expected = await expecting(t);
  t.notOk(await expected.tells("2026-03-02T08:29:59Z"), "within the grace");
  t.ok(await expected.tells("2026-03-02T08:30:00Z"));
  t.notOk(await expected.tells("2026-03-02T08:30:01Z"), "once");
  t.notOk(await expected.tells("2026-03-03T08:29:59Z"), "until the next is due");
  t.ok(await expected.tells("2026-03-03T09:00:00Z"));
  t.match(await expected.notices(), [
    {
      district: "oak",
      code: "delivery.late",
      severity: "warning",
      message: "oak.sftp: no set came by 2026-03-02T07:30:00.000Z",
      remedy: /rollcall source waiting oak/u,
    },
    { message: /2026-03-03T07:30/u },
  ]);
});

t.test("half past two is where the district's clocks say it is, also on the days on which they change", async (t) => {
  const expected = await expecting(t);
  await expected.set("2026-03-08T06:59:00Z");
  await expected.set("2026-03-09T06:20:00Z");
  t.notOk(await expected.tells("2026-03-09T07:30:00Z"), "the set at twenty past two in summer came in time");
  t.ok(await expected.tells("2026-03-10T07:30:00Z"), "and an hour earlier than in winter the next one is missed");
  t.match(await expected.notices(), [{ message: /2026-03-10T06:30:00/u }]);
  await expected.set("2026-10-31T06:20:00Z");
  t.notOk(await expected.tells("2026-11-01T08:29:59Z"), "the clocks went back: half past two is an hour later");
  t.ok(await expected.tells("2026-11-01T08:30:00Z"));
  t.notOk(await expected.tells("2026-11-01T09:30:00Z"), "and comes once");
});

t.test("any set that came ends the silence, one within the grace too, and only for its own night", async (t) => {
  const expected = await expecting(t);
  await expected.set("2026-03-02T08:10:00Z", "refused");
  t.notOk(await expected.tells("2026-03-02T08:30:00Z"), "it came late and in time");
  t.ok(await expected.tells("2026-03-03T08:30:00Z"), "it is not the set of the night after");
  await expected.set("2026-03-03T20:00:00Z", "same");
  t.notOk(await expected.tells("2026-03-04T08:30:00Z"), "what comes during the day before is");
  t.equal((await expected.notices()).length, 1);
});

t.test("two processes tell it once, and one that begins later does not tell it again", async (t) => {
  const expected = await expecting(t);
  const other = await anotherProcess(t, expected.system);
  const at = "2026-03-02T09:00:00Z";
  const told = await Promise.all([expected.tells(at), expected.tells(at, other), expected.tells(at, other)]);
  t.equal(told.filter(Boolean).length, 1);
  const third = await anotherProcess(t, expected.system);
  t.notOk(await expected.tells(at, third));
  t.equal((await expected.notices()).length, 1);
});

t.test("no set is missed from before the source was made, enabled, or had its schedule", async (t) => {
  const expected = await expecting(t);
  const { sql } = expected.system;
  const now = new Date().toISOString();
  const inAnHour = new Date(Date.now() + hourMs).toISOString();
  await expected.settings({ expected: "* * * * *", graceMinutes: 0 });
  t.notOk(await expected.tells(now), "a schedule begins when it is set");
  t.ok(await expected.tells(inAnHour), "and counts from then on");
  await sql.transaction(async (trx) => setEnabled(trx, { ...(await expected.source()), isEnabled: true }));
  t.notOk(await expected.tells(now), "so does a source that was enabled again");
  await sql("sources").update({ late_told_at: null });
  t.ok(await expected.tells(now), "another one is asked");
  await sql("sources").update({ late_told_at: null, created_at: sql.fn.now() });
  t.notOk(await expected.tells(now), "unless it was made only now");
  await expected.settings({ expected: null });
  t.notOk(await expected.tells(inAnHour), "nothing is expected, nothing is late");
});
