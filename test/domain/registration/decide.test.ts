// One fixture per reason: facts in which every gate is open but one. The compiler sees to it that no reason is forgotten.

import t from "tap";

import { standing } from "../../../libs/domain/registration/decide.ts";
import type {
  AccountFact,
  Facts,
  LicenseFact,
  LoginFact,
  Origin,
  UserFact,
} from "../../../libs/domain/registration/facts.ts";
import { type Reason, reasons } from "../../../libs/domain/registration/reasons.ts";
import { effects } from "../../../libs/domain/registration/transitions.ts";

const origin: Origin = { since: 1, delivery: "oak.files.1", origin: "users.csv:2" };
const school = "060000100001";
const schoolDistrict = "0600001";
const role: UserFact["roles"][number] = {
  role: "teacher",
  orgId: "o1",
  isInScope: true,
  org: { sourcedId: "o1", identifier: school, above: [schoolDistrict], isInScope: true },
  ...origin,
};
const user: UserFact = {
  sourcedId: "t1",
  enabled: true,
  givenName: "G",
  familyName: "F",
  email: "g@oak.example",
  roles: [role],
  teaches: true,
  ...origin,
};
const login: LoginFact = { email: null, given: null, family: null, school: null, ...origin };
const license: LicenseFact = {
  license: "l1",
  product: "music",
  orgs: [schoolDistrict],
  validFrom: "2025-08-01",
  validTo: "2026-08-01",
  hasSeat: false,
  seatsLeft: 1,
  ...origin,
};
const account: AccountFact = { account: "a1", product: "music", active: true, ...origin };

const open: Facts = {
  today: "2025-10-01",
  district: { state: "released", isPilotTeacher: false, ...origin },
  policy: {
    features: { autoRegistration: "simple" },
    emailDomains: ["oak.example"],
    startDate: null,
    ncesDistrictIds: [],
  },
  policySince: { created: 1 },
  logins: [login],
  users: [user],
  gone: [],
  accounts: [],
  possibleAccounts: [],
  licenses: [license],
};
const noOrg = { ...role, org: null };
const orgWith = (identifier: string | null): Facts => ({
  ...open,
  users: [{ ...user, roles: [{ ...role, org: { sourcedId: "o1", identifier, above: [], isInScope: true } }] }],
  licenses: [],
});

/** Reasons about which a person's facts say nothing: they come from the match of the login. */
type OfMatch = "login.received" | "login.none" | "login.issuer" | `match.${string}`;

const fixtures: Readonly<Record<Exclude<Reason, OfMatch>, Facts>> = {
  "roster.gone": { ...open, users: [], gone: [{ sourcedId: "t1", ...origin }] },
  "user.disabled": { ...open, users: [{ ...user, enabled: false }] },
  "role.not-teacher": { ...open, users: [{ ...user, roles: [{ ...role, role: "student" }], teaches: false }] },
  "scope.outside": { ...open, users: [{ ...user, roles: [{ ...role, isInScope: false }] }] },
  "district.setup": { ...open, district: { ...open.district, state: "setup" } },
  "district.pilot": { ...open, district: { ...open.district, state: "pilot" } },
  "district.leaving": { ...open, district: { ...open.district, state: "leaving" } },
  "start.future": { ...open, policy: { ...open.policy, startDate: "2025-10-02" } },
  "account.inactive": { ...open, accounts: [{ ...account, active: false }] },
  "account.offer": { ...open, possibleAccounts: [account] },
  "account.none": { ...open, policy: { ...open.policy, features: { autoRegistration: "off" } } },
  "name.missing": { ...open, users: [{ ...user, familyName: " " }] },
  "email.missing": { ...open, users: [{ ...user, email: null }] },
  "email.unverified": { ...open, users: [{ ...user, email: "g@elsewhere.example" }] },
  "org.none": { ...open, users: [{ ...user, roles: [noOrg] }] },
  "org.identifier-missing": orgWith(null),
  "org.identifier-short": orgWith("60000100001"),
  "org.identifier-foreign": { ...open, policy: { ...open.policy, ncesDistrictIds: ["0699999"] } },
  "license.none": { ...open, licenses: [] },
  "license.future": { ...open, licenses: [{ ...license, validFrom: "2025-10-02" }] },
  "license.expired": { ...open, licenses: [{ ...license, validTo: "2025-10-01" }] },
  "seat.none": { ...open, licenses: [{ ...license, seatsLeft: 0 }] },
};

t.test("with every gate open the person is granted the product", async (t) => {
  const { state, reason, gates, products } = standing(open);
  t.same([state, reason], ["active", "open"]);
  t.same(
    products.map(({ grant: { product, status, basis, license: by } }) => [product, status, basis, by]),
    [["music", "granted", "license", "l1"]],
  );
  t.ok(gates.every((gate) => gate.reason === null));
});

for (const [reason, facts] of Object.entries(fixtures)) {
  t.test(`the gate of ${reason} closes with exactly that reason`, async (t) => {
    const found = standing(facts);
    t.equal(found.reason, reason);
    t.same(
      found.gates.flatMap((gate) => gate.reason ?? []),
      [reason],
      "one gate is closed",
    );
    t.ok(
      found.products.every(({ grant }) => grant.status !== "granted"),
      "nothing is granted",
    );
    const known: Readonly<Record<string, { readonly state: string }>> = reasons;
    t.equal(found.state, known[reason]?.state);
  });
}

