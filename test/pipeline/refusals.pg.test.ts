// What is refused as a whole, and what is accepted but says nothing: neither takes anything away.

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { withServices } from "../../libs/cli/services.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { isAppError } from "../../libs/errors.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { districtTopic } from "../../libs/topics.ts";
import { foldRoster } from "../support/checker.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../support/pipeline.ts";

const fixture = (name: string): string => join(import.meta.dirname, "../fixtures", name);

type State = { readonly roster: readonly string[]; readonly deliveries: number; readonly changesets: number };

async function stateOf(district: TestDistrict): Promise<State> {
  const fold = foldRoster(await district.records("roster"));
  const count = async (topic: string): Promise<number> => (await topicRecords(district.system, topic)).length;
  return {
    roster: [...fold].flatMap(([type, entities]) =>
      [...entities].map(([id, cells]) => `${type} ${id} ${JSON.stringify([...cells])}`),
    ),
    deliveries: await count("deliveries"),
    changesets: await count("changesets"),
  };
}

t.test("I11 a refused set publishes nothing and says why in one sentence", async (t) => {
  const district = await freshDistrict(t);
  await district.deliver(fixture("v12-bulk"));
  const before = await stateOf(district);
  t.ok(before.roster.length > 10);
  const refused = [
    ["refused-v10-columns", /OneRoster 1\.0/u],
    ["refused-microsoft-sds", /Microsoft School Data Sync/u],
    ["refused-manifest-no-manifest", /manifest/u],
    ["refused-manifest-unknown-mode", /manifest/u],
    ["refused-too-many-rejects", /users\.csv/u],
    ["no-row-at-all", /no row/u],
  ] as const;
  for (const [name, says] of refused) {
    const { delivery, outcome, reason } = await district.deliver(fixture(name));
    t.equal(outcome, "refused", name);
    t.match(reason, says);
    t.match(reason, /^\S.*[^.]\.$/u, `${name}: a whole sentence`);
    t.notMatch(reason, /\n/u);
    t.same(await stateOf(district), before, `${name}: nothing is published, not even a delivery`);
    t.equal((await district.report(delivery)).verdict.refusal, reason, "the report says the same");
  }
  const next = await district.deliver(fixture("v12-bulk"));
  t.match(next, { outcome: "published", changeset: { counts: [] } }, "the next good one goes through");
});

t.test("a second source of a district is refused and leaves no trace", async (t) => {
  const district = await freshDistrict(t);
  await district.deliver(fixture("v12-bulk"));
  const before = await stateOf(district);
  const { system, id } = district;
  const source = parseSourceId("other");
  if (source === null) throw new Error("other is a source id");
  const path = fixture("v12-bulk");
  const thrown: unknown = await withServices(system, (signal) =>
    deliver(system, { district: id, source, path, signal }),
  ).catch((error: unknown) => error);
  t.ok(isAppError(thrown, "source.second"));
  t.same(await stateOf(district), before);
  t.same(await system.sql("sources").pluck("id"), ["files"]);
});

const files = ["users", "roles", "enrollments", "classes", "orgs", "courses", "academicSessions"] as const;
const headerOf = (text: string): string => text.slice(0, text.indexOf("\n") + 1);

t.test("a file that is empty, has a header only, or is absent deletes nothing", async (t) => {
  const district = await freshDistrict(t);
  await district.deliver(fixture("v12-bulk"));
  const { roster } = await stateOf(district);
  for (const [index, file] of files.entries()) {
    const path = `${file}.csv`;
    const headerOnly = district.edited(fixture("v12-bulk"), { [path]: headerOf });
    const empty = district.edited(fixture("v12-bulk"), { [path]: () => "" });
    const absent = district.edited(fixture("v12-bulk"), {
      "manifest.csv": (text) => text.replace(`file.${file},bulk`, `file.${file},absent`),
    });
    rmSync(join(absent, path));
    t.notMatch(readFileSync(join(absent, "manifest.csv"), "utf8"), `file.${file},bulk`);
    const missing = district.edited(fixture("v12-bulk"), {});
    rmSync(join(missing, path));
    const all = Object.entries({ headerOnly, absent, empty, missing });
    // Every way for people, two ways in turn for the rest: each delivery takes its time.
    for (const [how, set] of all.filter((_, way) => file === "users" || way % 2 === index % 2)) {
      const { outcome } = await district.deliver(set);
      t.ok(["published", "refused"].includes(outcome), `${file} ${how}: ${outcome}`);
      t.same((await stateOf(district)).roster, roster, `${file} ${how}`);
    }
  }
});

t.test("a delta deletes only what it says, and one without rows nothing", async (t) => {
  const district = await freshDistrict(t);
  await district.deliver(fixture("v12-bulk"));
  const before = foldRoster(await district.records("roster"));
  await district.deliver(fixture("v12-delta"));
  const deletes = (await district.changes()).filter(({ op }) => op === "deleted");
  const marked = ["users", "enrollments"].flatMap((file) =>
    readFileSync(join(fixture("v12-delta"), `${file}.csv`), "utf8")
      .split("\n")
      .filter((line) => line.includes("tobedeleted"))
      .map((line) => line.split(",")[0]),
  );
  t.same(
    deletes.map(({ sourcedId }) => sourcedId),
    marked,
  );
  t.ok(deletes.every(({ cause }) => cause === "tobedeleted"));
  const after = foldRoster(await district.records("roster"));
  t.equal(after.get("class")?.size, before.get("class")?.size);
  await district.deliver(district.edited(fixture("v12-delta"), { "users.csv": headerOf, "enrollments.csv": headerOf }));
  t.same(foldRoster(await district.records("roster")), after);
});

t.test(
  "a record that has an entity's key and is no change of it stops its district, and nothing is published",
  async (t) => {
    const district = await freshDistrict(t);
    const { system } = district;
    await district.deliver((await district.sample({ students: 20 })).directory);
    const [first] = (await district.records("roster")).filter(({ name }) => name === "rollcall.roster.OrgChange");
    const marker = { number: 1, from: 0, delivery: "springfield.files.1", counts: [], hash: "0", at: 0 };
    const value = system.records.encode("rollcall.roster.Changeset", marker);
    const topic = districtTopic("roster", district.id);
    await system.log.transaction(async (tx) => tx.append(topic, [{ key: first?.key ?? "", value }]));
    const before = await stateOf(district);
    const { directory } = await district.sample({ students: 20, night: 2 });
    t.match(await district.deliver(directory), { outcome: "stopped", reason: /registry\.undecodable/u });
    t.equal((await stateOf(district)).changesets, before.changesets);
  },
);

t.test(
  "a roster topic that lost its beginning stops its district; once it is gone as a whole all is published anew",
  async (t) => {
    const district = await freshDistrict(t);
    const { log } = district.system;
    const set = async (night: number): Promise<string> => (await district.sample({ students: 20, night })).directory;
    await district.deliver(await set(1));
    const before = await stateOf(district);
    const topic = districtTopic("roster", district.id);
    await log.deleteBefore(topic, 100);
    t.match(await district.deliver(await set(2)), { outcome: "stopped", reason: /log\.beginning-lost/u });
    t.equal((await stateOf(district)).changesets, before.changesets, "nothing is published twice");
    await log.deleteTopic(topic);
    for (const { id } of await district.system.inbox.stopped("diff")) await district.system.inbox.resume(id);
    t.match(await district.deliver(await set(3)), { outcome: "published" });
    t.ok((await stateOf(district)).roster.length > 100);
  },
);
