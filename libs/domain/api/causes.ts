// Why a source may show less than it did, without anybody having left: told by what was seen of two of its pulls.
// It keeps true that no cause is needed to keep somebody, and that a doubt is a cause: a delivery that names one deletes
// nothing by absence until a person has approved it. So an org that was closed for good is asked about, too.

import { isWithin } from "../dates.ts";
import { type Cause, causes, type PullRecord, type Seen } from "./pulled.ts";

/**
 * What a pull has to be compared with, and what it showed.
 * `before` is the newest delivery that was taken whole: one whose deletes were held is no measure, for then a second pull
 * that shows as little would look the same as the first, and delete. null: there is none.
 */
export type Compared = {
  readonly before: PullRecord | null;
  readonly now: Pick<PullRecord, "seen" | "missing" | "collections" | "baseUrl">;
  /** YYYY-MM-DD in the district's time zone. */
  readonly today: string;
};

/** Causes in the order of their list. */
export function causesOf(compared: Compared): readonly Cause[] {
  return causes.filter((cause) => checks[cause](compared));
}

const checks: Readonly<Record<Cause, (compared: Compared) => boolean>> = {
  // A connection may show some schools only, and which may be changed at any time (E019, E020, E039).
  "orgs-narrowed": ({ before, now }) => before !== null && lacksAny(now.seen.orgs, before.seen.orgs),
  // A source that says nothing of scopes has not taken any away.
  "scope-narrowed": ({ before, now }) =>
    before !== null &&
    before.seen.scopes !== null &&
    now.seen.scopes !== null &&
    lacksAny(now.seen.scopes, before.seen.scopes),
  "permission-changed": ({ before, now }) =>
    before !== null &&
    before.seen.revision !== null &&
    now.seen.revision !== null &&
    before.seen.revision !== now.seen.revision,
  // Those of the last year vanish by design, at its end or when the next one's sessions take its place (E080).
  "school-year-ended": ({ before, now, today }) =>
    isOver(now.seen, today) || (before !== null && isOver(before.seen, today)),
  // Not found is how some sources say that it is shared no more (E002, E015).
  "collection-forbidden": ({ before, now }) =>
    before !== null &&
    before.collections.some(({ name, items }) => items > 0 && now.missing.some((each) => each.name === name)),
  // Where several addresses are tried, the usual one may have failed once, and another may show other people.
  "place-changed": ({ before, now }) => before !== null && before.baseUrl !== now.baseUrl,
};

function lacksAny(present: readonly string[], wanted: readonly string[]): boolean {
  const there = new Set(present);
  return wanted.some((each) => !there.has(each));
}

/** Whether the latest session has ended. The end is exclusive: on that day there is no school any more. */
function isOver({ sessionsEnd }: Seen, today: string): boolean {
  return sessionsEnd !== null && !isWithin(today, null, sessionsEnd);
}
