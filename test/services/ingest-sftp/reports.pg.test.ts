// What a district is told in its own folder, on a real PostgreSQL, about sets that go the whole way.

import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { allSources } from "../../../libs/adapters/postgres/sources.ts";
import { takeNews } from "../../../services/ingest-sftp/news.ts";
import { tellDistrict } from "../../../services/ingest-sftp/reports.ts";
import { freshDistrict, type TestDistrict } from "../../support/pipeline.ts";

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
  const [plan] = await district.system.sql("plans").where({ state: "open" }).select("version");
  await district.decide("approve", plan.version);
  await told.tell();
  t.match(told.read(held, "result").text, /up to date[\s\S]*user: [^\n]*\d+ deleted/u);
  t.match(told.read(held, "result").json, { outcome: "published", held: [] });
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
