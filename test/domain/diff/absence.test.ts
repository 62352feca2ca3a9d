// What is concluded of keys that a delivery does not mention.

import t from "tap";

import { desired } from "../../../libs/domain/diff/image.ts";
import { followOwners, rememberAbsence } from "../../../libs/domain/diff/plan.ts";
import { byType } from "./model.ts";
import { SmallImage, type State, type Wish } from "./small-image.ts";

const rolesDelivered = byType(() => ({ absence: false, suspended: false, derived: false }));
const nameOf = (state: number | undefined): string =>
  Object.entries(desired).find(([, number]) => number === state)?.[0] ?? "?";

t.test("a row of users that says no roles leaves a derived role alone, and takes it along when it goes", async (t) => {
  for (const [ofUser, expected] of [
    ["content", "unmentioned"],
    ["absent", "absent"],
  ] as const) {
    const small = new SmallImage();
    const user = small.add("user", "user", "live", ofUser);
    const role = small.add("role", "role", "live", "follows");
    small.own(role, user);
    followOwners(small.image, small, rolesDelivered);
    t.equal(nameOf(small.image.desired[role]), expected, ofUser);
  }
});

t.test("a key that was declared absent is absent still where a delivery does not mention it", async (t) => {
  const cases: readonly (readonly [State, Wish, Wish])[] = [
    ["live", "unmentioned", "absent"],
    ["live", "content", "content"],
    ["live", "claimed", "claimed"],
    ["live", "withheld", "withheld"],
    ["none", "unmentioned", "unmentioned"],
  ];
  for (const [was, is, expected] of cases) {
    const small = new SmallImage();
    const entry = small.add("user", "one", was, is);
    small.image.declaredAbsent[entry] = 1;
    rememberAbsence(small.image);
    t.equal(nameOf(small.image.desired[entry]), expected, `${was} ${is}`);
  }
});
