// Topics on which nothing is written any more, on a broker of this test's own whose files can be looked into; and topics
// whose settings somebody has changed.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t, { type Test } from "tap";

import { applyTopics } from "../../libs/adapters/kafka/admin.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { tidyUp } from "../../libs/runtime/housekeeping.ts";
import { wantedTopics } from "../../libs/runtime/topics.ts";
import { controlTopics, districtTopic } from "../../libs/topics.ts";
import { rebuild } from "../../services/rosters/rebuild.ts";
import { alterTopic, eagerCompaction } from "../adapters/kafka/fresh-logs.ts";
import { kafkaStage } from "../support/kafka-stage.ts";
import { ownBroker } from "../support/kafka.ts";
import { deliverRows, peopleDistrict } from "../support/people-district.ts";
import { live, person, quiet, rows, until, wholeSystem } from "../support/removal.ts";
import type { TestSystem } from "../support/system.ts";

t.setTimeout(240_000);

const { signal } = new AbortController();

/** What the broker keeps of a topic on its disk. */
function bytesOf(folder: string, name: string): string {
  const data = join(folder, "data", `${name}-0`);
  const segments = readdirSync(data).filter((file) => file.endsWith(".log"));
  return segments.map((file) => readFileSync(join(data, file), "latin1")).join("");
}

async function ends(system: TestSystem, topics: readonly string[]): Promise<readonly number[]> {
  return Promise.all(topics.map(async (topic) => (await system.log.extent(topic))?.end ?? -1));
}

async function weekPasses({ sql }: TestSystem): Promise<void> {
  await sql("leases")
    .where("name", "like", "week.%")
    .update({ expires_at: sql.raw("clock_timestamp()") });
}

/** Appended by one round to each of the topics. */
async function roundAdds(system: TestSystem, topics: readonly string[]): Promise<readonly number[]> {
  const before = await ends(system, topics);
  await tidyUp(system, signal);
  return (await ends(system, topics)).map((end, at) => end - (before[at] ?? 0));
}

async function keysFrom(system: TestSystem, topic: string, from: number): Promise<readonly string[]> {
  const extent = await system.log.extent(topic);
  const keys: string[] = [];
  if (extent === null) return keys;
  for await (const batch of system.log.scan({ topic, generation: extent.generation, from, to: extent.end }))
    for (const { key } of batch) keys.push(Buffer.from(key).toString());
  return keys;
}

async function tellsChanges(t: Test, system: TestSystem, about: { brokers: string; prefix: string }): Promise<void> {
  const { brokers, prefix } = about;
  const changed = (): readonly string[] => [...system.problems()].map(([topic, { code }]) => `${topic} ${code}`);
  t.strictSame(changed(), [], "all topics are as they shall be");
  const settings = { "cleanup.policy": "delete" };
  await alterTopic(brokers, { name: prefix + controlTopics.accounts.name, settings });
  await tidyUp(system, signal);
  t.strictSame(changed(), ["accounts topics.changed"]);
  t.match(system.problems().get("accounts")?.message, /cleanup\.policy is delete, not compact/u);
  const connection = { brokers: brokers.split(","), clientId: "test" };
  const kafka = { connection, prefix, replicas: 1, registry: { url: "" } };
  await applyTopics(connection, await wantedTopics(system.sql, kafka));
  await tidyUp(system, signal);
  t.strictSame(changed(), [], "applied, there is nothing to tell");
}

void t.test("what was deleted goes from a topic that has fallen silent", async (t) => {
  const own = await ownBroker(t);
  const stage = own === null ? null : await kafkaStage(t, { brokers: own.server.address });
  if (stage === null || own === null) return;
  const { folder } = own.settings;
  const system = wholeSystem(t, stage.system);
  const run = await peopleDistrict(system);
  const { district } = run;
  await live(run, person, "subject");
  const roster = districtTopic("roster", district);
  const shown = districtTopic("teacherRosters", district);
  const topics = [roster, shown, districtTopic("registrations", district), controlTopics.accounts.name] as const;
  await tidyUp(system, signal);
  await tellsChanges(t, system, { brokers: own.server.address, prefix: stage.prefix });
  t.same(await roundAdds(system, topics), [0, 0, 0, 0], "nobody writes twice in a week");

  const without = rows(run, person);
  const stays = (row: Readonly<Record<string, unknown>>): boolean => !Object.values(row).includes("t1");
  await deliverRows(run, Object.fromEntries(Object.entries(without).map(([file, all]) => [file, all.filter(stays)])));
  await until(async () => (await system.sql("roster_users").where({ district, sourced_id: "t1" })).length === 0);
  await quiet(system);
  for (const topic of [roster, shown])
    await alterTopic(own.server.address, { name: stage.prefix + topic, settings: eagerCompaction });
  await sleep(3_000);
  t.match(bytesOf(folder, stage.prefix + roster), /Canaryfamily/u, "by itself a broker keeps what was deleted");

  await weekPasses(system);
  t.same(await roundAdds(system, topics), [1, 1, 1, 1], "a week later each gets a record");
  for (const topic of topics) {
    const [end = 0] = await ends(system, [topic]);
    t.strictSame(await keysFrom(system, topic, end - 1), ['["writer"]'], topic);
  }
  await until(() => Promise.resolve(!bytesOf(folder, stage.prefix + roster).includes("Canaryfamily")));
  t.notMatch(bytesOf(folder, stage.prefix + roster), /canary/iu, "nothing of the person is on the disk of the broker");

  const held = await holdLease(system.sql, { name: roster, holder: "diff", ttlMs: 15_000 });
  await weekPasses(system);
  t.same(await roundAdds(system, [roster, shown]), [0, 1], "who works on a topic is not disturbed");
  await held?.release();
  t.same(await roundAdds(system, [roster, shown]), [1, 0], "it is done in a later round");

  await deliverRows(run, rows(run, { ...person, familyName: "Again" }));
  await until(async () => (await system.sql("roster_users").where({ district, sourced_id: "t1" })).length === 1);
  const { rows: gaps } = await system.sql.raw<{ readonly rows: readonly unknown[] }>(
    `select number from (select number, from_offset, lag(to_offset, 1, 0) over (order by number) as before
     from changesets where district = ?) c where from_offset <> before`,
    [district],
  );
  t.strictSame(gaps, [], "the record lies in the range of the next changeset");
  await quiet(system);
  t.same((await rebuild(system, district, { isDryRun: true, patienceMs: 30_000 })).differences, []);
  t.strictSame(await system.sql("work").whereNot({ state: "done" }), [], "no inbox stumbles over it");
});
