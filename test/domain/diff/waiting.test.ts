// Which deletes wait for others, and the order of those that do not.

import t from "tap";

import { action, desired, hold } from "../../../libs/domain/diff/image.ts";
import { deletesInOrder } from "../../../libs/domain/diff/order.ts";
import { draft, holdParents } from "../../../libs/domain/diff/plan.ts";
import { entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";
import { SmallImage, type Wish } from "./small-image.ts";

t.test("a delete waits for a child that stays for a reason, and not for one that merely dangles", async (t) => {
  const cases: readonly (readonly [Wish, boolean])[] = [
    ["claimed", true],
    ["withheld", true],
    ["unmentioned", false],
    ["content", false],
    ["absent", false],
  ];
  for (const [wish, waits] of cases) {
    const small = new SmallImage();
    const group = small.add("class", "class", "live", "absent");
    const child = small.add("enrollment", "child", "live", wish);
    small.refer(child, group);
    draft(small.image);
    holdParents(small.image, small);
    t.equal(small.image.hold[group], waits ? hold.children : hold.none, wish);
  }
});

t.test("a delete waits for a child whose own delete is held or refused", async (t) => {
  for (const held of [hold.limit, hold.refused, hold.children]) {
    const small = new SmallImage();
    const group = small.add("class", "class", "live", "absent");
    const child = small.add("enrollment", "child", "live", "absent");
    small.refer(child, group);
    draft(small.image);
    small.image.hold[child] = held;
    holdParents(small.image, small);
    t.equal(small.image.hold[group], hold.children);
  }
});

t.test("a claimed key that is not published makes nobody wait, and a hold that is there stays", async (t) => {
  const small = new SmallImage();
  const group = small.add("class", "class", "live", "absent");
  const other = small.add("class", "other", "live", "absent");
  const fresh = small.add("enrollment", "new", "none", "claimed");
  const child = small.add("enrollment", "child", "live", "claimed");
  small.refer(fresh, group);
  small.refer(child, other);
  draft(small.image);
  small.image.hold[other] = hold.limit;
  holdParents(small.image, small);
  t.strictSame([small.image.hold[group], small.image.hold[other]], [hold.none, hold.limit]);
});

t.test("what waits makes its own parents wait, through types and through a type that refers to itself", async (t) => {
  const small = new SmallImage();
  const district = small.add("org", "district", "live", "absent");
  const school = small.add("org", "school", "live", "absent");
  const course = small.add("course", "course", "live", "absent");
  const group = small.add("class", "class", "live", "absent");
  const child = small.add("enrollment", "child", "live", "claimed");
  const elsewhere = small.add("org", "elsewhere", "live", "absent");
  small.refer(child, group);
  small.refer(group, course);
  small.refer(course, school);
  small.refer(school, district);
  small.refer(elsewhere, district);
  draft(small.image);
  holdParents(small.image, small);
  t.ok([district, school, course, group].every((entry) => small.image.hold[entry] === hold.children));
  t.equal(small.image.hold[elsewhere], hold.none);
});

t.test("a cycle of parents waits as a whole and ends", async (t) => {
  const small = new SmallImage();
  const [a, b, c] = ["a", "b", "c"].map((name) => small.add("org", name, "live", "absent"));
  const child = small.add("course", "child", "live", "withheld");
  small.refer(a ?? -1, b ?? -1);
  small.refer(b ?? -1, c ?? -1);
  small.refer(c ?? -1, a ?? -1);
  small.refer(child, b ?? -1);
  draft(small.image);
  holdParents(small.image, small);
  t.strictSame([...small.image.hold.subarray(0, 3)], [hold.children, hold.children, hold.children]);
});

t.test("a chain of 20,000 sessions waits for its last, in whichever order its members stand", async (t) => {
  for (const upwards of [true, false]) {
    const small = chain(20_000, upwards);
    const last = upwards ? 19_999 : 0;
    small.image.desired[last] = desired.claimed;
    draft(small.image);
    holdParents(small.image, small);
    let waiting = 0;
    for (let entry = 0; entry < 20_000; entry++) if (small.image.hold[entry] === hold.children) waiting++;
    t.equal(waiting, 19_999);
  }
});

/** Sessions that each have the one before (or after) as their parent, all to delete. */
function chain(length: number, upwards: boolean): SmallImage {
  const small = new SmallImage();
  small.addMany(length, "academicSession", "live", "absent");
  for (let entry = 0; entry < length; entry++) {
    const parent = upwards ? entry - 1 : entry + 1;
    if (parent >= 0 && parent < length) small.refer(entry, parent);
  }
  draft(small.image);
  return small;
}

t.test("a chain of 20,000 sessions is deleted from its last to its first", async (t) => {
  for (const upwards of [true, false]) {
    const order = [...deletesInOrder(chain(20_000, upwards).image, chain(20_000, upwards))];
    const numbers = Array.from({ length: 20_000 }, (_, entry) => entry);
    t.strictSame(order, upwards ? numbers.toReversed() : numbers);
  }
});

t.test("every delete of a cycle goes out once", async (t) => {
  const small = new SmallImage();
  const entries = ["a", "b", "c", "tail"].map((name) => small.add("org", name, "live", "absent"));
  const [a = -1, b = -1, c = -1, tail = -1] = entries;
  small.refer(a, b);
  small.refer(b, c);
  small.refer(c, a);
  small.refer(tail, b);
  draft(small.image);
  const order = [...deletesInOrder(small.image, small)];
  t.strictSame(
    order.toSorted((one, other) => one - other),
    entries,
  );
  t.equal(order[0], tail, "what hangs on the cycle goes before it");
});

t.test("types go children first; nulls that are owed are among them, what is held is not", async (t) => {
  const small = new SmallImage();
  const expected = entityTypes.map((type) => small.add(type, type, type === "user" ? "nullOwed" : "live", "absent"));
  const held = small.add("class", "held", "live", "absent");
  small.add("class", "created", "none", "content");
  small.add("class", "changed", "live", "content", false);
  draft(small.image);
  small.image.hold[held] = hold.limit;
  t.equal(small.image.action[expected[4] ?? -1], action.sendNull);
  t.strictSame([...deletesInOrder(small.image, small)], expected.toReversed());
});

t.test("parents with two children and a diamond above them go after all of them", async (t) => {
  const small = new SmallImage();
  const [top = -1, left = -1, right = -1, bottom = -1] = ["top", "left", "right", "bottom"].map((name) =>
    small.add("academicSession", name, "live", "absent"),
  );
  small.refer(left, top);
  small.refer(right, top);
  small.refer(bottom, left, right);
  draft(small.image);
  const order = [...deletesInOrder(small.image, small)];
  t.strictSame([order[0], order.at(-1)], [bottom, top]);
  t.equal(order.length, 4);
});
