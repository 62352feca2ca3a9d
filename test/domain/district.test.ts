// The states of a district: which steps there are, and that none of them is taken without a sign-on (A002, A057).

import t from "tap";

import { lacksSignOn, stepOf } from "../../libs/domain/district.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import type { DistrictState } from "../../libs/domain/registration/reasons.ts";

const states: readonly DistrictState[] = ["setup", "pilot", "released", "leaving"];
const withSignOn: Policy = { ...defaultPolicy, signOn: { issuers: ["https://id.oak.example"], userIdTypes: [] } };

void t.test("a district goes forward, never back, and out of every state", (t) => {
  const taken = states.flatMap((from) =>
    states.filter((to) => stepOf({ from, to, policy: withSignOn }).outcome === "steps").map((to) => `${from} ${to}`),
  );
  t.strictSame(taken, [
    "setup pilot",
    "setup released",
    "setup leaving",
    "pilot released",
    "pilot leaving",
    "released leaving",
  ]);
  for (const state of states)
    t.equal(stepOf({ from: state, to: state, policy: withSignOn }).outcome, "stays", `${state} stays`);
  t.match(stepOf({ from: "released", to: "pilot", policy: withSignOn }), { reason: /released does not become pilot/u });
  t.end();
});

void t.test("A002, A057: without a sign-on a district does not leave setup, but to leave", (t) => {
  const outcome = (to: DistrictState): string => stepOf({ from: "setup", to, policy: defaultPolicy }).outcome;
  t.equal(outcome("pilot"), "refused");
  t.equal(outcome("released"), "refused");
  t.equal(outcome("leaving"), "steps");
  t.match(stepOf({ from: "setup", to: "pilot", policy: defaultPolicy }), { reason: /signOn\.issuers/u });
  t.strictSame(
    states.filter((state) => lacksSignOn(state, defaultPolicy)),
    ["pilot", "released"],
  );
  t.end();
});
