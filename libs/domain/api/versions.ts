// Versions of a source's own software, such as PowerSchool 21.4.4.0: compared by their numbers, never as text (A079).

import type { ApiProfile } from "./profile.ts";

const form = /^v?\d+(?:\.\d+)*$/iu;

/** Whether the text is numbers with dots between them. */
export function isSoftwareVersion(text: string): boolean {
  return form.test(text.trim());
}

/** Whether a version came before another one. A number that is left out is 0. What is no version is not older. */
export function isOlder(version: string, than: string): boolean {
  if (!isSoftwareVersion(version) || !isSoftwareVersion(than)) return false;
  const [ours, theirs] = [numbersOf(version), numbersOf(than)];
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const difference = (ours[i] ?? 0) - (theirs[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** What the district has to know of a version that is too old; null when it is not, or is not known. */
export function tooOld(profile: ApiProfile, sourceVersion: string | null): string | null {
  if (profile.oldest === null || sourceVersion === null) return null;
  return isOlder(sourceVersion, profile.oldest.version) ? profile.oldest.sentence : null;
}

function numbersOf(version: string): readonly number[] {
  return version.trim().replace(/^v/iu, "").split(".").map(Number);
}
