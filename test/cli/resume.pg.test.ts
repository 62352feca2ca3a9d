// A district whose work has stopped: who waits for it is told, and `rollcall resume` lets it go on.

import { join } from "node:path";

import t from "tap";

import { planText } from "../../libs/cli/outcome.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import { type Ended, finish } from "../support/child.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const launcher = join(import.meta.dirname, "../../bin/rollcall");
const fixture = join(import.meta.dirname, "../fixtures/v12-bulk");
const deliveries = controlTopics.deliveries.name;
t.setTimeout(120_000);

/** The command line on the district's database. */
function commands({ system }: TestDistrict): (line: string) => Promise<Ended> {
  const env = { ROLLCALL_DATA: system.folder, DATABASE_URL: system.database.url };
  return (line) => finish([launcher, ...line.split(" ")], { env, cwd: system.folder });
}

const jsonOf = ({ stdout }: Ended): unknown => JSON.parse(stdout);

/** Delivers a set and stops its work before diff takes it up. */
async function stopDelivery({ system, id }: TestDistrict): Promise<void> {
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  await deliver(system, { district: id, source, path: fixture, signal: new AbortController().signal });
  await system.inbox.pump({ consumer: "diff", topics: [deliveries] });
  const item = await system.inbox.nextWork("diff", id);
  if (item === null) throw new Error("the delivery is work");
  await system.inbox.stop(item.id, "district.unknown: stopped by the test");
}

/** Appends a delivery record that nobody can read. */
async function appendUnreadable({ system, id }: TestDistrict): Promise<void> {
  await system.log.transaction(async (tx) => {
    tx.append(deliveries, [{ key: controlKey(id, "files"), value: Buffer.from("no record") }]);
    await Promise.resolve();
  });
}

void t.test("resume lets stopped work go on, waits for its end, and says when nothing is stopped", async (t) => {
  const district = await freshDistrict(t);
  const rollcall = commands(district);
  t.match(jsonOf(await rollcall("resume springfield --json")), { resumed: 0, done: 0, stopped: [], unfinished: null });
  t.match(await rollcall("resume springfield"), { code: 0, stdout: "nothing of springfield is stopped\n" });
  await stopDelivery(district);
  const neighbour = await district.neighbour("shelbyville");
  await stopDelivery(neighbour);
  const resumed = await rollcall("resume springfield --json");
  t.equal(resumed.code, 0);
  t.same(jsonOf(resumed), { district: "springfield", resumed: 1, done: 1, stopped: [], unfinished: null, waits: null });
  t.ok((await district.changes()).length > 0);
  t.equal((await district.plan()).state, "closed", "it is published when the command ends");
  t.equal((await district.system.inbox.stopped("diff")).length, 1, "another district's work is left alone");
});

void t.test("work that stops again ends resume, deliver and approve with 1 and the reason", async (t) => {
  const district = await freshDistrict(t);
  const rollcall = commands(district);
  await district.deliver(fixture);
  await appendUnreadable(district);
  const delivered = await rollcall(`deliver springfield ${fixture} --json`);
  t.equal(delivered.code, 1);
  t.match(jsonOf(delivered), { outcome: "stopped", reason: /^registry\.undecodable: / });
  const resumed = await rollcall("resume springfield --json");
  t.equal(resumed.code, 1);
  const stopped = [{ consumer: "diff", topic: "deliveries", reason: /^registry\.undecodable: / }];
  t.match(jsonOf(resumed), { resumed: 1, done: 0, stopped });
  const approved = await rollcall("approve springfield 1");
  t.equal(approved.code, 1);
  t.match(approved.stdout, /^stopped: registry\.undecodable: .+\n.*rollcall resume springfield\n$/u);
});

void t.test("a range that is filled again is no stop: resume leaves it alone", async (t) => {
  const district = await freshDistrict(t);
  const { system } = district;
  await stopDelivery(district);
  await system.sql("work").where({ state: "stopped" }).update({ reason: "waits for its range to be filled again" });
  t.match(jsonOf(await commands(district)("resume springfield --json")), { resumed: 0, stopped: [] });
  t.equal((await system.inbox.stopped("diff")).length, 1);
});

