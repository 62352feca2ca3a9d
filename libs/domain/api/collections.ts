// The collections of a OneRoster API that are pulled, and how their answers are named.
// Users of both roles, and sessions of all types, come in one collection each: views such as /students are never read.

import type { Version } from "../oneroster/enumerations.ts";

/** In the order in which they are pulled: what others refer to comes first. */
export const collections = [
  "orgs",
  "academicSessions",
  "courses",
  "classes",
  "users",
  "enrollments",
  "demographics",
  "resources",
] as const;

export type Collection = (typeof collections)[number];

/** A pull without one of these is no pull. The others are pulled where the district has them switched on. */
export const requiredCollections: readonly Collection[] = [
  "orgs",
  "academicSessions",
  "courses",
  "classes",
  "users",
  "enrollments",
];

/**
 * Names of the array in an answer: the standard's first, then those that servers use instead (section 4.2). A bare array
 * has none.
 */
export const envelopes: Readonly<Record<Collection, readonly string[]>> = {
  orgs: ["orgs", "schools"],
  academicSessions: ["academicSessions", "terms", "gradingPeriods"],
  courses: ["courses"],
  classes: ["classes"],
  users: ["users", "students", "teachers"],
  enrollments: ["enrollments"],
  demographics: ["demographics"],
  resources: ["resources"],
};

/** The service of the 1.2 binding that has the collection; 1.1 has one service for all (section 4.1). */
export type Service = "rostering" | "resources";

export function serviceOf(collection: Collection, version: Version): Service {
  return version === "1.2" && collection === "resources" ? "resources" : "rostering";
}
