// Why a teacher sees a class or does not, once the teacher sees any (A107, A113, C048, C049).

import { isWithin } from "../dates.ts";
import { classState, type Rules } from "../roster.ts";

/** Every reason, once, in words for whoever administers the roster. */
export const classReasons = {
  shown: "The class is shown.",
  archived: "The class is shown as archived: its terms ended longer ago than classWindow.trailDays.",
  empty: "The class is shown without students: no enrollment with role student counts today. Check enrollments.csv.",
  "enrollment-future":
    "The teacher's enrollment begins later. The class appears on that day; change beginDate if it should appear now.",
  "enrollment-ended":
    "The teacher's enrollment has ended. Change endDate in enrollments.csv if the person still teaches the class.",
  "class-missing": "The enrollment names a class that the roster does not have. Deliver the class in classes.csv.",
  "class-outside": "The class's school is not within orgScope. Add the school to orgScope if it takes part.",
  "class-future": "The class's earliest term begins later than classWindow.leadDays from now. It appears by itself.",
  none: "The person is not enrolled as a teacher of any class. Deliver an enrollment with role teacher in enrollments.csv.",
} as const;

export type ClassReason = keyof typeof classReasons;

/** A teacher's enrollment with what decides whether its class is shown. */
export type Teaching = {
  readonly beginDate: string | null;
  readonly endDate: string | null;
  /** Null when the roster does not have the class. */
  readonly class: {
    readonly schoolId: string;
    readonly terms: readonly { readonly startDate: string; readonly endDate: string }[];
    /** Students whose enrollment counts today. */
    readonly students: number;
  } | null;
};

/** The first thing that keeps the class from being shown as it should, or `shown`. */
export function classReason(teaching: Teaching, rules: Rules): ClassReason {
  const { beginDate, endDate } = teaching;
  if (!isWithin(rules.today, beginDate, endDate))
    return beginDate !== null && rules.today < beginDate ? "enrollment-future" : "enrollment-ended";
  if (teaching.class === null) return "class-missing";
  const { schoolId, terms, students } = teaching.class;
  if (rules.orgs !== null && !rules.orgs.has(schoolId)) return "class-outside";
  const state = classState(terms, rules);
  if (state === "future") return "class-future";
  if (state === "archived") return "archived";
  return students === 0 ? "empty" : "shown";
}
