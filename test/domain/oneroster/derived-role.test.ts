// Ids of derived roles: each is another's, and the owner comes back out.

import t from "tap";
import { parseSourcedId, type SourcedId } from "../../../libs/domain/ids.ts";
import { derivedRoleId, derivedRoles, ownerOfDerivedRole } from "../../../libs/domain/oneroster/derived-role.ts";

function id(text: string): SourcedId {
  const parsed = parseSourcedId(text);
  if (parsed === null) throw new Error("a test's id breaks the rule");
  return parsed;
}

t.test("the id names user, role and organisation", async (t) => {
  t.equal(derivedRoleId({ user: id("u1"), role: "student", org: id("o1") }), "~u1~student~o1");
  t.equal(derivedRoleId({ user: id("50%~a"), role: "student", org: id("~") }), "~50%25%7Ea~student~%7E");
});

t.test("the owner comes back out, whatever its id", async (t) => {
  for (const user of ["u1", "a~b", "~", "%", "%7E", "%257E", "~%25~", "é/日@", "x".repeat(255)]) {
    t.equal(ownerOfDerivedRole(derivedRoleId({ user: id(user), role: "teacher", org: id("o~%1") })), user, user);
  }
});

t.test("ids that are not derived have no owner", async (t) => {
  for (const other of ["", "u1", "~", "~u1", "~u1~student", "~u1~student~", "~~student~o1", "~u~s~o~x", "u~s~o"]) {
    t.equal(ownerOfDerivedRole(other), null, `"${other}"`);
  }
});

t.test("different parts make different ids", async (t) => {
  const texts = ["a", "~", "%", "%7E", "a~", "~a", "%25", "a%"];
  const ids = texts.flatMap((user) => texts.map((org) => derivedRoleId({ user: id(user), role: "r", org: id(org) })));
  t.equal(new Set(ids).size, texts.length ** 2);
});

t.test("an organisation that stands twice gives one role", async (t) => {
  const user = { sourcedId: id("u1"), dateLastModified: 7 };
  t.strictSame(
    derivedRoles(user, "aide", [id("o1"), id("o2"), id("o1")]).map((role) => [
      role.sourcedId,
      role.roleType,
      role.dateLastModified,
      role.orgSourcedId,
    ]),
    [
      ["~u1~aide~o1", "primary", 7, "o1"],
      ["~u1~aide~o2", "primary", 7, "o2"],
    ],
  );
});
