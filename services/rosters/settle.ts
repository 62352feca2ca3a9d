// The end of every transaction that looks at a whole district: publish what differs, ask registration to look again,
// and say how far, for which day and under which rules that is true.

import { markRegistrationDue } from "../../libs/adapters/postgres/people.ts";
import { type RosterPosition, savePosition } from "../../libs/adapters/postgres/roster-state.ts";
import type { Transaction } from "../../libs/ports.ts";
import type { HeldDistrict, RostersContext } from "./context.ts";
import { type Published, publishFenced } from "./publish.ts";

/** @param about.workId the work that this finishes, or null. @throws AppError `lease.lost`, `work.not-waiting`. */
export async function settle(
  context: RostersContext,
  tx: Transaction,
  about: { readonly district: HeldDistrict; readonly position: RosterPosition; readonly workId: number | null },
): Promise<Published> {
  const { district, position, workId } = about;
  const { changeset } = position;
  const { judged, ...published } = await publishFenced(context, tx, { district, persons: null, changeset });
  // After the district's row: registration takes them in this order too.
  await markRegistrationDue(tx.sql, district.id);
  await savePosition(tx.sql, district.id, {
    ...position,
    day: judged.today,
    fingerprint: judged.standing.fingerprint,
    at: new Date(context.clock.now()),
  });
  if (workId !== null) await context.inbox.finish(tx.sql, workId);
  return published;
}

/** Says, once it is committed, what became of it. */
export function tell(
  { logger }: Pick<RostersContext, "logger">,
  district: HeldDistrict,
  { changeset, published, withdrawn }: Published & { readonly changeset: number },
): void {
  logger.info({ district: district.id, changeset, published, withdrawn }, "rosters published");
}
