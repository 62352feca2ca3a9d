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