const granted = (facts: Facts): readonly string[] =>
  standing(facts).products.flatMap(({ grant: { status, product, basis } }) =>
    status === "granted" ? [`${product} by ${basis}`] : [],
  );

t.test("A087 A111 a linked, active account needs no license", async (t) => {
  t.same(granted({ ...open, licenses: [], accounts: [account] }), ["music by account"]);
  const off: Facts = { ...open, licenses: [], accounts: [account], policy: fixtures["account.none"].policy };
  t.same(granted(off), ["music by account"], "with auto-registration off as well");
});

t.test("A043 A044 a possible account is offered and no second one is made", async (t) => {
  const two: Facts = {
    ...open,
    possibleAccounts: [account],
    licenses: [license, { ...license, license: "l2", product: "art" }],
  };
  t.same(granted(two), ["art by license"], "another product goes its way");
  t.equal(standing({ ...open, possibleAccounts: [{ ...account, product: "art" }], licenses: [] }).state, "unlinked");
});

t.test("A091 a chosen school counts while no organisation is known", async (t) => {
  const chosen = [{ ...login, school }];
  t.same(granted({ ...open, users: [{ ...user, roles: [noOrg] }], logins: chosen }), ["music by chosen-school"]);
  const elsewhere = { ...open, logins: [{ ...login, school: "999999999999" }] };
  t.same(granted(elsewhere), ["music by license"], "a known organisation goes before it");
});

t.test("A095 attributes come from the roster, and where it is silent from the login", async (t) => {
  const bare = { ...user, givenName: "", familyName: "", email: null };
  const named = { ...login, given: "G", family: "F", email: "g@oak.example" };
  t.same(granted({ ...open, users: [bare], logins: [named] }), ["music by license"]);
  const contrary = { ...user, email: "g@elsewhere.example" };
  t.equal(standing({ ...open, users: [contrary], logins: [named] }).reason, "email.unverified");
});

t.test("a seat that is held is kept when none is left", async (t) => {
  t.same(granted({ ...open, licenses: [{ ...license, hasSeat: true, seatsLeft: 0 }] }), ["music by license"]);
});

t.test("one of several users is enough, and one of several licenses", async (t) => {
  t.same(
    granted({
      ...open,
      users: [
        { ...user, enabled: false },
        { ...user, sourcedId: "t2" },
      ],
    }),
    ["music by license"],
  );
  const expired = { ...license, license: "l0", validTo: "2025-09-01" };
  t.same(granted({ ...open, licenses: [expired, license] }), ["music by license"]);
});

t.test("A pilot teacher passes the gate of the district", async (t) => {
  t.same(granted({ ...open, district: { ...open.district, state: "pilot", isPilotTeacher: true } }), [
    "music by license",
  ]);
});

t.test("a roster is looked at again exactly when granting begins or ends", async (t) => {
  for (const [before, row] of Object.entries(effects)) {
    for (const [after, effect] of Object.entries(row)) {
      const isEdge = (before === "granted") !== (after === "granted");
      t.equal(effect.roster === "due", isEdge, `${before} to ${after}`);
      t.equal(effect.record === "null", after === "none" && before !== "none", `${before} to ${after}`);
    }
  }
});

t.test(
  "C019 a teacher's own roles decide whether the school takes part, and the school of another role does not",
  async (t) => {
    const parent = { ...role, role: "parent", orgId: "o2" };
    const outside = {
      ...role,
      isInScope: false,
      org: { sourcedId: "o1", identifier: school, above: [], isInScope: false },
    };
    t.equal(standing({ ...open, users: [{ ...user, roles: [outside, parent] }] }).reason, "scope.outside");
  },
);

t.test("every gate is shown, also behind one that is closed", async (t) => {
  const two: Facts = { ...open, users: [{ ...user, enabled: false, email: null }], licenses: [] };
  const closed = standing(two).gates.flatMap(({ reason }) => reason ?? []);
  t.same(closed, ["user.disabled", "email.missing", "license.none"]);
  const unlicensed = standing({ ...two, users: [{ ...user, enabled: false }] });
  t.same(
    unlicensed.gates.flatMap(({ reason }) => reason ?? []),
    ["user.disabled", "license.none"],
  );
});

t.test("a product that is refused beside one that is granted says why", async (t) => {
  const inactive = { ...account, product: "art", active: false };
  const { state, products } = standing({ ...open, accounts: [inactive] });
  t.equal(state, "active");
  t.same(
    products.map(({ grant, gates }) => [grant.product, grant.reason, gates.at(-1)?.value]),
    [
      ["art", "account.inactive", "a1"],
      ["music", "open", "of l1"],
    ],
  );
});

t.test("since when a license holds or does not is told by its days", async (t) => {
  const since = (facts: Facts): number | null | undefined =>
    standing(facts).gates.find(({ gate }) => gate === "license")?.since;
  t.equal(since(open), Date.UTC(2025, 7, 1));
  t.equal(since(fixtures["license.expired"]), Date.UTC(2025, 9, 1));
});
