// The states of a district, and what each step between them needs.
//
//   setup ──▶ pilot ──▶ released ──▶ leaving
//     ├───────────────────▲            ▲
//     └─────────┴──────────────────────┘
//
// It keeps true that a district without a sign-on does not leave setup (A002, A057), except to leave.

import { unreachable } from "./assert.ts";
import type { Policy } from "./policy.ts";
import type { DistrictState } from "./registration/reasons.ts";

type Way = "stays" | "steps" | "never";

/** By the state it is in, then by the state it is to be in. */
const ways: Readonly<Record<DistrictState, Readonly<Record<DistrictState, Way>>>> = {
  setup: { setup: "stays", pilot: "steps", released: "steps", leaving: "steps" },
  pilot: { setup: "never", pilot: "stays", released: "steps", leaving: "steps" },
  released: { setup: "never", pilot: "never", released: "stays", leaving: "steps" },
  leaving: { setup: "never", pilot: "never", released: "never", leaving: "stays" },
};

export type Step =
  | { readonly outcome: "steps" }
  /** It is in that state already. */
  | { readonly outcome: "stays" }
  | { readonly outcome: "refused"; readonly reason: string };

/** Whether a district may go from a state to another. */
export function stepOf(district: {
  readonly from: DistrictState;
  readonly to: DistrictState;
  readonly policy: Policy;
}): Step {
  const { from, to, policy } = district;
  const way = ways[from][to];
  switch (way) {
    case "stays":
      return { outcome: "stays" };
    case "never":
      return { outcome: "refused", reason: `a district that is ${from} does not become ${to}` };
    case "steps":
      return lacksSignOn(to, policy)
        ? {
            outcome: "refused",
            reason: "no sign-on is known for it: set signOn.issuers to whom its sign-on gateway names as issuer",
          }
        : { outcome: "steps" };
    default:
      return unreachable(way);
  }
}

/** Whether a district in this state needs a sign-on and has none. */
export function lacksSignOn(state: DistrictState, policy: Policy): boolean {
  return (state === "pilot" || state === "released") && policy.signOn.issuers.length === 0;
}
