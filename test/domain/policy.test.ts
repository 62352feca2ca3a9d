// A policy is whole or refused with all its faults.

import t from "tap";

import { defaultPolicy, parsePolicy } from "../../libs/domain/policy.ts";

void t.test("what is left out has its default", (t) => {
  t.strictSame(parsePolicy({}), { outcome: "policy", policy: defaultPolicy });
  const parsed = parsePolicy({ limits: { deletes: { user: { count: 5 } } } });
  t.match(parsed, {
    policy: { limits: { deletes: { user: { share: 0.1, count: 5 }, org: { count: 20 } } } },
  });
  t.end();
});

void t.test("an id of digits that came as a number is a text, and an empty text empties a list", (t) => {
  const policyOf = (value: unknown): unknown => parsePolicy(value);
  t.match(policyOf({ ncesDistrictIds: 1612340 }), { policy: { ncesDistrictIds: ["1612340"] } });
  t.match(policyOf({ ncesDistrictIds: [1612340] }), { policy: { ncesDistrictIds: ["1612340"] } });
  t.strictSame(policyOf({ orgScope: "" }), { outcome: "policy", policy: defaultPolicy });
  t.match(policyOf({ ncesDistrictIds: 612340 }), { faults: [/not 612340; a leading zero/u] });
  for (const value of [1.5, -1, true, null, {}, [""], ","])
    t.match(policyOf({ orgScope: value }), { faults: [/orgScope/u] });
  t.end();
});

void t.test("lists are lists or texts with commas, and domains are kept in lower case", (t) => {
  const parsed = parsePolicy({
    signOn: { issuers: ["https://id.oak.example"], userIdTypes: "LDAP, SIS" },
    emailDomains: "Oak.Example,elm.example",
    orgScope: ["o1", "o1"],
    rosters: "eager",
    startDate: "2026-09-01",
    classWindow: { leadDays: 3 },
    ncesDistrictIds: ["0612340"],
  });
  t.strictSame(parsed, {
    outcome: "policy",
    policy: {
      ...defaultPolicy,
      signOn: { issuers: ["https://id.oak.example"], userIdTypes: ["LDAP", "SIS"] },
      emailDomains: ["oak.example", "elm.example"],
      orgScope: ["o1"],
      rosters: "eager",
      startDate: "2026-09-01",
      classWindow: { leadDays: 3, trailDays: 14 },
      ncesDistrictIds: ["0612340"],
    },
  });
  t.match(parsePolicy({ startDate: null }), { policy: { startDate: null } });
  t.end();
});

void t.test("what a policy says of people and days is refused where it cannot be meant", (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ signOn: { issuers: [1.5] } }, /signOn\.issuers/u],
    [{ signOn: { issuer: "https://id.oak.example" } }, /issuer/u],
    [{ emailDomains: ["ann@oak.example"] }, /emailDomains/u],
    [{ emailDomains: ["oak"] }, /emailDomains/u],
    [{ orgScope: {} }, /orgScope/u],
    [{ rosters: "always" }, /lazy or eager/u],
    [{ startDate: "01/09/2026" }, /startDate/u],
    [{ startDate: "2026-02-30" }, /startDate/u],
    [{ classWindow: { leadDays: 1.5 } }, /leadDays must be a whole number/u],
    [{ classWindow: { trailDays: -1 } }, /trailDays/u],
    [{ ncesDistrictIds: ["612340"] }, /leading zero/u],
    [{ ncesDistrictIds: ["061234001234"] }, /7 digits/u],
  ];
  for (const [policy, fault] of cases) {
    const parsed = parsePolicy(policy);
    t.match(parsed, { outcome: "faults", faults: [fault] }, JSON.stringify(policy));
  }
  t.end();
});

void t.test("all faults are told at once, each with its field", (t) => {
  const parsed = parsePolicy({
    manifestOptional: "yes",
    maximumRejectShare: 10,
    features: { autoRegistration: "always" },
    limits: { deletes: { users: {}, org: { share: -1 } } },
    timeZone: "Springfield",
    speed: 1,
  });
  t.equal(parsed.outcome, "faults");
  const faults = parsed.outcome === "faults" ? parsed.faults : [];
  const named = [
    "manifestOptional",
    "maximumRejectShare",
    "autoRegistration",
    "users",
    "org.share",
    "timeZone",
    "speed",
  ];
  for (const name of named)
    t.ok(
      faults.some((fault) => fault.includes(name)),
      name,
    );
  t.equal(faults.length, named.length);
  t.end();
});
