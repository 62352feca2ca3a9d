// A district's roster tables made again from its topic: folded into shadows, held against what is there, and swapped in
// one transaction. Person ids, grants and other districts are not touched; what teachers see changes only where the
// tables were wrong. Twice equals once.
//
// Changesets that come later are applied as ever: the rebuild ends where the last changeset on the topic ends.

import { setTimeout as sleep } from "node:timers/promises";

import { noteGone } from "../../libs/adapters/postgres/people.ts";
import {
  compareShadows,
  createShadows,
  type TableDifference,
  takeShadows,
} from "../../libs/adapters/postgres/roster-tables.ts";
import type { DistrictId } from "../../libs/domain/ids.ts";
import { AppError } from "../../libs/errors.ts";
import { districtTopic } from "../../libs/topics.ts";
import { type HeldDistrict, holdRosters, type RostersContext } from "./context.ts";
import { applyRange, wholeRange } from "./fold.ts";
import type { Published } from "./publish.ts";
import { settle, tell } from "./settle.ts";

const pollMs = 100;

export type Rebuilt = Published & {
  /** The changeset up to which the topic was folded. */
  readonly changeset: number;
  /** Types whose tables differed from the topic. */
  readonly differences: readonly TableDifference[];
};

/** Rebuilds as soon as nobody else works on the district's rosters. @throws AppError `rosters.busy` after the time. */
export async function rebuild(
  context: RostersContext,
  district: DistrictId,
  { isDryRun, patienceMs }: { readonly isDryRun: boolean; readonly patienceMs: number },
): Promise<Rebuilt> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const held = await holdRosters(context.sql, district);
    if (held !== null) {
      try {
        return await rebuildHeld(context, { id: district, lease: held.lease }, { isDryRun, workId: null });
      } finally {
        await held.release();
      }
    }
    if (performance.now() > deadline) throw new AppError("rosters.busy", { details: { district } });
    await sleep(pollMs);
  }
}

/**
 * @param options.isDryRun compares and leaves everything as it is.
 * @param options.workId the changeset in whose place the rebuild is done, or null.
 * @throws AppError `log.unknown-topic` when nothing was published for the district yet.
 */
export async function rebuildHeld(
  context: RostersContext,
  district: HeldDistrict,
  { isDryRun, workId }: { readonly isDryRun: boolean; readonly workId: number | null },
): Promise<Rebuilt> {
  const whole = await wholeRange(context, district.id);
  if (whole === null)
    throw new AppError("log.unknown-topic", { message: `nothing was published for ${district.id} yet` });
  const { range, changeset } = whole;
  await context.log.createTopic(districtTopic("teacherRosters", district.id));
  const rebuilt = await context.log.transaction(async (tx) => {
    await createShadows(tx.sql);
    const target = { district: district.id, tables: "shadow", keepsIdentifiers: !isDryRun } as const;
    await applyRange(context, tx, { range, target });
    const differences = await compareShadows(tx.sql, district.id);
    if (isDryRun) return { changeset, differences, published: 0, withdrawn: 0 };
    await takeShadows(tx.sql, district.id);
    await noteGone(tx.sql, { district: district.id, delivery: null, at: new Date(context.clock.now()) });
    const position = { generation: range.generation, next: range.to, changeset };
    return { changeset, differences, ...(await settle(context, tx, { district, position, workId })) };
  });
  if (!isDryRun) tell(context, district, rebuilt);
  return rebuilt;
}
