// Whom a login belongs to: tables of evidence.

import t from "tap";

import {
  claimsOf,
  connected,
  type Evidence,
  identifiersOf,
  type LoginClaims,
  match,
} from "../../libs/domain/identity.ts";

const nothing: LoginClaims = {
  sourcedId: null,
  userIds: [],
  username: null,
  email: null,
  given: null,
  family: null,
  role: null,
};
const policy = { signOn: { issuers: ["i"], userIdTypes: ["LDAP"] }, emailDomains: ["oak.example"] };

const strongId = (...persons: readonly string[]): Evidence => ({
  kind: "sourcedId",
  value: "t1",
  strength: "strong",
  persons,
});
const strongUserId = (...persons: readonly string[]): Evidence => ({
  kind: "userId:ldap",
  value: "l1",
  strength: "strong",
  persons,
});
const email = (...persons: readonly string[]): Evidence => ({
  kind: "email",
  value: "a@oak.example",
  strength: "good",
  persons,
});
const username = (...persons: readonly string[]): Evidence => ({
  kind: "username",
  value: "a",
  strength: "good",
  persons,
});

const cases: readonly (readonly [string, readonly Evidence[], string])[] = [
  ["no evidence waits", [], "none"],
  ["evidence that nobody ever had waits", [email(), username()], "none"],
  ["a sourcedId links", [strongId("A")], "one A"],
  ["a user id of an agreed type links", [strongUserId("A")], "one A"],
  ["an email address of one person links", [email("A")], "one A"],
  ["a username of one person links", [username("A")], "one A"],
  ["evidence that agrees links", [strongId("A"), email("A"), username("A")], "one A"],
  ["an address of two persons says nothing, so the sourcedId decides", [strongId("A"), email("A", "B")], "one A"],
  ["an address of two persons says nothing, so the username decides", [username("A"), email("A", "B")], "one A"],
  ["a shared mailbox alone goes to review", [email("A", "B")], "shared A B"],
  ["a user id that two persons have goes to review", [strongUserId("A", "B")], "shared A B"],
  ["two good ones that differ go to review", [email("A"), username("B")], "several A B"],
  ["a strong one against a good one goes to review", [strongId("A"), email("B")], "contradicting A B"],
  ["two strong ones that differ go to review", [strongId("A"), strongUserId("B")], "contradicting A B"],
  ["a sourcedId that the roster never had speaks against an address", [strongId(), email("A")], "contradicting A"],
  [
    "an agreed user id that the roster never had speaks against an address",
    [strongUserId(), email("A")],
    "contradicting A",
  ],
  ["a sourcedId that the roster never had, and nothing else, waits", [strongId(), email()], "none"],
  ["a sourcedId that the roster never had yields to a user id", [strongId(), strongUserId("A")], "one A"],
];

for (const [name, evidence, expected] of cases) {
  t.test(`A110 ${name}`, async (t) => {
    for (const each of [evidence, evidence.toReversed()]) {
      const found = match(each);
      const persons = found.outcome === "one" ? [found.person] : found.outcome === "none" ? [] : found.persons;
      t.equal([found.outcome, ...persons].join(" "), expected);
    }
  });
}

t.test("only identifiers that the district vouches for are evidence", async (t) => {
  const kinds = (claims: Partial<LoginClaims>): readonly string[] =>
    claimsOf({ ...nothing, ...claims }, policy).map(({ kind, value, strength }) => `${strength} ${kind} ${value}`);
  t.same(kinds({ email: "A@Oak.example " }), ["good email a@oak.example"], "letter case and space do not count");
  t.same(kinds({ email: "a@elsewhere.example" }), [], "an address in no verified domain says nothing");
  t.same(kinds({ email: "a@sub.oak.example" }), [], "a subdomain is another domain");
  t.same(kinds({ username: "a" }), ["good username a"], "a plain username is the district's own");
  t.same(kinds({ username: "a@elsewhere.example" }), [], "a username that is an address needs a verified domain");
  t.same(kinds({ userIds: [{ type: "ldap", identifier: "L1" }] }), ["strong userId:ldap L1"], "an agreed type");
  t.same(kinds({ userIds: [{ type: "badge", identifier: "1" }] }), [], "no other type");
  t.same(kinds({ sourcedId: " t1 " }), ["strong sourcedId t1"]);
  t.same(kinds({ given: "Ann", family: "Lee", role: "teacher" }), [], "names and roles are resemblance");
});

t.test("a user's identifiers are compared as a login's are", async (t) => {
  const user = identifiersOf({
    sourcedId: "t1",
    userIds: [{ type: "LDAP", identifier: "l1" }],
    username: "Ann",
    email: "ANN@oak.example",
  });
  const login = claimsOf(
    {
      ...nothing,
      sourcedId: "t1",
      userIds: [{ type: "ldap", identifier: "l1" }],
      username: "ann",
      email: "ann@oak.example",
    },
    policy,
  );
  t.same(
    user,
    login.map(({ kind, value }) => ({ kind, value })),
  );
});

t.test("groups that share a member are one", async (t) => {
  t.same(
    connected([
      ["b", "a"],
      ["d", "c"],
      ["c", "e"],
    ]),
    [
      ["a", "b"],
      ["c", "d", "e"],
    ],
  );
  t.same(
    connected([
      ["a", "b"],
      ["c", "d"],
      ["b", "c"],
    ]),
    [["a", "b", "c", "d"]],
  );
});
