// Each step of a plan on images written down by hand.

import t from "tap";

import { action, cause, desired, exception, hold } from "../../../libs/domain/diff/image.ts";
import {
  concludeAbsence,
  type Delivered,
  draft,
  followOwners,
  holdAsStored,
  idsChanged,
  judge,
  type Limits,
  markTermOver,
  matchException,
  needsBefore,
  type StoredException,
} from "../../../libs/domain/diff/plan.ts";
import { summarise } from "../../../libs/domain/diff/summary.ts";
import { type EntityType, entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";
import { byType } from "./model.ts";
import { SmallImage, type State, type Wish, words } from "./small-image.ts";

const nameOf = <T extends Readonly<Record<string, number>>>(names: T, value: number | undefined): string =>
  Object.entries(names).find(([, number]) => number === value)?.[0] ?? "?";

const silent: Delivered = { absence: false, suspended: false, derived: false };
const rolesDerived = byType((type) => ({ ...silent, derived: type === "role" }));

t.test("a published key that is missing is absent, withheld or a follower, as its type allows", async (t) => {
  const cases: readonly (readonly [Partial<Delivered>, boolean, Wish])[] = [
    [{}, false, "unmentioned"],
    [{ absence: true }, false, "absent"],
    [{ suspended: true }, false, "withheld"],
    [{ absence: true, derived: true }, true, "follows"],
    [{ suspended: true, derived: true }, true, "follows"],
    [{ derived: true }, true, "follows"],
    // A role from roles.csv, and now the roles come from users: nobody delivers it any more.
    [{ absence: true, derived: true }, false, "absent"],
    // The other way round: roles.csv is there and does not hold the derived role.
    [{ absence: true }, true, "absent"],
    // No roles.csv: the derived role is still its user's.
    [{}, true, "follows"],
  ];
  for (const [type, derived, expected] of cases) {
    const small = new SmallImage();
    const entry = small.add("role", "missing", "live", "unmentioned");
    small.image.derived[entry] = derived ? 1 : 0;
    concludeAbsence(
      small.image,
      byType((one) => (one === "role" ? { ...silent, ...type } : silent)),
    );
    const why = expected === "absent" ? "absent" : "none";
    t.equal(nameOf(desired, small.image.desired[entry]), expected, JSON.stringify([type, derived]));
    t.equal(nameOf(cause, small.image.cause[entry]), why);
  }
});

t.test("absence concludes nothing of keys that are mentioned or not published", async (t) => {
  const cases: readonly (readonly [State, Wish])[] = [
    ["live", "content"],
    ["live", "claimed"],
    ["none", "unmentioned"],
    ["nullOwed", "unmentioned"],
  ];
  for (const [was, is] of cases) {
    const small = new SmallImage();
    const entry = small.add("user", "one", was, is);
    concludeAbsence(
      small.image,
      byType(() => ({ absence: true, suspended: true, derived: false })),
    );
    t.equal(nameOf(desired, small.image.desired[entry]), is, `${was} ${is}`);
  }
});

t.test("every pair of what is published and what is desired has its action", async (t) => {
  const wishes: readonly Wish[] = ["unmentioned", "content", "absent", "claimed", "withheld", "follows"];
  const table: Readonly<Record<State, readonly (keyof typeof action)[]>> = {
    none: ["none", "create", "none", "none", "none", "none"],
    live: ["none", "update", "delete", "none", "none", "none"],
    nullOwed: ["sendNull", "create", "sendNull", "sendNull", "sendNull", "sendNull"],
  };
  for (const was of ["none", "live", "nullOwed"] as const) {
    for (const [index, is] of wishes.entries()) {
      const small = new SmallImage();
      const entry = small.add("user", "one", was, is, false);
      draft(small.image);
      t.equal(nameOf(action, small.image.action[entry]), table[was][index], `${was} ${is}`);
    }
  }
  const small = new SmallImage();
  const entry = small.add("user", "one", "live", "content", true);
  draft(small.image);
  t.equal(small.image.action[entry], action.none, "equal content");
});

t.test("the published content is kept of what changes, goes, waits, or is owed its null", async (t) => {
  const cases: readonly (readonly [State, Wish, boolean])[] = [
    ["live", "content", true],
    ["live", "absent", true],
    ["live", "claimed", true],
    ["live", "withheld", true],
    ["live", "follows", true],
    ["live", "unmentioned", false],
    ["none", "content", false],
    ["none", "claimed", false],
    ["nullOwed", "unmentioned", true],
    ["nullOwed", "content", false],
  ];
  for (const [was, is, expected] of cases) {
    const small = new SmallImage();
    const entry = small.add("user", "one", was, is, false);
    draft(small.image);
    t.equal(needsBefore(small.image, entry), expected, `${was} ${is}`);
  }
});

t.test("a derived role goes the way of its user's row", async (t) => {
  const cases: readonly (readonly [Wish | "unknown owner", Wish, keyof typeof action])[] = [
    ["content", "absent", "delete"],
    ["absent", "absent", "delete"],
    ["claimed", "claimed", "none"],
    ["withheld", "withheld", "none"],
    ["unmentioned", "unmentioned", "none"],
    ["unknown owner", "unmentioned", "none"],
  ];
  for (const [ofUser, expected, planned] of cases) {
    const small = new SmallImage();
    const user = small.add("user", "user", "live", ofUser === "unknown owner" ? "unmentioned" : ofUser);
    const role = small.add("role", "role", "live", "follows");
    if (ofUser !== "unknown owner") small.own(role, user);
    small.image.cause[user] = cause.toBeDeleted;
    followOwners(small.image, small, rolesDerived);
    t.equal(nameOf(desired, small.image.desired[role]), expected, ofUser);
    t.equal(nameOf(action, small.image.action[role]), planned, ofUser);
    if (ofUser === "absent") t.equal(small.image.cause[role], cause.toBeDeleted, "for the reason of its user");
    if (ofUser === "content") t.equal(small.image.cause[role], cause.absent, "because the row no longer implies it");
  }
});

t.test(
  "a delete has the cause term over from the first day after the last on, and only where a term is meant",
  async (t) => {
    const today = 20_000;
    const cases: readonly (readonly [EntityType, number, keyof typeof cause])[] = [
      ["class", today - 1, "termOver"],
      ["class", today, "termOver"],
      ["class", today + 1, "absent"],
      ["academicSession", today, "termOver"],
      ["user", today - 1, "absent"],
      ["course", today - 1, "absent"],
    ];
    for (const [type, endDay, expected] of cases) {
      const small = new SmallImage();
      const entry = small.add(type, "one", "live", "absent");
      small.image.cause[entry] = cause.absent;
      small.image.endDay[entry] = endDay;
      draft(small.image);
      markTermOver(small.image, small, today);
      t.equal(nameOf(cause, small.image.cause[entry]), expected, `${type} ${endDay - today}`);
    }
  },
);

t.test("what belongs to a class has the end of the class, whether that one goes or stays", async (t) => {
  for (const wish of ["absent", "content"] as const) {
    for (const [endDay, expected] of [
      [9, cause.termOver],
      [11, cause.absent],
    ] as const) {
      const small = new SmallImage();
      const course = small.add("course", "course", "live", "content");
      const group = small.add("class", "class", "live", wish);
      const child = small.add("enrollment", "enrollment", "live", "absent");
      const use = small.add("classResource", "use", "live", "absent");
      small.refer(child, course, group);
      small.refer(use, group);
      small.image.endDay[group] = endDay;
      small.image.cause.set([cause.absent, cause.absent], child);
      draft(small.image);
      markTermOver(small.image, small, 10);
      t.strictSame([small.image.cause[child], small.image.cause[use]], [expected, expected]);
    }
  }
});

t.test("a row that deletes keeps its own cause when the term is over, and an unknown end is no end", async (t) => {
  const small = new SmallImage();
  const said = small.add("class", "said", "live", "absent");
  const open = small.add("class", "open", "live", "absent");
  const orphan = small.add("enrollment", "orphan", "live", "absent");
  small.image.cause.set([cause.toBeDeleted, cause.absent, cause.absent]);
  small.image.endDay[said] = 1;
  draft(small.image);
  markTermOver(small.image, small, 10);
  t.strictSame([...small.image.cause.subarray(0, 3)], [cause.toBeDeleted, cause.absent, cause.absent]);
  t.equal(orphan, open + 1);
});

t.test("a stored exception matches as long as the source says the same and it is not published", async (t) => {
  const wish: StoredException = { hash: [3, 4], state: exception.refused };
  const absence: StoredException = { hash: null, state: exception.held };
  const cases: readonly (readonly [string, StoredException, State, Wish, boolean, boolean])[] = [
    ["still absent", absence, "live", "absent", true, true],
    ["returned as it was", absence, "live", "content", true, false],
    ["returned changed", absence, "live", "content", false, false],
    ["gone and published as gone", absence, "none", "absent", true, false],
    ["the null is owed", absence, "nullOwed", "absent", true, true],
    ["a delta that is silent", absence, "live", "unmentioned", true, true],
    ["claimed by a reject", absence, "live", "claimed", true, true],
    ["absence suspended", absence, "live", "withheld", true, true],
    ["not published and not mentioned", absence, "none", "unmentioned", true, false],
    ["the same content again", wish, "live", "content", false, true],
    ["the same content of a new key", wish, "none", "content", false, true],
    ["published by now", wish, "live", "content", true, false],
    ["content gone", wish, "live", "absent", true, false],
    ["a new key that is not mentioned", wish, "none", "unmentioned", true, true],
  ];
  for (const [name, stored, was, is, same, expected] of cases) {
    const small = new SmallImage();
    const entry = small.add("user", "one", was, is, same);
    draft(small.image);
    t.equal(matchException(small.image, entry, stored), expected, name);
    const certain = is === "content" || is === "absent";
    const laid = expected && certain ? stored.state : exception.none;
    t.equal(small.image.exception[entry], laid, `${name}: laid over the key`);
  }
});

t.test("other content than was refused is looked at anew", async (t) => {
  const small = new SmallImage();
  const entry = small.add("user", "one", "live", "content", false);
  draft(small.image);
  t.notOk(matchException(small.image, entry, { hash: [3, 5], state: exception.refused }));
  t.notOk(matchException(small.image, entry, { hash: [4, 4], state: exception.refused }));
  t.ok(matchException(small.image, entry, { hash: [3, 4], state: exception.refused }));
});

/** Nobody has approved anything, and the delivery names no cause for doubt. */
const calmly = { approvedCause: null, isDoubted: false };

const limits: Limits = {
  deletes: byType(() => ({ share: 0.1, count: 20 })),
  idsChanged: { share: 0.3, count: 20, tolerance: 0.2 },
};

type Crowd = { readonly stay: number; readonly go: number; readonly come?: number };

function crowd({ stay, go, come = 0 }: Crowd, type: EntityType = "user"): SmallImage {
  const small = new SmallImage();
  small.addMany(stay, type, "live", "content");
  small.addMany(go, type, "live", "absent");
  small.addMany(come, type, "none", "content");
  for (let entry = stay; entry < stay + go; entry++) small.image.cause[entry] = cause.absent;
  draft(small.image);
  return small;
}

function holds(small: SmallImage): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let entry = 0; entry < small.image.size; entry++) {
    const name = nameOf(hold, small.image.hold[entry]);
    if (small.image.action[entry] !== action.none) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

t.test("deletes are held above the share and above the count, not at either", async (t) => {
  const cases: readonly (readonly [string, Crowd, boolean])[] = [
    ["exactly 10 %", { stay: 900, go: 100 }, false],
    ["one above 10 %", { stay: 899, go: 101 }, true],
    ["exactly 20 of 20", { stay: 0, go: 20 }, false],
    ["21 of 21", { stay: 0, go: 21 }, true],
    ["21 of 210 are exactly 10 %", { stay: 189, go: 21 }, false],
    ["21 of 209", { stay: 188, go: 21 }, true],
    ["nothing goes", { stay: 50, go: 0 }, false],
  ];
  for (const [name, people, held] of cases) {
    const small = crowd(people);
    t.equal(judge(small.image, limits, calmly), null, name);
    t.strictSame(holds(small), people.go === 0 ? {} : { [held ? "limit" : "none"]: people.go }, name);
  }
});

t.test("a type above its limit holds its own deletes; creates, updates and other types go out", async (t) => {
  const small = crowd({ stay: 10, go: 30 });
  const created = small.add("user", "new", "none", "content");
  const updated = small.add("user", "changed", "live", "content", false);
  const other = small.add("class", "gone", "live", "absent");
  draft(small.image);
  t.equal(judge(small.image, limits, calmly), null);
  t.strictSame(holds(small), { limit: 30, none: 3 });
  t.ok([created, updated, other].every((entry) => small.image.hold[entry] === hold.none));
});

t.test("deletes because the term is over count toward the limit but are no sign of changed ids", async (t) => {
  const small = crowd({ stay: 0, go: 100, come: 100 }, "class");
  small.image.cause.fill(cause.termOver, 0, 80);
  t.equal(judge(small.image, limits, calmly), null, "20 are left to wonder about");
  t.strictSame(holds(small), { limit: 100, none: 100 });
  const doubtful = crowd({ stay: 0, go: 100, come: 60 }, "class");
  doubtful.image.cause.fill(cause.termOver, 0, 40);
  t.equal(judge(doubtful.image, limits, calmly), idsChanged, "60 vanish for no known reason and 60 appear");
});

t.test("what was held counts and stays held, what was approved does neither, what was refused stays out", async (t) => {
  const small = crowd({ stay: 80, go: 25 });
  small.image.exception.fill(exception.held, 80, 90);
  judge(small.image, limits, calmly);
  t.strictSame(holds(small), { limit: 25 }, "ten of before and fifteen new ones are 25");
  const calm = crowd({ stay: 80, go: 15 });
  calm.image.exception.fill(exception.held, 80, 90);
  judge(calm.image, limits, calmly);
  t.strictSame(holds(calm), { limit: 10, none: 5 }, "below the limit the ten still wait");
  const decided = crowd({ stay: 80, go: 45 });
  decided.image.exception.fill(exception.approved, 80, 90);
  decided.image.exception.fill(exception.refused, 90, 105);
  judge(decided.image, limits, calmly);
  t.strictSame(holds(decided), { none: 30, refused: 15 }, "twenty are left to judge");
  const over = crowd({ stay: 80, go: 45 });
  over.image.exception.fill(exception.approved, 80, 90);
  judge(over.image, limits, calmly);
  t.strictSame(holds(over), { none: 10, limit: 35 }, "the approved ones go out beside those that are held");
});

t.test(
  "the plan is held as a whole when about as many appear as vanish, more than 30 % and more than 20",
  async (t) => {
    const cases: readonly (readonly [string, Crowd, boolean])[] = [
      ["all", { stay: 0, go: 100, come: 100 }, true],
      ["exactly 30 %", { stay: 70, go: 30, come: 30 }, false],
      ["above 30 %", { stay: 69, go: 31, come: 31 }, true],
      ["20 % fewer appear", { stay: 0, go: 100, come: 80 }, true],
      ["more than 20 % fewer appear", { stay: 0, go: 100, come: 79 }, false],
      ["20 % more appear", { stay: 0, go: 100, come: 120 }, true],
      ["more than 20 % more appear", { stay: 0, go: 100, come: 121 }, false],
      ["20 of 20", { stay: 0, go: 20, come: 20 }, false],
      ["21 of 21", { stay: 0, go: 21, come: 21 }, true],
    ];
    for (const [name, people, held] of cases) {
      const small = crowd(people);
      const bystander = small.add("org", "new school", "none", "content");
      draft(small.image);
      t.equal(judge(small.image, limits, calmly), held ? idsChanged : null, name);
      t.equal(small.image.hold[bystander], held ? hold.plan : hold.none, name);
      if (held) t.strictSame(holds(small), { plan: people.go + (people.come ?? 0) + 1 }, name);
    }
  },
);

t.test("naming the cause lets the whole plan out, but not what a person refused", async (t) => {
  const small = crowd({ stay: 0, go: 100, come: 100 });
  small.image.exception[0] = exception.refused;
  small.image.exception[1] = exception.held;
  t.equal(judge(small.image, limits, { ...calmly, approvedCause: idsChanged }), null);
  t.strictSame(holds(small), { refused: 1, none: 199 });
  const other = crowd({ stay: 0, go: 100, come: 100 });
  t.equal(judge(other.image, limits, { ...calmly, approvedCause: "something else" }), idsChanged);
});

t.test("where the delivery names a cause, every delete by absence is held, and nothing else", async (t) => {
  const small = crowd({ stay: 900, go: 5, come: 3 });
  small.image.cause.fill(cause.absent, 900, 903);
  small.image.cause[903] = cause.termOver;
  small.image.cause[904] = cause.toBeDeleted;
  const doubted = { ...calmly, isDoubted: true };
  t.equal(judge(small.image, limits, doubted), null);
  t.strictSame(holds(small), { doubt: 3, none: 5 }, "creates, ended terms and what the source deletes go out");
  const [part] = summarise(small.image, { planCause: null, doubts: ["orgs-narrowed"] }).filter(({ held }) => held > 0);
  t.strictSame(part?.causes, ["doubted-absence", "orgs-narrowed"]);

  small.image.exception[900] = exception.approved;
  small.image.exception[901] = exception.doubted;
  judge(small.image, limits, calmly);
  t.strictSame(holds(small), { doubt: 1, none: 7 }, "what was held so waits on; what was approved goes out");
  holdAsStored(small.image);
  t.equal(small.image.hold[901], hold.doubt);
});

t.test("a null that is owed is never judged", async (t) => {
  const small = crowd({ stay: 0, go: 100, come: 100 });
  const owed = small.add("user", "owed", "nullOwed", "absent");
  draft(small.image);
  judge(small.image, limits, calmly);
  t.strictSame([small.image.action[owed], small.image.hold[owed]], [action.sendNull, hold.none]);
});

t.test("a changeset that was begun holds what is stored and nothing else", async (t) => {
  const small = crowd({ stay: 0, go: 100, come: 100 });
  small.image.exception.set([exception.refused, exception.held, exception.approved]);
  holdAsStored(small.image);
  t.strictSame(holds(small), { refused: 1, limit: 1, none: 198 });
});

t.test("the types of the tables are all there are", async (t) => {
  t.strictSame(Object.keys(byType(() => 0)), [...entityTypes]);
  t.equal(words(1).length, 4);
});
