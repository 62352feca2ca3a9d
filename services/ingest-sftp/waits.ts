// Sets that are not whole: kept as rows, told to the district in its folder, and to people after a time.
// It keeps true that a wait never becomes a delivery by itself; that its beginning is remembered over changes, unless only
// files that belong to no set lay there before, or what lay there was taken; and that people are told once, and again only
// when what is missing changed and stayed so as long; of what no set has a use for, only until a set came.

import type { SourceKey } from "../../libs/adapters/drops/place.ts";
import { whereSource } from "../../libs/adapters/drops/rows.ts";
import type { Source } from "../../libs/adapters/postgres/sources.ts";
import { keyOf } from "../../libs/adapters/drops/contents.ts";
import { isOfSet, type Waiting, waitingText } from "../../libs/domain/drop.ts";
import { localTime } from "../../libs/ingest/district-report.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import { appendNotice } from "../../libs/ingest/notice.ts";
import { removeReport, writeReport } from "./report-folder.ts";

const code = "drop.waiting";
const minuteMs = 60_000;
const reportName = "waiting";

/** A row of `drop_waits`. */
export type Wait = {
  readonly district: string;
  readonly source: string;
  readonly state: Waiting & {
    /** Epoch milliseconds: since then it waits for the same. */
    readonly changedAt: number;
    /** As which people were told of it last. */
    readonly toldAs?: string | undefined;
  };
  readonly since: Date;
  readonly told_at: Date | null;
};

/** Of one source, or of all. */
export async function allWaits({ sql }: IngestContext, key?: SourceKey): Promise<readonly Wait[]> {
  return sql("drop_waits")
    .where(key === undefined ? {} : whereSource(key))
    .select("district", "source", "state", "since", "told_at");
}

/**
 * Remembers what a source waits for; null: for nothing.
 * @param about.before as it was remembered last.
 */
export async function noteWait(
  context: IngestContext,
  about: { readonly source: Source; readonly waiting: Waiting | null; readonly before: Wait | null },
): Promise<void> {
  const { source, waiting, before } = about;
  const { sql, clock } = context;
  const key = whereSource(keyOf(source));
  if (waiting === null) {
    if (before !== null) await sql("drop_waits").where(key).delete();
    return;
  }
  const now = clock.now();
  if (before === null || canonical(before.state) !== canonical(waiting)) {
    const isOther =
      before !== null && (isOfSet(before.state) !== isOfSet(waiting) || (await isTaken(context, source, before)));
    const toldAs = isOther ? undefined : before?.state.toldAs;
    const state = JSON.stringify({ ...waiting, changedAt: now, toldAs });
    await sql("drop_waits")
      .insert({ ...key, state, since: new Date(now), told_at: null })
      .onConflict(["district", "source"])
      .merge(isOther ? ["state", "since", "told_at"] : ["state"]);
  } else await tellPeople(context, source, before);
}

/** Whether all that lay there of a set was taken since. */
async function isTaken({ sql }: IngestContext, source: Source, { state, since }: Wait): Promise<boolean> {
  const lay = [...state.received, ...state.unfinished.map(({ path }) => path)];
  const names = lay.map((path) => ({ name: path.slice(path.lastIndexOf("/") + 1) }));
  if (names.length === 0) return false;
  const set: unknown = await sql("drop_sets")
    .where(whereSource(keyOf(source)))
    .where("taken_at", ">=", since)
    .whereRaw("files @> cast(? as jsonb)", [JSON.stringify(names)])
    .first("id");
  return set !== undefined;
}

/** The database keeps no order of fields. */
function canonical({ missing, unfinished, received, odd, manifest }: Waiting): string {
  const started = unfinished.map(({ path, state, bytes }) => [path, state, bytes]);
  return JSON.stringify([missing, started, received, odd.map(({ path, why }) => [path, why]), manifest]);
}

async function tellPeople(context: IngestContext, source: Source, wait: Wait): Promise<void> {
  const now = context.clock.now();
  const afterMs = source.settings.waitingNoticeMinutes * minuteMs;
  const told = wait.told_at?.getTime() ?? null;
  const from = told === null ? wait.since.getTime() : wait.state.changedAt;
  if (now - from < afterMs || (told !== null && told >= wait.state.changedAt)) return;
  const says = summary(wait.state);
  if (told !== null && says === wait.state.toldAs) return;
  if (!isOfSet(wait.state) && (await hasSets(context, source))) return;
  const { district, id } = source;
  await context.log.transaction(async (tx) => {
    const rows = await tx
      .sql("drop_waits")
      .where(whereSource(keyOf(source)))
      .whereRaw("told_at is not distinct from ?", [wait.told_at])
      .update({ told_at: new Date(now), state: JSON.stringify({ ...wait.state, toldAs: says }) });
    // Another process told it.
    if (rows === 0) return;
    appendNotice(tx, context, {
      district,
      code,
      severity: "warning",
      message: `${district}.${id}: a set is not complete: ${says}`,
      remedy: `\`rollcall source waiting ${district}\` shows what lies there and what is missing; ask the district to upload the whole set again.`,
      since: wait.since.getTime(),
    });
  });
}

/** Whether the source ever had one: then what is left beside them is the district's matter. */
async function hasSets({ sql }: IngestContext, source: Source): Promise<boolean> {
  const set: unknown = await sql("drop_sets")
    .where(whereSource(keyOf(source)))
    .first("id");
  return set !== undefined;
}

/** Names of the standard and counts: other names may be anything. */
function summary({ missing, unfinished, odd, manifest }: Waiting): string {
  const meant = odd.flatMap(({ suggestion }) => suggestion ?? []);
  return [
    ...(missing.length === 0 ? [] : [`missing ${missing.join(", ")}`]),
    ...(unfinished.length === 0 ? [] : [`${unfinished.length} not uploaded to the end`]),
    ...(odd.length === 0 ? [] : [`${odd.length} that cannot be used as they are`]),
    ...(meant.length === 0 ? [] : [`by a name that comes near ${meant.join(", ")}`]),
    ...(manifest === null ? [] : ["manifest.csv cannot be read"]),
  ].join("; ");
}

/** Whether the district should find in its folder what is waited for: not while files come one after another. */
export function isSettled({ clock }: IngestContext, source: Source, { state }: Wait): boolean {
  return clock.now() - state.changedAt >= source.settings.quietSeconds * 1000 && canonical(state) !== settling(state);
}

/** What has only to lie still is not told. */
function settling({ received }: Waiting): string {
  return canonical({ missing: [], unfinished: [], received, odd: [], manifest: null });
}

export type WaitTelling = {
  readonly source: string;
  readonly folder: string;
  readonly name: string;
  readonly timeZone: string;
  /** null: nothing is waited for. */
  readonly wait: Wait | null;
};

/** Puts the report on what is waited for into the district's folder, or takes it away. @throws AppError `report.io`. */
export async function tellWait({ folder, name, timeZone, source, wait }: WaitTelling): Promise<void> {
  if (wait === null) return removeReport(folder, reportName);
  const since = wait.since.toISOString();
  const text = waitingText(wait.state, { district: name, since: localTime(since, timeZone) });
  const json = { format: 1, report: "waiting", district: name, source, since, ...wait.state, toldAs: undefined };
  await writeReport(folder, reportName, { text, json });
}
