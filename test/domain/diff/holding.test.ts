// What holds of every plan of which something waits: for a person, for children, or because nothing certain is known.

import { strict as assert } from "node:assert";

import t from "tap";

import { exception, hold } from "../../../libs/domain/diff/image.ts";
import { idsChanged, type Limits } from "../../../libs/domain/diff/plan.ts";
import { referencesOf } from "../../../libs/domain/diff/references.ts";
import { entityKey } from "../../../libs/domain/ids.ts";
import { type EntityType, entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";
import { forSeeds, type Random } from "../../support/seeded.ts";
import {
  approved,
  byType,
  type Delivery,
  entryOf,
  type Exceptions,
  folded,
  type Log,
  noLimits,
  type Plan,
  planned,
  resumed,
  type Row,
  typeOf,
  written,
} from "./model.ts";
import {
  assertHolds,
  deltaOf,
  type District,
  logOf,
  nextDistrict,
  nobody,
  plain,
  today,
  typesOf,
  userKeyOf,
  wholeOf,
} from "./random-district.ts";

const trials = { runs: 120, size: 6 };

/** A district as its topic and its table of exceptions hold it. */
type State = { readonly log: Log; readonly exceptions: Exceptions };

/** Limits that hold every delete of some types, and every plan that could be one of changed ids or none. */
function strictLimits(random: Random): Limits {
  const idsToo = random.chance(0.2);
  return {
    deletes: byType(() => (random.chance(0.5) ? { share: 0, count: 0 } : { share: 1, count: 1e9 })),
    idsChanged: idsToo ? { share: 0, count: 0, tolerance: 1 } : noLimits.idsChanged,
  };
}

function worked(
  state: State,
  delivery: Delivery,
  given: { readonly limits: Limits; readonly approvedCause?: string },
): State & { readonly plan: Plan } {
  const plan = planned(state.log, delivery, { ...given, exceptions: state.exceptions });
  return { log: [...state.log, ...written(plan, delivery)], exceptions: plan.exceptions, plan };
}

/** Approves one type after the other, in any order, until nothing is held. */
function settled(random: Random, state: State, job: { readonly delivery: Delivery; readonly limits: Limits }): State {
  let { log, exceptions } = state;
  const { delivery, limits } = job;
  const whole = worked({ log, exceptions }, delivery, { limits });
  if (whole.plan.cause !== null) {
    assert.equal(whole.plan.cause, idsChanged);
    assert.equal(whole.log.length, log.length, "nothing of a plan that is held goes out");
    const all = approved(exceptions, () => true);
    ({ log, exceptions } = worked({ log, exceptions: all }, delivery, { limits, approvedCause: idsChanged }));
  }
  for (let round = 0; isHolding(exceptions); round++) {
    assert(round < 20, "approving comes to an end");
    for (const type of random.shuffled(entityTypes)) {
      const decided = approved(exceptions, (one) => one === type);
      ({ log, exceptions } = worked({ log, exceptions: decided }, delivery, { limits }));
    }
  }
  return { log, exceptions };
}

function isHolding(exceptions: Exceptions): boolean {
  return [...exceptions.values()].some(({ state }) => state === exception.held);
}

t.test("holding and approving, type by type, equals never having held", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const is = nextDistrict(random, was);
    const log = logOf(random, was);
    const limits = strictLimits(random);
    const delivery = wholeOf(is);
    const first = worked({ log, exceptions: new Map() }, delivery, { limits });
    const last = settled(random, first, { delivery, limits });
    assertHolds(last.log, is);
    assert.deepEqual(written(planned(last.log, delivery, { exceptions: last.exceptions }), delivery), []);
    const deletes = last.log.slice(log.length).filter(({ op }) => op === "deleted");
    assert.equal(new Set(deletes.map(({ key }) => key)).size, deletes.length, "nothing is deleted twice");
  });
});

