// Changesets as subscribers meet them on the roster topic: whole, counted, in an order that can be applied as it comes.

import t from "tap";

import { isEntityType } from "../../libs/domain/oneroster/entity-types.ts";
import { RangeHash } from "../../libs/domain/range-hash.ts";
import { districtTopic } from "../../libs/topics.ts";
import { referencesOf } from "../sample/naive.ts";
import { checkPublished } from "../support/checker.ts";
import { freshDistrict, type ReadRecord, type TestDistrict, topicRecords } from "../support/pipeline.ts";
import type { Teardown } from "../support/teardown.ts";

type ChangesetRow = {
  readonly number: number;
  readonly from_offset: number;
  readonly to_offset: number;
  readonly counts: readonly { readonly type: string; readonly op: string; readonly count: number }[];
  readonly hash: string;
};

/** A first night, a drop of which part is held, its approval, and an ordinary night. */
async function fourChangesets(t: Teardown): Promise<TestDistrict> {
  const district = await freshDistrict(t, { demographics: true });
  const students = 100;
  await district.deliver((await district.sample({ students })).directory);
  await district.deliver((await district.sample({ students, night: 2, scenario: "drop" })).directory);
  await district.decide("approve", (await district.plan()).version);
  await district.deliver((await district.sample({ students, night: 3, previousScenario: "drop" })).directory);
  return district;
}

async function changesets(district: TestDistrict): Promise<readonly ChangesetRow[]> {
  const rows: readonly ChangesetRow[] = await district.system
    .sql("changesets")
    .where({ district: district.id, state: "published" })
    .orderBy("number")
    .select("number", "from_offset", "to_offset", "counts", "hash");
  return rows;
}

const namesOf = (key: string): readonly [type: string, id: string] => {
  const [type = "", id = ""]: readonly string[] = JSON.parse(key);
  return [type, id];
};
const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
const inRange = (records: readonly ReadRecord[], row: ChangesetRow): readonly ReadRecord[] =>
  records.filter(({ offset }) => offset >= row.from_offset && offset < row.to_offset);

function countedAgain(records: readonly ReadRecord[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { key, value } of records) {
    const [type] = namesOf(key);
    const op = fieldOf(value, "op");
    if (!isEntityType(type) || typeof op !== "string") continue;
    counts.set(`${type} ${op}`, (counts.get(`${type} ${op}`) ?? 0) + 1);
  }
  return counts;
}

/** The hash over the last record of each key of a range, from the bytes of the log. */
async function hashedAgain(district: TestDistrict, row: ChangesetRow): Promise<string> {
  const topic = districtTopic("roster", district.id);
  const generation = (await district.system.log.extent(topic))?.generation ?? "";
  const last = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array | null }>();
  const range = { topic, generation, from: row.from_offset, to: row.to_offset };
  for await (const batch of district.system.log.scan(range)) {
    for (const { key, value } of batch) {
      const text = Buffer.from(key).toString();
      if (!isEntityType(namesOf(text)[0])) continue;
      last.set(text, { key: Buffer.from(key), value: value === null ? null : Buffer.from(value) });
    }
  }
  const hash = new RangeHash();
  for (const { key, value } of last.values()) hash.add(key, value);
  return hash.toString();
}

t.test("I8 ranges of changesets tile the log, and counts and hash of a marker are those of its range", async (t) => {
  const district = await fourChangesets(t);
  const rows = await changesets(district);
  const records = await district.records("roster");
  t.same(
    rows.map(({ number }) => number),
    [1, 2, 3, 4],
  );
  t.equal(rows[0]?.from_offset, 0);
  for (const [index, row] of rows.entries()) {
    if (index > 0) t.equal(row.from_offset, rows[index - 1]?.to_offset, "it begins where the last one ended");
    const own = inRange(records, row);
    const marker = own.at(-1);
    t.equal(marker?.key, '["changeset"]', "it ends with its marker");
    t.equal(own.filter(({ key }) => key === '["changeset"]').length, 1);
    const { number, from_offset: from, counts, hash } = row;
    t.match(marker?.value, { number, from, counts, hash }, "the marker says what the row says");
    t.same(new Map(counts.map(({ type, op, count }) => [`${type} ${op}`, count])), countedAgain(own), "counts");
    t.equal(hash, await hashedAgain(district, row), "hash");
    t.ok(
      own.every(({ value }) => [undefined, number].some((each) => fieldOf(value, "changeset") === each)),
      "every change names it",
    );
  }
  const after = records.filter(({ offset }) => offset >= (rows.at(-1)?.to_offset ?? 0));
  t.ok(
    after.every(({ key }) => key === '["writer"]'),
    "after the last there is no change",
  );
  const said = (await topicRecords(district.system, "changesets")).map(({ value }) => value);
  t.match(
    said,
    rows.map(({ number, from_offset: from, to_offset: to, counts, hash }) => ({ number, from, to, counts, hash })),
    "and the control topic says the same",
  );
});

/** The references of a change within one changeset that are of another type, or of a type with a hierarchy. */
function referencesIn(record: ReadRecord, side: "before" | "after"): readonly string[] {
  const [type, id] = namesOf(record.key);
  const entity = fieldOf(record.value, side);
  if (typeof entity !== "object" || entity === null) return [];
  const fields = new Map(
    Object.entries(entity).map(([name, value]: readonly [string, unknown]) => [
      name,
      Array.isArray(value) ? value.join(",") : typeof value === "string" ? value : "",
    ]),
  );
  // People refer to each other in both directions: among them no order could be right.
  return referencesOf(type, id, fields).filter((to) => !(type === "user" && to.startsWith("user ")));
}

t.test("parents are created before children and deleted after them, each delete followed by its null", async (t) => {
  const district = await fourChangesets(t);
  const records = await district.records("roster");
  let pairs = 0;
  for (const row of await changesets(district)) {
    const own = inRange(records, row);
    const createdAt = new Map<string, number>();
    const deletedAt = new Map<string, number>();
    for (const [index, record] of own.entries()) {
      const op = fieldOf(record.value, "op");
      if (op === "created") createdAt.set(namesOf(record.key).join(" "), index);
      if (op !== "deleted") continue;
      deletedAt.set(namesOf(record.key).join(" "), index);
      if (own[index + 1]?.key !== record.key || own[index + 1]?.value !== null) t.fail(`${record.key} has no null`);
    }
    for (const [index, record] of own.entries()) {
      const isDelete = fieldOf(record.value, "op") === "deleted";
      for (const parent of referencesIn(record, isDelete ? "before" : "after")) {
        const at = (isDelete ? deletedAt : createdAt).get(parent);
        if (at === undefined) continue;
        pairs++;
        if (isDelete ? at < index : at > index) t.fail(`${record.key} and ${parent} are in the wrong order`);
      }
    }
    t.ok(own.findLastIndex(({ value }) => fieldOf(value, "after")) <= Math.min(...deletedAt.values(), own.length));
  }
  t.ok(pairs > 3000, `${pairs} children and parents in one changeset`);
});

t.test("two districts on one log do not touch each other", async (t) => {
  const first = await freshDistrict(t);
  const second = await first.neighbour("shelbyville");
  const sets = [await first.sample({ students: 40 }), await second.sample({ students: 60, seed: 9 })] as const;
  await Promise.all([first.deliver(sets[0].directory), second.deliver(sets[1].directory)]);
  await checkPublished(t, first, sets[0].directory);
  await checkPublished(t, second, sets[1].directory);
});
