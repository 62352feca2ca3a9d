// The notice that a plan holds something, and why.

import { causes } from "../../libs/domain/api/pulled.ts";
import { beforeStart } from "../../libs/domain/diff/plan.ts";
import type { Plan } from "../../libs/records.ts";
import { controlKey } from "../../libs/topics.ts";
import type { DiffContext } from "./context.ts";

export function heldNotice(context: DiffContext, plan: Plan): { readonly key: string; readonly value: Uint8Array } {
  const held = plan.parts.reduce((sum, part) => sum + part.held, 0);
  const why = plan.cause === null ? doubtsOf(plan) : `: ${plan.cause}`;
  const value = context.records.encode("rollcall.control.Notice", {
    district: plan.district,
    code: "plan.held",
    severity: "warning",
    message: `plan ${plan.version} of ${plan.delivery} holds ${held} changes${why}`,
    remedy: `Look at it with \`rollcall plan ${plan.district}\`${plan.cause === beforeStart ? "; it goes out on the start date" : ", then approve or reject it"}.`,
    since: plan.since,
    at: plan.at,
  });
  return { key: controlKey(plan.district, "plan.held"), value };
}

/** The causes that the delivery named, of those that hold something. */
function doubtsOf({ parts }: Plan): string {
  const named = new Set<string>(causes);
  const found = new Set(parts.flatMap((part) => part.causes.filter((each) => named.has(each))));
  return found.size === 0 ? "" : `: ${[...found].join(", ")}`;
}
