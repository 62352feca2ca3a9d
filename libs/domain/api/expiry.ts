// When credentials stop working, and how long before it people are told (E028 to E031).

import { dayNumber, isDate } from "../dates.ts";
import { assert } from "../assert.ts";
import type { ApiProfile, AuthKind } from "./profile.ts";

/** Days ahead at which people are told, the nearest first; 0: the day has come, and nothing signs in any more. */
export const expirySteps = [0, 1, 7, 14, 30] as const;
export type ExpiryStep = (typeof expirySteps)[number];

/**
 * The narrowest step that has come; null while the day is further away, or not known.
 * @param expires the day on which the credentials stop working (E029), YYYY-MM-DD.
 * @param today in the district's time zone.
 */
export function expiryStep(expires: string | null, today: string): ExpiryStep | null {
  if (expires === null) return null;
  const days = dayNumber(expires) - dayNumber(today);
  return expirySteps.find((step) => days <= step) ?? null;
}

/** The day on which credentials stop working that are made or renewed today; null where they hold for good (E030). */
export function expiryFrom(profile: ApiProfile, auth: AuthKind, today: string): string | null {
  const days = profile.credentialDays?.[auth];
  if (days === undefined) return null;
  assert(isDate(today), "today is a date");
  return new Date(dayNumber(today) * 86_400_000 + days * 86_400_000).toISOString().slice(0, 10);
}
