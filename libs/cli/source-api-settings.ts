// The settings of a source that is pulled as a command gives them: whole, valid, and such as its vendor offers.

import { isPattern, nextMoment } from "../adapters/schedule.ts";
import type { ApiProfile, TimeOfDay } from "../domain/api/profile.ts";
import { profileOf, profiles } from "../domain/api/profiles.ts";
import { type ApiSettings, parseApiSettings } from "../domain/api/settings.ts";
import { AppError } from "../errors.ts";

/** @throws AppError `config.invalid` that names every fault. */
export function checkedApiSettings(value: unknown): ApiSettings {
  const parsed = parseApiSettings(value, { isCron: isPattern, isTooEarly });
  if (parsed.outcome === "settings") return parsed.settings;
  throw new AppError("config.invalid", { message: `reading the settings: ${parsed.faults.join("; ")}` });
}

/** @throws AppError `config.invalid`. */
export function knownProfile(id: string): ApiProfile {
  const profile = profileOf(id);
  if (profile !== null) return profile;
  const known = profiles.map((each) => each.id).join(", ");
  throw new AppError("config.invalid", { message: `there is no profile ${id}: ${known}` });
}

/** A day's hours and minutes are the same on every day of a pattern, so that its first moment of any day is its earliest. */
function isTooEarly(pattern: string, notBefore: TimeOfDay): boolean {
  const justBefore = Date.UTC(2026, 0, 1) - 1;
  const first = nextMoment({ pattern, timeZone: "UTC" }, justBefore);
  return first !== null && new Date(first).toISOString().slice(11, 16) < notBefore;
}