t.test("what is held stays held night after night and is neither forgotten nor doubled", async (t) => {
  forSeeds(t, trials, (random) => {
    let is = nextDistrict(random, nobody);
    let state: State = { log: logOf(random, is), exceptions: new Map() };
    const limits = strictLimits(random);
    let delivery = wholeOf(is);
    for (let night = 0; night < 3; night++) {
      is = nextDistrict(random, is);
      delivery = wholeOf(is);
      const before = state.exceptions;
      const next = worked(state, delivery, { limits });
      for (const [key, { reason }] of before) {
        const goes = folded(state.log).has(key) && !is.entities.has(key);
        if (goes && reason === "limit") assert(next.exceptions.has(key), `${key} is still held`);
        if (!goes) assert(!next.exceptions.has(key), `${key} is no longer held`);
      }
      state = next;
    }
    assertHolds(settled(random, state, { delivery, limits }).log, is);
  });
});

t.test("a delta that is silent about what is held leaves it held", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const limits = { ...strictLimits(random), idsChanged: noLimits.idsChanged };
    const is = nextDistrict(random, was, was.derived);
    const first = worked({ log: logOf(random, was), exceptions: new Map() }, wholeOf(is), { limits });
    const empty = { rows: [], types: typesOf(false, is.derived), today };
    const second = worked(first, empty, { limits });
    assert.equal(second.log.length, first.log.length);
    for (const [key, { reason }] of first.exceptions) if (reason === "limit") assert(second.exceptions.has(key));
    const third = nextDistrict(random, is, is.derived);
    const delta = deltaOf(is, third);
    const said = new Set(delta.rows.map(({ key }) => key));
    const after = worked(second, delta, { limits });
    for (const [key, { reason }] of first.exceptions)
      if (reason === "limit" && !said.has(key) && !said.has(userKeyOf(key))) assert(after.exceptions.has(key));
  });
});

t.test("a key that returns releases its hold, and is not deleted later", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const limits = { ...strictLimits(random), idsChanged: noLimits.idsChanged };
    const first = worked({ log: logOf(random, was), exceptions: new Map() }, wholeOf(nextDistrict(random, was)), {
      limits,
    });
    const returned = worked(first, wholeOf(was), { limits });
    for (const key of first.exceptions.keys()) assert(!returned.exceptions.has(key), `${key} is released`);
    const late = approved(first.exceptions, () => true);
    const last = worked({ log: returned.log, exceptions: late }, wholeOf(was), { limits });
    for (const { op, key } of last.log.slice(first.log.length))
      assert(op === "upsert" || !was.entities.has(key), "an approval that comes too late deletes nothing that is back");
  });
});

t.test("a refused delete is left out until the source says something else", async (t) => {
  forSeeds(t, trials, (random) => {
    const was = nextDistrict(random, nobody);
    const is = nextDistrict(random, was);
    const limits = { ...strictLimits(random), idsChanged: noLimits.idsChanged };
    const first = worked({ log: logOf(random, was), exceptions: new Map() }, wholeOf(is), { limits });
    const refused: Exceptions = new Map(
      [...first.exceptions].map(([key, one]) => [key, { ...one, state: exception.refused, reason: "refused" }]),
    );
    const again = worked({ log: first.log, exceptions: refused }, wholeOf(is), { limits: noLimits });
    assert.deepEqual(again.log, first.log, "neither they nor the parents that waited for them go");
    assert.deepEqual(again.exceptions, refused);
    assertHolds(worked(again, wholeOf(was), { limits: noLimits }).log, was);
  });
});

/** A delivery of which some rows were refused, some deleted, and some lost where absence is suspended for it. */
function doubtful(random: Random, was: District, is: District): Delivery {
  const whole = wholeOf(is);
  const suspended = new Set<EntityType>(random.some(entityTypes, 0.3));
  if (suspended.has("user") && is.derived) suspended.add("role");
  if (is.derived && !suspended.has("user")) suspended.delete("role");
  const own = new Set(
    [...was.entities.keys(), ...is.entities.keys()].filter((key) => !is.derived || userKeyOf(key) === key),
  );
  const fates = new Map([...own].map((key) => [key, random.next()]));
  const rows: Row[] = whole.rows.filter(({ key }) => {
    const fate = fates.get(userKeyOf(key)) ?? 1;
    const lost = suspended.has(typeOf(is.derived ? userKeyOf(key) : key)) && fate > 0.7;
    return fate >= 0.3 && !lost;
  });
  for (const [key, fate] of fates) {
    if (fate < 0.2) rows.push({ state: "unknown", key });
    else if (fate < 0.3) rows.push({ state: "absent", key });
  }
  const types = byType((type) => {
    const { derived } = whole.types[type];
    return { absence: !suspended.has(type), suspended: suspended.has(type), derived };
  });
  return { rows, types, today };
}

