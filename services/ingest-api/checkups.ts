// What people are told of a source beside its pulls: credentials that end, a version that is too old, silence.
// It keeps true that each is told once, by one process, and that nobody is told of silence whose reason they know.

import { lastMoment, nextMoment } from "../../libs/adapters/schedule.ts";
import { type ExpiryStep, noteExpiryTold } from "../../libs/adapters/postgres/api-states.ts";
import { expiryStep } from "../../libs/domain/api/expiry.ts";
import { tooOld } from "../../libs/domain/api/versions.ts";
import { localDate } from "../../libs/domain/dates.ts";
import { tellIf } from "../../libs/ingest/notice.ts";
import { type ApiWork, factsOf, type Known, textOf, timeOf } from "./context.ts";
import { dueOf, type Moments } from "./due.ts";
import { tellOnce } from "./told.ts";

/** A pull that was due may take so long, with its tries, before its silence is told: 36 hours after the last one at night. */
const graceMs = 12 * 60 * 60_000;

/** Looks at all sources that are enabled. */
export async function checkUp(work: ApiWork, all: readonly Known[], moments: Moments): Promise<void> {
  const enabled = all.filter(({ source }) => source.isEnabled);
  for (const known of enabled) {
    await tellExpiry(work, known);
    await tellOutdated(work, known);
  }
  const silent = enabled.filter((known) => silentSince(work, known, moments) !== null);
  if (silent.length === 0) return;
  const whole = await wholePulls(work);
  for (const known of silent)
    await tellSilence(work, known, { moments, whole: whole.get(textOf(known.place)) ?? null });
}

/** 30, 14, 7 and 1 days ahead, and on the day itself. (E028 to E031) */
async function tellExpiry(work: ApiWork, { place, source, state, timeZone }: Known): Promise<void> {
  const { expires } = source.settings;
  const step = expiryStep(expires, localDate(work.clock.now(), timeZone));
  const told = state.expiryTold;
  if (expires === null || step === null || (told !== null && told.expires === expires && told.step <= step)) return;
  const notice = {
    district: place.district,
    code: "credentials.expiring",
    severity: step <= 1 ? "error" : "warning",
    message: `${textOf(place)}: ${stepTexts[step]} on ${expires}`,
    remedy: `Ask the district to renew the connection, then enter the new day with \`rollcall source renew ${place.district}\`.`,
    since: work.clock.now(),
  } as const;
  await tellIf(work, notice, (sql) => noteExpiryTold(sql, place, { expires, step }));
}

const stepTexts: Readonly<Record<ExpiryStep, string>> = {
  30: "its credentials expire within 30 days,",
  14: "its credentials expire within 14 days,",
  7: "its credentials expire within 7 days,",
  1: "its credentials expire within a day,",
  0: "its credentials expired",
};

/** A source whose software needs something else (A079). */
async function tellOutdated(work: ApiWork, { place, source, profile }: Known): Promise<void> {
  const { sourceVersion } = source.settings;
  const sentence = tooOld(profile, sourceVersion);
  if (sentence === null) return;
  await tellOnce(work, place, {
    code: "source.outdated",
    as: sourceVersion ?? "",
    severity: "warning",
    message: `${textOf(place)}: version ${sourceVersion} of ${profile.name} is too old`,
    remedy: sentence,
    since: work.clock.now(),
  });
}

/** The moment at which it should have been pulled, long ago; null: there is none, or it is pulled now. */
function silentSince(work: ApiWork, known: Known, moments: Moments): number | null {
  const { schedule } = known.source.settings;
  const at = timeOf(work, known);
  if (schedule === null || known.isRunning || dueOf(factsOf(known), at, moments.last) !== null) return null;
  return lastMoment({ pattern: schedule, timeZone: at.timeZone }, at.now - graceMs);
}

async function tellSilence(
  work: ApiWork,
  known: Known,
  { moments, whole }: { readonly moments: Moments; readonly whole: number | null },
): Promise<void> {
  const { place, source, state } = known;
  const due = silentSince(work, known, moments);
  const { schedule } = source.settings;
  if (due === null || schedule === null || Math.max(whole ?? 0, source.createdAt) >= due) return;
  // What fails is told by its own notice; this one is for what did not even fail.
  if (await isFailingTold(work, known)) return;
  const next = nextMoment({ pattern: schedule, timeZone: known.timeZone }, work.clock.now());
  const last =
    whole === null ? "it was never pulled whole" : `it was pulled whole last at ${new Date(whole).toISOString()}`;
  await tellOnce(work, place, {
    code: "pull.missing",
    severity: "warning",
    message: `${textOf(place)}: ${last}; a pull was due at ${new Date(due).toISOString()}${state.reason === null ? "" : `; ${state.reason}`}`,
    remedy: `\`rollcall source pulls ${place.district}\` says what became of each; the next one is due ${next === null ? "at no time" : `at ${new Date(next).toISOString()}`}.`,
    since: due,
  });
}

async function isFailingTold({ sql }: ApiWork, { place: { district, source } }: Known): Promise<boolean> {
  const row: unknown = await sql("api_states")
    .where({ district, source })
    .whereRaw("exists (select key from jsonb_each(told) where key like 'pull.%')")
    .first("source");
  return row !== undefined;
}

/** When each source was seen whole last. Epoch milliseconds. */
async function wholePulls({ sql }: ApiWork): Promise<ReadonlyMap<string, number>> {
  const rows: readonly { readonly district: string; readonly source: string; readonly at: Date }[] = await sql(
    "api_pulls",
  )
    .whereIn("state", ["delivered", "same"])
    .groupBy("district", "source")
    .select("district", "source")
    .max("ended_at as at");
  return new Map(rows.map((row) => [textOf(row), row.at.getTime()]));
}
