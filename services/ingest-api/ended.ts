// The end of a pull that delivered nothing: its row, the state of its source, when it is tried again, and who is told.
// It keeps true that all of it becomes known at once, and that people are told once of what goes on failing.

import { endPull, type PullEnd } from "../../libs/adapters/postgres/api-pulls.ts";
import { noteFailed, noteState, stateOf } from "../../libs/adapters/postgres/api-states.ts";
import type { AppError } from "../../libs/errors.ts";
import { appendNotice } from "../../libs/ingest/notice.ts";
import { type ApiWork, type Known, textOf, timeOf } from "./context.ts";
import { retryAt } from "./due.ts";
import { type Failing, failingOf, isPatienceOver } from "./failing.ts";
import { noteTold } from "./told.ts";

type Ended = Known & { readonly id: string; readonly requests: number };

export async function noteFailure(work: ApiWork, ended: Ended & { readonly error: AppError }): Promise<void> {
  const { place, source, error } = ended;
  const failing = failingOf(error);
  const now = work.clock.now();
  const reason = error.message;
  work.logger.warn({ ...place, pull: ended.id, err: error, remedy: error.remedy }, "pull failed");
  await work.log.transaction(async (tx) => {
    const isIncomplete = failing.state === "incomplete";
    await endRow(tx.sql, ended, { state: isIncomplete ? "incomplete" : "failed", code: error.code, reason, at: now });
    if (!(await isThere(tx.sql, ended))) return;
    if (failing.state !== null) await noteState(tx.sql, place, { state: failing.state, reason, at: now });
    if (failing.told === "never") return;
    const failures = ended.state.failures + 1;
    const { schedule } = source.settings;
    const again = failing.isTriedSoon ? retryAt({ schedule, failures }, timeOf(work, ended), work.chance()) : null;
    await noteFailed(tx.sql, place, { retryAt: again });
    const since = (await stateOf(tx.sql, place)).since ?? now;
    if (failing.told === "patience" && !isPatienceOver({ failures, since, now })) return;
    const code = codeOf(failing, error);
    if (!(await noteTold(tx.sql, place, { code, as: "told" }))) return;
    const severity = failing.told === "patience" ? "warning" : "error";
    const { district } = place;
    appendNotice(tx, work, {
      district,
      code,
      severity,
      message: `${textOf(place)}: ${reason}`,
      remedy: error.remedy,
      since,
    });
  });
}

/** Of one that was deleted meanwhile nothing is noted any more. */
async function isThere(sql: ApiWork["sql"], { place: { district, source: id } }: Ended): Promise<boolean> {
  const found: unknown = await sql("sources").where({ district, id, deleted_at: null }).first("id");
  return found !== undefined;
}

/** What says nothing of the source is told by its own code. */
function codeOf({ state }: Failing, { code }: AppError): string {
  return state === null ? code : `pull.${state}`;
}

/** The process ends before the pull did: it counts as not done, and whoever looks next begins it again. */
export async function noteStopped(work: ApiWork, ended: Ended): Promise<void> {
  const { place } = ended;
  const { district, source } = place;
  const now = work.clock.now();
  const reason = "it was stopped with the process that pulled";
  await work.sql.transaction(async (trx) => {
    await endRow(trx, ended, { state: "failed", code: null, reason, at: now });
    await trx("api_states")
      .where({ district, source })
      .update({ retry_at: new Date(now) });
  });
  work.logger.info({ ...place, pull: ended.id }, "pull stopped");
}

async function endRow(
  sql: ApiWork["sql"],
  { id, requests }: Ended,
  end: {
    readonly state: PullEnd;
    readonly code: string | null;
    readonly reason: string;
    readonly at: number;
  },
): Promise<void> {
  await endPull(sql, { id, requests, delivery: null, collections: [], ...end });
}