void t.test("a changeset that cannot be finished is told as a stop, not waited for", async (t) => {
  const district = await freshDistrict(t);
  const { system } = district;
  const rollcall = commands(district);
  await district.deliver(fixture);
  // Begun on a topic that was made again since: diff tries it, again and again, and may not write.
  await system.sql("changesets").update({ state: "applying", generation: "gone" });
  const delivered = await rollcall(`deliver springfield ${fixture} --json`);
  t.match([delivered.code, jsonOf(delivered)], [1, { outcome: "stopped", reason: /^log\.generation: / }]);
  const approved = await rollcall("approve springfield 1 --json");
  t.match([approved.code, jsonOf(approved)], [1, { outcome: "stopped", reason: /^log\.generation: / }]);
  t.match(await rollcall("resume springfield"), { code: 0, stdout: /changeset 1 was begun and is tried again/u });
});

void t.test("an approval that publishes nothing ends, and shows the plan as it is then", async (t) => {
  const district = await freshDistrict(t);
  const rollcall = commands(district);
  await district.deliver((await district.sample({ students: 150 })).directory);
  await district.deliver((await district.sample({ students: 150, night: 2, scenario: "drop" })).directory);
  const { version } = await district.plan();
  const narrow = 'limits.idsChanged={"share":0.01,"count":1,"tolerance":1}';
  t.equal((await rollcall(`district set springfield ${narrow}`)).code, 0);
  const approved = await rollcall(`approve springfield ${version} --type enrollment --json`);
  const { outcome } = Object(jsonOf(approved));
  t.equal(approved.code, outcome === "applied" ? 0 : 3);
  t.match(jsonOf(approved), { changeset: null, plan: { version, state: "open" } });
});

void t.test("a delivery behind a plan that is held as a whole does not keep its command waiting", async (t) => {
  const district = await freshDistrict(t);
  const rollcall = commands(district);
  await district.deliver((await district.sample({ students: 150 })).directory);
  const renamed = { students: 150, night: 2, scenario: "renamed-ids" } as const;
  t.match(await district.deliver((await district.sample(renamed)).directory), { outcome: "held" });
  const { version } = await district.plan();
  const delta = await district.sample({ students: 150, night: 3, mode: "delta", previousScenario: "renamed-ids" });
  const delivered = await rollcall(`deliver springfield ${delta.directory} --json`);
  t.match([delivered.code, jsonOf(delivered)], [0, { delivery: "springfield.files.3", outcome: "held" }]);
  t.match(jsonOf(await rollcall("resume springfield --json")), { resumed: 0, stopped: [] });
  t.match((await rollcall(`reject springfield ${version}`)).code, Number, "a decision ends too");
});

void t.test(
  "after a decision about a part the plan tells what is held now, and the parts what was planned",
  async (t) => {
    const district = await freshDistrict(t);
    const rollcall = commands(district);
    await district.deliver((await district.sample({ students: 150 })).directory);
    await district.deliver((await district.sample({ students: 150, night: 2, scenario: "drop" })).directory);
    const before = await district.plan();
    t.ok(before.held["enrollment"]);
    t.match(planText(before), `  enrollment: ${before.held["enrollment"]} held (delete-limit)\n`);
    const approved = await rollcall(`approve springfield ${before.version} --type enrollment`);
    t.equal(approved.code, 0);
    const after = await district.plan();
    t.same(after.parts, before.parts, "the parts are what was planned");
    t.equal(after.held["enrollment"], undefined);
    t.equal(after.held["user"], before.held["user"]);
    for (const text of [approved.stdout, (await rollcall("plan springfield")).stdout]) {
      const [, shown = ""] = text.split("open, hold-some\n");
      t.match(shown, `  user: ${before.held["user"]} held (delete-limit)\n`);
      t.notMatch(shown, "enrollment", "what went out is not shown");
    }
  },
);
