// Judges the set at a path and sends its rows nowhere: what `rollcall validate` does, without a database.
// It keeps true that the verdict is the one that a delivery of the same set under the same policy would get.

import { openSet, type SetLimits } from "../adapters/oneroster/set-reader.ts";
import type { Policy } from "../domain/policy.ts";
import { judgeSet } from "./judge-set.ts";
import { type Report, reportOf } from "./report.ts";
import { nowhere } from "./set-judge.ts";
import type { Verdict } from "./verdict.ts";

/**
 * @param options.keep findings kept of each code, file and field; default 1,000, `Infinity` lists all.
 * @throws AppError `set.unreadable` when there is no set at the path, or an archive that cannot be trusted.
 */
export async function validatePath(
  path: string,
  policy: Policy,
  options: { readonly keep?: number; readonly limits?: SetLimits } = {},
): Promise<{ readonly verdict: Verdict; readonly report: Report }> {
  const set = await openSet(path, options.limits);
  try {
    const judged = await judgeSet({ set, policy, sink: nowhere, keep: options.keep ?? 1_000 });
    return { verdict: judged.verdict, report: reportOf(judged) };
  } finally {
    set.close();
  }
}
