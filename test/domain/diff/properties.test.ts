// What holds of every plan, whatever the district: tried on small ones made at random.

import { strict as assert } from "node:assert";

import t from "tap";

import { changedFields, referencesOf } from "../../../libs/domain/diff/references.ts";
import { modelFields } from "../../../libs/domain/oneroster/description.ts";
import { descriptionOf } from "../../../libs/domain/oneroster/entities.ts";
import { entityKey } from "../../../libs/domain/ids.ts";
import { summarise } from "../../../libs/domain/diff/summary.ts";
import { forSeeds } from "../../support/seeded.ts";
import { type Delivery, entryOf, folded, type Log, type Plan, planned, written } from "./model.ts";
import { assertHolds, deltaOf, logOf, nextDistrict, nobody, plain, same, wholeOf } from "./random-district.ts";
import { randomTime, touched } from "./random-entities.ts";

const trials = { runs: 150, size: 6 };

t.test("applying a plan to the old set gives the new one, and writes nothing that did not change", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const is = nextDistrict(random, was);
    const log = logOf(random, was);
    assertHolds(log, was);
    const delivery = wholeOf(is);
    const records = written(planned(log, delivery), delivery);
    assertHolds([...log, ...records], is);
    for (const { key, op } of records) {
      if (op === "upsert") assert(!same(was.entities.get(key), is.entities.get(key)), "an upsert says something new");
      else assert(was.entities.has(key) && !is.entities.has(key), "a delete is of something that went");
    }
    const names = records.map(({ key, op }) => `${key} ${op}`);
    assert.equal(new Set(names).size, names.length, "nothing is written twice");
  });
});

t.test("diff(a, a) is empty, also when every row has a new dateLastModified", async (t) => {
  forSeeds(t, trials, (random) => {
    const is = nextDistrict(random, nobody);
    const log = logOf(random, is);
    assert.deepEqual(written(planned(log, wholeOf(is)), wholeOf(is)), []);
    const entities = new Map([...is.entities].map(([key, one]) => [key, touched(one, randomTime(random))]));
    const newlyDated = wholeOf({ entities, derived: is.derived });
    assert.deepEqual(written(planned(log, newlyDated), newlyDated), []);
    assert.deepEqual(summarise(planned(log, newlyDated).image, { planCause: null, doubts: [] }), []);
  });
});

t.test("a whole delivery and a delta that say the same write the same", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const is = nextDistrict(random, was, was.derived);
    const log = logOf(random, was);
    const [whole, delta] = [wholeOf(is), deltaOf(was, is)];
    const records = written(planned(log, delta), delta);
    assertHolds([...log, ...records], is);
    assert.deepEqual(lines(records), lines(written(planned(log, whole), whole)));
  });
});

function lines(records: Log): readonly string[] {
  return records.map(({ key, op, entity }) => `${key} ${op} ${JSON.stringify(entity)}`).toSorted();
}

t.test("the order of rows does not matter", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const log = logOf(random, was);
    const delivery = wholeOf(nextDistrict(random, was));
    const shuffled = { ...delivery, rows: random.shuffled(delivery.rows) };
    const [plan, other] = [planned(log, delivery), planned(log, shuffled)];
    assert.deepEqual(words(other, delivery), words(plan, delivery));
    assert.deepEqual(parts(other), parts(plan));
    assert.deepEqual(
      plain(folded([...log, ...written(other, shuffled)])),
      plain(folded([...log, ...written(plan, delivery)])),
    );
  });
});

function words({ image }: Plan, { rows }: Delivery): readonly string[] {
  return rows.map(({ key }) => {
    const entry = entryOf(image, key);
    return `${key} ${image.action[entry]} ${image.hold[entry]} ${image.cause[entry]}`;
  });
}

function parts({ image, cause }: Plan): readonly object[] {
  return summarise(image, { planCause: cause, doubts: [] }).map(({ type, op, count, held, causes }) => ({
    type,
    op,
    count,
    held,
    causes,
  }));
}

t.test("the parts of a plan count what is written", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const log = logOf(random, was);
    const delivery = wholeOf(nextDistrict(random, was));
    const plan = planned(log, delivery);
    const records = written(plan, delivery);
    const counted = summarise(plan.image, { planCause: null, doubts: [] });
    const sum = (op: string): number => counted.reduce((all, part) => all + (part.op === op ? part.count : 0), 0);
    assert.equal(sum("created") + sum("updated"), records.filter(({ op }) => op === "upsert").length);
    assert.equal(sum("deleted"), records.filter(({ op }) => op === "deleted").length);
    for (const part of counted) assert(part.held === 0 && part.entries.length === Math.min(10, part.count));
  });
});

t.test("upserts come parents before children, then deletes children before parents", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const log = logOf(random, was);
    const delivery = wholeOf(nextDistrict(random, was));
    const records = written(planned(log, delivery), delivery);
    const place = new Map(records.flatMap(({ key, op }, index) => (op === "null" ? [] : [[key, { op, index }]])));
    const known = folded(log);
    const firstDelete = records.findIndex(({ op }) => op !== "upsert");
    for (const [index, { key, op, entity }] of records.entries()) {
      if (op === "upsert") assert(firstDelete === -1 || index < firstDelete, "deletes follow upserts");
      if (op === "deleted") assert.deepEqual(records[index + 1], { key, op: "null", entity: null });
      if (entity === null) continue;
      for (const { type, sourcedId } of referencesOf(entity)) {
        // Agents of users are people beside each other, not above: they have no order.
        if (entity.type === "user" && type === "user") continue;
        const parent = place.get(entityKey(type, sourcedId));
        if (parent?.op === "deleted" && op === "deleted") assert(parent.index > index, `${key} goes before its parent`);
        if (parent?.op === "upsert" && op === "upsert" && !known.has(entityKey(type, sourcedId)))
          assert(parent.index < index, `${key} comes after its parent`);
      }
    }
  });
});

t.test("dateLastModified alone is no changed field, and every other field that differs is named", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const is = nextDistrict(random, was);
    for (const [key, after] of is.entities) {
      const before = was.entities.get(key);
      if (before === undefined) continue;
      assert.deepEqual(changedFields(after, touched(after, randomTime(random))), []);
      const names = [...modelFields(descriptionOf(after.type)).map(({ name }) => name), "metadata"];
      const text = (entity: object, name: string): string =>
        JSON.stringify(Object.entries(entity).find(([one]) => one === name));
      const differing = names.filter((name) => name !== "dateLastModified" && text(before, name) !== text(after, name));
      assert.deepEqual(changedFields(before, after), differing.toSorted());
      assert.equal(differing.length === 0, same(before, after));
    }
  });
});
