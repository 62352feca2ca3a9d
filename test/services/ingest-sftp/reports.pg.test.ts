// What a district is told in its own folder, on a real PostgreSQL, about sets that go the whole way.

import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { recordCodec } from "../../../libs/adapters/registry/record-codec.ts";
import { withServices } from "../../../libs/cli/services.ts";
import { allSources } from "../../../libs/adapters/postgres/sources.ts";
import { takeNews } from "../../../services/ingest-sftp/news.ts";
import { tellDistrict } from "../../../services/ingest-sftp/reports.ts";
import type { Delivery } from "../../../libs/records.ts";
import { controlKey, controlTopics } from "../../../libs/topics.ts";
import { until } from "../../support/drops.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../../support/pipeline.ts";

t.setTimeout(180_000);

const dropped = { students: 60, night: 3, seed: 1, version: "1.2", mode: "bulk", scenario: "drop" } as const;

/** Notes a set as the watcher of its folder would, and tells the district whatever there is to be told. */
class Told {
  readonly folder: string;
  readonly #district: TestDistrict;

  constructor(district: TestDistrict) {
    this.#district = district;
    this.folder = join(district.system.folder, "reports");
  }

  async set(row: { readonly state: string; readonly delivery?: string; readonly reason?: string }): Promise<string> {
    const { system, id: district } = this.#district;
    const id = randomUUID();
    const at = new Date(system.clock.now());
    await system.sql("drop_sets").insert({
      id,
      district,
      source: "files",
      files: JSON.stringify([{ name: "users.csv", bytes: 17 }]),
      complete_at: at,
      taken_at: at,
      ended_at: at,
      ...row,
    });
    // What was said of the delivery before the set was noted is read once more.
    await system.sql("inbox_positions").where({ consumer: "ingest-sftp.news" }).delete();
    await system.sql("work").where({ consumer: "ingest-sftp.news" }).delete();
    return id;
  }