/** Whether the delivery says for certain that a published key is gone: the rule in its plainest words. */
function isGone(key: string, delivery: Delivery, rows: ReadonlyMap<string, Row>): boolean {
  const row = rows.get(key);
  if (row !== undefined) return row.state === "absent";
  const user = userKeyOf(key);
  if (user === key || !delivery.types.role.derived) return delivery.types[typeOf(key)].absence;
  return rows.get(user)?.state === "content" || isGone(user, delivery, rows);
}

t.test(
  "nothing that is claimed or withheld is ever deleted, and all that is gone for certain goes or waits",
  async (t) => {
    forSeeds(t, { runs: 300, size: 6 }, (random) => {
      const was = nextDistrict(random, nobody);
      const is = nextDistrict(random, was);
      const log = logOf(random, was);
      const delivery = doubtful(random, was, is);
      const rows = new Map(delivery.rows.map((row) => [row.key, row]));
      const plan = planned(log, delivery);
      const deleted = new Set(written(plan, delivery).flatMap(({ key, op }) => (op === "deleted" ? [key] : [])));
      for (const key of was.entities.keys()) {
        const gone = isGone(key, delivery, rows);
        if (!gone) assert(!deleted.has(key), `${key} is not certain to be gone`);
        else if (!deleted.has(key)) assert.equal(plan.image.hold[entryOf(plan.image, key)], hold.children);
      }
    });
  },
);

t.test("no parent is deleted of what is held, claimed or withheld", async (t) => {
  forSeeds(t, { runs: 300, size: 6 }, (random) => {
    const was = nextDistrict(random, nobody);
    const delivery = doubtful(random, was, nextDistrict(random, was));
    const rows = new Map(delivery.rows.map((row) => [row.key, row]));
    const limits = { ...strictLimits(random), idsChanged: noLimits.idsChanged };
    const plan = planned(logOf(random, was), delivery, { limits });
    const deleted = new Set(written(plan, delivery).flatMap(({ key, op }) => (op === "deleted" ? [key] : [])));
    for (const [key, entity] of was.entities) {
      if (deleted.has(key) || rows.get(key)?.state === "content") continue;
      for (const { type, sourcedId } of referencesOf(entity))
        assert(
          !deleted.has(entityKey(type, sourcedId)) || entityKey(type, sourcedId) === key,
          `${key} stays and its ${type} goes`,
        );
    }
  });
});

t.test("a changeset that is cut off anywhere and taken up again ends as if it had not been", async (t) => {
  forSeeds(t, { runs: 300, size: 6 }, (random) => {
    const was = nextDistrict(random, nobody);
    const delivery = doubtful(random, was, nextDistrict(random, was));
    const limits = { ...strictLimits(random), idsChanged: noLimits.idsChanged };
    const log = logOf(random, was);
    const first = planned(log, delivery, { limits });
    const decided = approved(first.exceptions, () => random.chance(0.5));
    const plan = random.chance(0.5) ? first : planned(log, delivery, { limits, exceptions: decided });
    const records = written(plan, delivery);
    const cut = random.below(records.length + 1);
    const rest = written(resumed([...log, ...records.slice(0, cut)], delivery, plan.exceptions), delivery);
    const names = (list: Log): readonly string[] => list.map(({ key, op }) => `${key} ${op}`).toSorted();
    assert.deepEqual(names(rest), names(records.slice(cut)), "the rest is written, and nothing of it twice");
    assert.deepEqual(plain(folded([...log, ...records.slice(0, cut), ...rest])), plain(folded([...log, ...records])));
  });
});
