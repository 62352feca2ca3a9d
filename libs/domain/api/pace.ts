// How hard a source may be asked at a time of the day, and how old what it answers then is (E087 to E090).
// Times are HH:MM in the district's time zone, which sort as text.

import type { Collection } from "./collections.ts";
import type { ApiProfile, TimeOfDay } from "./profile.ts";

/** How many requests may be under way. A peak begins with its first minute and ends before its last; it may go over midnight. */
export function atOnceAt({ requests }: ApiProfile, time: TimeOfDay): number {
  const { peak, atOnce } = requests;
  return peak !== null && isBetween(peak.from, time, peak.to) ? peak.atOnce : atOnce;
}

function isBetween(from: TimeOfDay, time: TimeOfDay, to: TimeOfDay): boolean {
  return from <= to ? from <= time && time < to : from <= time || time < to;
}

/** When a source filled a cache. */
export type Refreshed = { readonly day: "today" | "yesterday"; readonly time: TimeOfDay };

/**
 * Since when what a collection shows at a time has stood in the source's cache; null where no cache is known.
 * Collections are filled at different times, so that references between them may dangle (E090).
 */
export function refreshedBefore({ refresh }: ApiProfile, collection: Collection, time: TimeOfDay): Refreshed | null {
  if (refresh === null) return null;
  const times = isOfStudents(collection) ? [refresh.classes, ...hours(refresh.students)].toSorted() : [refresh.classes];
  const today = times.findLast((each) => each <= time);
  return today === undefined
    ? { day: "yesterday", time: times.at(-1) ?? refresh.classes }
    : { day: "today", time: today };
}

/** Of enrollments the vendor does not say: they are taken for the slower kind, which claims less. */
function isOfStudents(collection: Collection): boolean {
  return collection === "users" || collection === "demographics";
}

function hours({ from, to }: { readonly from: TimeOfDay; readonly to: TimeOfDay }): readonly TimeOfDay[] {
  const [hour = "", minute = ""] = from.split(":");
  return Array.from(
    { length: 24 - Number(hour) },
    (_, i) => `${String(Number(hour) + i).padStart(2, "0")}:${minute}`,
  ).filter((time) => time <= to);
}
