// Moments that a pattern of cron names in a time zone: when a source's sets are read, and when they are expected.
// Five fields, minute to day of the week. On the day on which clocks go forward a moment that the day does not have comes
// when they have gone forward (half past two at three); on the day on which they go back it comes once.

import { Cron } from "croner";

const fields = 5;

export type Schedule = {
  readonly pattern: string;
  /** IANA name. */
  readonly timeZone: string;
};

/** Whether the text is a pattern that names a moment at all: the 30th of February is none. */
export function isPattern(text: string): boolean {
  if (text.trim().split(/\s+/u).length !== fields) return false;
  try {
    return nextMoment({ pattern: text, timeZone: "UTC" }, 0) !== null;
  } catch {
    return false;
  }
}

/** The first moment after another one; epoch milliseconds, null when there is none. */
export function nextMoment(schedule: Schedule, after: number): number | null {
  return cronOf(schedule).nextRun(new Date(after))?.getTime() ?? null;
}

/** The last moment that is not after another one. */
export function lastMoment(schedule: Schedule, until: number): number | null {
  // Croner knows whole seconds, and its past runs are those before one.
  const [last] = cronOf(schedule).previousRuns(1, new Date((Math.floor(until / 1000) + 1) * 1000));
  return last?.getTime() ?? null;
}

function cronOf({ pattern, timeZone }: Schedule): Cron {
  return new Cron(pattern, { timezone: timeZone, paused: true });
}
