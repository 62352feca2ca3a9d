// When a source is pulled, and when one that failed is tried again: pure functions of what is known and of the time.
// It keeps true that a moment which was missed is made up once; that nothing is pulled by itself while the source's cache
// still holds yesterday; and that what only a person can mend waits for the next moment or for somebody who asks.

import { lastMoment, nextMoment } from "../../libs/adapters/schedule.ts";
import type { ApiProfile, TimeOfDay } from "../../libs/domain/api/profile.ts";

/** `abandoned`: a pull of a process that is gone. */
export type Why = "hand" | "abandoned" | "retry" | "schedule";

/** Times are epoch milliseconds. */
export type DueFacts = {
  readonly isEnabled: boolean;
  readonly createdAt: number;
  readonly schedule: string | null;
  readonly refresh: ApiProfile["refresh"];
  readonly pulledAt: number | null;
  readonly wantedAt: number | null;
  readonly retryAt: number | null;
  /** Whether a pull of it was begun and never ended. */
  readonly isAbandoned: boolean;
};

export type LocalTime = { readonly now: number; readonly timeZone: string };

/**
 * Why the source is to be pulled now; null: it is not. One that is disabled is pulled when asked for, to be refused with
 * that reason. (E087 to E089)
 * @param last the newest moment of a pattern until now.
 */
export function dueOf(facts: DueFacts, at: LocalTime, last: typeof lastMoment = lastMoment): Why | null {
  if (facts.wantedAt !== null) return "hand";
  if (!facts.isEnabled || isBeforeRefresh(facts.refresh, at)) return null;
  if (facts.isAbandoned) return "abandoned";
  if (facts.retryAt !== null && facts.retryAt <= at.now) return "retry";
  return isMomentPassed(facts, at, last) ? "schedule" : null;
}

function isMomentPassed({ schedule, pulledAt, createdAt }: DueFacts, at: LocalTime, last: typeof lastMoment): boolean {
  if (schedule === null) return false;
  const moment = last({ pattern: schedule, timeZone: at.timeZone }, at.now);
  return moment !== null && moment > Math.max(pulledAt ?? 0, createdAt);
}

/** Between midnight and the refresh a source with a cache shows the day before. */
function isBeforeRefresh(refresh: ApiProfile["refresh"], at: LocalTime): boolean {
  return refresh !== null && timeOfDay(at) < refresh.classes;
}

/** HH:MM where the district is. */
export function timeOfDay({ now, timeZone }: LocalTime): TimeOfDay {
  return new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(
    now,
  );
}

const firstPauseMs = 10 * 60_000;
const longestPauseMs = 4 * 60 * 60_000;

/** The pause after so many failures in a row, the one of now included: from three quarters to five, with chance. */
export function retryPauseMs(failures: number, chance: number): number {
  const full = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 20));
  return Math.min(longestPauseMs, Math.round(full * (0.75 + chance / 2)));
}

/** When what failed is tried again; null: not before the next moment of its schedule, or when somebody asks. */
export function retryAt(
  { schedule, failures }: { readonly schedule: string | null; readonly failures: number },
  { now, timeZone }: LocalTime,
  chance: number,
): number | null {
  if (schedule === null) return null;
  const at = now + retryPauseMs(failures, chance);
  const next = nextMoment({ pattern: schedule, timeZone }, now);
  return next !== null && next <= at ? null : at;
}

/** The last moments of patterns, each looked for again only once its next one has come: croner is asked seldom. */
export class Moments {
  readonly #known = new Map<string, { readonly from: number; readonly last: number | null; readonly next: number }>();

  last: typeof lastMoment = (schedule, until) => {
    const key = `${schedule.timeZone} ${schedule.pattern}`;
    const known = this.#known.get(key);
    if (known !== undefined && until >= known.from && until < known.next) return known.last;
    const last = lastMoment(schedule, until);
    this.#known.set(key, { from: until, last, next: nextMoment(schedule, until) ?? Infinity });
    return last;
  };
}
