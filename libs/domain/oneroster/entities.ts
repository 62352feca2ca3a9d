// All descriptions by entity type, and the union of all entities.

import { type AcademicSession, academicSession } from "./academic-session.ts";
import { type ClassResource, classResource } from "./class-resource.ts";
import { type Class, classDescription } from "./class.ts";
import { type CourseResource, courseResource } from "./course-resource.ts";
import { type Course, course } from "./course.ts";
import { type Demographics, demographics } from "./demographics.ts";
import type { EntityDescription } from "./description.ts";
import type { EntityType } from "./entity-types.ts";
import { type Enrollment, enrollment } from "./enrollment.ts";
import type { Version } from "./enumerations.ts";
import { type Org, org } from "./org.ts";
import { type Resource, resource } from "./resource.ts";
import { type Role, role } from "./role.ts";
import { type User, user } from "./user.ts";

export type Entity =
  | Org
  | AcademicSession
  | Course
  | Class
  | User
  | Role
  | Demographics
  | Enrollment
  | Resource
  | ClassResource
  | CourseResource;

export const descriptions = {
  org,
  academicSession,
  course,
  class: classDescription,
  user,
  role,
  demographics,
  enrollment,
  resource,
  classResource,
  courseResource,
} as const satisfies { readonly [T in EntityType]: EntityDescription & { readonly type: T } };

/** The description of an entity type, without the detail that only types need. */
export function descriptionOf(type: EntityType): EntityDescription {
  return descriptions[type];
}

/** What a file of a set is to us: one of our entities, or a part of the standard that is left alone. */
export type KnownFile =
  | { readonly outcome: "entity"; readonly type: EntityType; readonly description: EntityDescription }
  | { readonly outcome: "leftAlone" };

/** Files of the standard that are recognised and not read, by version: profiles, user resources and the gradebook. */
export const leftAloneFiles: Readonly<Record<Version, readonly string[]>> = {
  "1.1": ["categories", "lineItems", "results"],
  "1.2": [
    "categories",
    "lineItemLearningObjectiveIds",
    "lineItems",
    "lineItemScoreScales",
    "resultLearningObjectiveIds",
    "results",
    "resultScoreScales",
    "scoreScales",
    "userProfiles",
    "userResources",
  ],
};

/** Names of the files of entities in a version, without extension, in dependency order. */
export function entityFiles(version: Version): readonly { readonly name: string; readonly type: EntityType }[] {
  return Object.values(descriptions).flatMap((description: EntityDescription) => {
    const name = description.file[version];
    return name === null ? [] : [{ name, type: description.type }];
  });
}

/** All data files of a version, without extension, in the order of the manifest (13 in 1.1, 21 in 1.2). */
export function dataFiles(version: Version): readonly string[] {
  const names = [...entityFiles(version).map((file) => file.name), ...leftAloneFiles[version]];
  return names.toSorted((a, b) => compareText(a.toLowerCase(), b.toLowerCase()));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What the file of this name (without extension) is in a version; null when the version has no such file. */
export function knownFile(name: string, version: Version): KnownFile | null {
  const file = entityFiles(version).find((candidate) => candidate.name === name);
  if (file !== undefined) return { outcome: "entity", type: file.type, description: descriptions[file.type] };
  return leftAloneFiles[version].includes(name) ? { outcome: "leftAlone" } : null;
}
