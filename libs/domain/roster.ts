// A teacher's classes as they follow from what holds today: whose enrollment counts, which class is shown, and the
// record that says it. Nothing here remembers: the same facts on the same day give the same record.
//
// A class is shown to a person who teaches it today, if its school takes part, from `leadDays` before its earliest term
// begins; `trailDays` after its latest has ended it is archived, and still shown. Without a term there is no window.
// Requirements: A109, A111, C002, C003, C018, C019, C032, C048, C049, C050.

import { dayNumber, isWithin } from "./dates.ts";
import type { Policy } from "./policy.ts";

/** Days as `YYYY-MM-DD`, `endDate` exclusive; null leaves that side open. */
type Dated = { readonly beginDate: string | null; readonly endDate: string | null };

/** An enrollment with the one thing that counts of its user. */
export type Place = Dated & { readonly enabled: boolean };

export type TeacherPlace = Place & { readonly user: string; readonly isPrimary: boolean };

export type Student = {
  readonly sourcedId: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly preferredGivenName: string | null;
  readonly preferredFamilyName: string | null;
  readonly username: string | null;
  readonly email: string | null;
  readonly grades: readonly string[];
};

export type StudentPlace = Place & { readonly student: Student };

export type Term = {
  readonly sourcedId: string;
  readonly title: string;
  readonly startDate: string;
  readonly endDate: string;
};

/** What is the same of a class for all who teach it; course and school are null when they were not delivered. */
type ClassContent = {
  readonly title: string;
  readonly classCode: string | null;
  readonly classType: string | null;
  readonly location: string | null;
  readonly grades: readonly string[];
  readonly subjects: readonly string[];
  readonly periods: readonly string[];
  readonly course: { readonly sourcedId: string; readonly title: string; readonly courseCode: string | null } | null;
  readonly school: { readonly sourcedId: string; readonly name: string; readonly identifier: string | null } | null;
  /** Those that were delivered. */
  readonly terms: readonly Term[];
};

export type ClassFacts = ClassContent & {
  readonly sourcedId: string;
  readonly schoolId: string;
  /** Everyone who is or was enrolled as a student. */
  readonly students: readonly StudentPlace[];
};

/** A class as one teacher sees it, without the person and what says when it was published. */
export type Roster = ClassContent & {
  readonly class: string;
  /** sourcedIds under which the person teaches the class. */
  readonly teachers: readonly string[];
  readonly primary: boolean;
  readonly state: "current" | "archived";
  readonly students: readonly Student[];
};

/** What decides for a whole district which rosters there are. */
export type Rules = {
  readonly today: string;
  readonly classWindow: Policy["classWindow"];
  /** sourcedIds of the orgs that take part; null: all. */
  readonly orgs: ReadonlySet<string> | null;
};

/** Whether an enrollment counts: its user may use systems, and the day lies within it. */
export function counts({ enabled, beginDate, endDate }: Place, today: string): boolean {
  return enabled && isWithin(today, beginDate, endDate);
}

/**
 * Whose rosters a district shows on a day: nobody's, those of teachers with a grant, or all teachers'; in a pilot only
 * the named ones of them.
 */
export function audienceOf(
  state: string,
  { rosters, startDate }: Pick<Policy, "rosters" | "startDate">,
  today: string,
): { readonly persons: "none" | "granted" | "all"; readonly isPilot: boolean } {
  const isPilot = state === "pilot";
  const isOpen = (isPilot || state === "released") && (startDate === null || startDate <= today);
  return { persons: isOpen ? (rosters === "eager" ? "all" : "granted") : "none", isPilot };
}

/** The orgs that take part: those of the scope and all below them; null when the scope is empty, which means all. */
export function orgsInScope(
  orgs: readonly { readonly sourcedId: string; readonly parentId: string | null }[],
  scope: readonly string[],
): ReadonlySet<string> | null {
  if (scope.length === 0) return null;
  const children = new Map<string, string[]>();
  for (const { sourcedId, parentId } of orgs) {
    if (parentId === null) continue;
    const siblings = children.get(parentId);
    if (siblings === undefined) children.set(parentId, [sourcedId]);
    else siblings.push(sourcedId);
  }
  // A set yields what is added while it is walked, each once: a cycle ends by itself.
  const found = new Set(scope);
  for (const org of found) for (const child of children.get(org) ?? []) found.add(child);
  return found;
}

/** How a class stands on a day by its terms; the window runs from the earliest start to the latest end of them. */
export function classState(
  terms: readonly Pick<Term, "startDate" | "endDate">[],
  { today, classWindow }: Pick<Rules, "today" | "classWindow">,
): "future" | "current" | "archived" {
  if (terms.length === 0) return "current";
  const day = dayNumber(today);
  const start = Math.min(...terms.map((term) => dayNumber(term.startDate)));
  const end = Math.max(...terms.map((term) => dayNumber(term.endDate)));
  if (day < start - classWindow.leadDays) return "future";
  return day >= end + classWindow.trailDays ? "archived" : "current";
}

/** The class as a person sees it who has these places in it; null when it is not to be seen. */
export function rosterOf(facts: ClassFacts, places: readonly TeacherPlace[], rules: Rules): Roster | null {
  if (rules.orgs !== null && !rules.orgs.has(facts.schoolId)) return null;
  const teaching = places.filter((place) => counts(place, rules.today));
  if (teaching.length === 0) return null;
  const state = classState(facts.terms, rules);
  if (state === "future") return null;
  const { sourcedId, schoolId: _, students, terms, ...content } = facts;
  return {
    ...content,
    class: sourcedId,
    teachers: [...new Set(teaching.map(({ user }) => user))].toSorted(compareText),
    primary: teaching.some(({ isPrimary }) => isPrimary),
    state,
    terms: distinct(terms).toSorted(
      (a, b) => compareText(a.startDate, b.startDate) || compareText(a.sourcedId, b.sourcedId),
    ),
    students: distinct(students.filter((place) => counts(place, rules.today)).map(({ student }) => student)).toSorted(
      byName,
    ),
  };
}

/** A student who is enrolled twice is one student; so is a term that is named twice. */
function distinct<T extends { readonly sourcedId: string }>(things: readonly T[]): readonly T[] {
  return [...new Map(things.map((thing) => [thing.sourcedId, thing])).values()];
}

function byName(a: Student, b: Student): number {
  return (
    compareText(a.familyName, b.familyName) ||
    compareText(a.givenName, b.givenName) ||
    compareText(a.sourcedId, b.sourcedId)
  );
}

/** By code units: the same on every machine. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
