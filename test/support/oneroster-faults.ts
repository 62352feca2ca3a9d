// All faults of the test's OneRoster server, by name. The proof is that none of them deletes anybody or loses a record.

import { bodyFaults } from "./oneroster-faults-body.ts";
import { pagingFaults } from "./oneroster-faults-paging.ts";
import { rightsFaults } from "./oneroster-faults-rights.ts";
import { transportFaults } from "./oneroster-faults-transport.ts";
import type { Fault } from "./oneroster-fault.ts";

/** By what they touch: faults of different groups can be had together. */
export const faultGroups: readonly (readonly Fault[])[] = [pagingFaults, bodyFaults, transportFaults, rightsFaults];

export const faults: readonly Fault[] = faultGroups.flat();

/** @throws Error for a name that no fault has. */
export function faultNamed(name: string): Fault {
  const fault = faults.find((each) => each.name === name);
  if (fault === undefined) throw new Error(`${name} is no fault`);
  return fault;
}