  async tell(): Promise<void> {
    const { system } = this.#district;
    while (await takeNews(system));
    const [source] = await allSources(system.sql, this.#district.id);
    if (source === undefined) throw new Error("the district has a source");
    await tellDistrict(system, { source, folder: this.folder });
  }

  read(id: string, kind: "received" | "result"): { readonly text: string; readonly json: Record<string, unknown> } {
    const name = readdirSync(this.folder).find((each) => each.endsWith(`-${id.slice(0, 4)}-${kind}.txt`)) ?? "none";
    const text = readFileSync(join(this.folder, name), "utf8");
    const json: Record<string, unknown> = JSON.parse(
      readFileSync(join(this.folder, name.replace(/txt$/u, "json")), "utf8"),
    );
    return { text, json };
  }
}

t.test("a district is told of receipt, acceptance, what is held, and what became of it once decided", async (t) => {
  const district = await freshDistrict(t);
  const told = new Told(district);
  const first = await district.sample({ ...dropped, night: 1, scenario: "normal" });
  const { delivery } = await district.deliver(first.directory);
  const set = await told.set({ state: "delivered", delivery });
  await told.tell();
  t.match(told.read(set, "received").text, /were received[\s\S]*users\.csv {2}17 bytes/u);
  const { text, json } = told.read(set, "result");
  t.match(text, /were accepted, and your roster is up to date[\s\S]*user: \d+ created/u);
  t.match(json, { format: 1, report: "result", outcome: "published", delivery });

  const night = await district.sample(dropped);
  const third = await district.deliver(night.directory);
  const held = await told.set({ state: "delivered", delivery: third.delivery });
  await told.tell();
  t.match(told.read(held, "result").text, /waits to be confirmed[\s\S]*user: \d+ \(more would be removed than usual/u);
  const same = await told.set({ state: "same" });
  await told.tell();
  t.match(told.read(same, "result").text, /the same as the last ones, which wait to be confirmed[\s\S]*user: \d+ \(/u);
  t.match(told.read(same, "result").json, { outcome: "same", last: "held" });
  const [plan] = await district.system.sql("plans").where({ state: "open" }).select("version");
  await district.decide("approve", plan.version);
  await told.tell();
  t.match(told.read(held, "result").text, /up to date[\s\S]*user: [^\n]*\d+ deleted/u);
  t.match(told.read(held, "result").json, { outcome: "published", held: [], declined: [] });
  t.match(told.read(same, "result").text, /the same as the last ones\. Nothing had to be changed[\s\S]*Nothing\.\n$/u);
  const [row] = await district.system.sql("drop_sets").where({ id: set }).select("changesets");
  t.equal(row.changesets.length, 1, "news that are read again count once");
});

t.test("a district is told what a person declined, also when a part of it was approved", async (t) => {
  const district = await freshDistrict(t);
  const told = new Told(district);
  await district.deliver((await district.sample({ ...dropped, night: 1, scenario: "normal" })).directory);
  const { delivery } = await district.deliver((await district.sample(dropped)).directory);
  const id = await told.set({ state: "delivered", delivery });
  await told.tell();
  const { held } = told.read(id, "result").json;
  const [plan] = await district.system.sql("plans").where({ state: "open" }).select("version");
  await district.decide("approve", plan.version, { types: ["enrollment"] });
  await told.tell();
  t.match(told.read(id, "result").text, /role: \d+ \(/u);
  t.notMatch(told.read(id, "result").text, /enrollment: \d+ \(/u, "that is not held any more");
  await district.decide("reject", plan.version);
  await told.tell();
  const { text, json } = told.read(id, "result");
  t.match(text, /A part of the changes was looked at and not wanted[\s\S]*did not want it:\n[\s\S]*user: \d+ \(more/u);
  t.match(json, { outcome: "published", held: [] });
  // Classes were held for their enrollments only.
  const left = Array.isArray(held) ? held.filter(({ type }) => ["user", "role"].includes(type)) : [];
  t.equal(left.length, 2);
  t.same(json["declined"], left);
  const isOpen = async (): Promise<boolean> =>
    (await district.system.sql("drop_sets").where({ id }).first("result_told")).result_told.includes('"isOpen":true');
  t.equal(await isOpen(), true, "an approval may still be on its way");
  district.system.sleepDays(1);
  await told.tell();
  t.equal(await isOpen(), false);
  const same = await told.set({ state: "same" });
  await told.tell();
  t.match(told.read(same, "result").text, /whose changes were looked at and not wanted[\s\S]*tell your contact/u);
});

t.test("what was held of a set is told as such no more once a newer set has taken it over", async (t) => {
  const district = await freshDistrict(t);
  const told = new Told(district);
  const first = await district.sample({ ...dropped, night: 1, scenario: "normal" });
  await district.deliver(first.directory);
  const { delivery } = await district.deliver((await district.sample(dropped)).directory);
  const id = await told.set({ state: "delivered", delivery });
  await told.tell();
  t.match(told.read(id, "result").json, { outcome: "held" });
  await district.deliver(district.edited(first.directory, { "courses.csv": (text) => `${text}\n` }));
  await told.tell();
  const { text, json } = told.read(id, "result");
  t.match(json, { outcome: "published", held: [] });
  t.match(text, /were accepted\. What was held went over into a newer set\./u);
  t.notMatch(text, /waits to be confirmed/u);
});

t.test("a set that a newer one overtook is told so, and when a set is read that waits for its window", async (t) => {
  const district = await freshDistrict(t);
  const { system } = district;
  const told = new Told(district);
  const { delivery } = await district.deliver((await district.sample({ students: 20 })).directory);
  const [first] = await topicRecords(system, "deliveries");
  await district.deliver((await district.sample({ students: 20, night: 2 })).directory);
  await system.sql("plans").where({ delivery }).delete();
  await system.sql("sources").update({ settings: JSON.stringify({ window: "0 12 * * *" }) });
  const value: Delivery = JSON.parse(JSON.stringify(first?.value));
  await withServices(system, async () => {
    const encoded = recordCodec(system.codec).encode("rollcall.control.Delivery", value);
    const key = controlKey(value.district, value.source);
    await system.log.transaction(async (tx) => {
      tx.append(controlTopics.deliveries.name, [{ key, value: encoded }]);
      await Promise.resolve();
    });
    await until("it is passed over", async () => (await system.sql("plans").where({ delivery })).length > 0);
  });
  const id = await told.set({ state: "delivered", delivery });
  await told.tell();
  t.match(told.read(id, "received").text, /are checked at \d{4}-\d\d-\d\d[^\n]* 12:00:00 \(/u);
  t.match(told.read(id, "received").json, { readFrom: /T\d\d:00:00\.000Z$/u });
  t.match(told.read(id, "result").text, /were not used, because newer ones came/u);
});

t.test("a refused set names file, line and remedy, and no value of a cell", async (t) => {
  const district = await freshDistrict(t);
  const told = new Told(district);
  const sample = await district.sample({ ...dropped, night: 1, scenario: "normal" });
  const canary = "Zyxcanary";
  const set = district.edited(sample.directory, {
    "users.csv": (text) => text.replaceAll(/,(?:true|false),/gu, `,${canary},`),
  });
  const refused = await district.deliver(set);
  t.equal(refused.outcome, "refused");
  const id = await told.set({ state: "delivered", delivery: refused.delivery });
  await told.tell();
  const { text, json } = told.read(id, "result");
  t.match(text, /NOT accepted[\s\S]*users\.csv, column enabledUser, line 2, 3, 4, 5, 6 and \d+ more/u);
  t.notMatch(text + JSON.stringify(json), canary);
});

t.test("the same set, one that cannot be read, and one behind a held plan have their own words", async (t) => {
  const district = await freshDistrict(t);
  const told = new Told(district);
  const sample = await district.sample({ ...dropped, night: 1, scenario: "normal" });
  const { delivery } = await district.deliver(sample.directory);
  const same = await told.set({ state: "same" });
  const unreadable = await told.set({ state: "refused", reason: "reading the set: the zip is encrypted" });
  const needless = await told.set({ state: "superseded", reason: "a newer set has all of its files" });
  const waits = await told.set({ state: "delivered", delivery });
  await district.system
    .sql("drop_sets")
    .where({ id: same })
    .update({ plan: { state: "open", verdict: "hold-all", version: 9 } });
  const [source] = await allSources(district.system.sql, district.id);
  if (source === undefined) throw new Error("the district has a source");
  await tellDistrict(district.system, { source, folder: told.folder });
  t.match(told.read(same, "result").text, /the same as the last ones[\s\S]*Nothing\.\n$/u);
  t.match(told.read(unreadable, "result").text, /NOT accepted[^\n]* Reading the set: the zip is encrypted\./u);
  t.match(
    told.read(needless, "result").text,
    /not used, because newer ones came\. A newer set[^]*do next:\n {2}Nothing\./u,
  );
  t.match(told.read(needless, "result").json, { outcome: "superseded" });
  t.match(told.read(waits, "result").text, /wait for the decision about an earlier set/u);
});

t.test("nothing is told twice, and thirty reports of each set stay", async (t) => {
  const district = await freshDistrict(t);
  const told = new Told(district);
  const sample = await district.sample({ ...dropped, night: 1, scenario: "normal" });
  await district.deliver(sample.directory);
  for (let i = 0; i < 20; i++) {
    await told.set({ state: "same" });
    district.system.sleepDays(1);
  }
  await told.tell();
  t.equal(readdirSync(told.folder).length, 60, "thirty reports, as text and JSON");
  const [name = ""] = readdirSync(told.folder);
  const { rmSync } = await import("node:fs");
  rmSync(join(told.folder, name));
  await told.tell();
  t.notOk(existsSync(join(told.folder, name)), "what was told is not written again");
});
