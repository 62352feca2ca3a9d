// An entity as a row of its roster table. Fields that no roster and no decision needs are left out here: telephone
// numbers, pronouns and the like stay on roster.<district>.

import { unreachable } from "../../domain/assert.ts";
import type { Entity } from "../../domain/oneroster/entities.ts";
import type { EntityType } from "../../domain/oneroster/entity-types.ts";

/** Entity types that have a table. Demographics have none: nobody who reads rosters may see them. */
export type StoredType = Exclude<EntityType, "demographics">;

/** Tables by type, in the order parents before children. */
export const rosterTables = {
  org: "roster_orgs",
  academicSession: "roster_sessions",
  course: "roster_courses",
  class: "roster_classes",
  user: "roster_users",
  role: "roster_roles",
  enrollment: "roster_enrollments",
  resource: "roster_resources",
  classResource: "roster_class_resources",
  courseResource: "roster_course_resources",
} as const satisfies Record<StoredType, string>;

export const storedTypes: readonly StoredType[] = [
  "org",
  "academicSession",
  "course",
  "class",
  "user",
  "role",
  "enrollment",
  "resource",
  "classResource",
  "courseResource",
];

const stored: ReadonlySet<string> = new Set(storedTypes);

/** Whether entities of a type, as a key names it, have a table. */
export function isStoredType(type: string | null): type is StoredType {
  return type !== null && stored.has(type);
}

type Row = Readonly<Record<string, unknown>>;

/** Columns of the entity by name, without its key and without what says where it comes from; null: it has no table. */
export function columnsOf(entity: Entity): Row | null {
  switch (entity.type) {
    case "org":
      return {
        name: entity.name,
        org_type: entity.orgType,
        identifier: entity.identifier,
        parent_id: entity.parentSourcedId,
      };
    case "academicSession":
      return {
        title: entity.title,
        session_type: entity.sessionType,
        start_date: entity.startDate,
        end_date: entity.endDate,
        parent_id: entity.parentSourcedId,
        school_year: entity.schoolYear,
      };
    case "course":
      return {
        title: entity.title,
        course_code: entity.courseCode,
        org_id: entity.orgSourcedId,
        school_year_id: entity.schoolYearSourcedId,
        ...subjects(entity),
      };
    case "class":
      return classColumns(entity);
    case "user":
      return userColumns(entity);
    case "role":
      return {
        user_id: entity.userSourcedId,
        role: entity.role,
        role_type: entity.roleType,
        org_id: entity.orgSourcedId,
        begin_date: entity.beginDate,
        end_date: entity.endDate,
      };
    case "enrollment":
      return {
        class_id: entity.classSourcedId,
        user_id: entity.userSourcedId,
        school_id: entity.schoolSourcedId,
        role: entity.role,
        is_primary: entity.primary,
        begin_date: entity.beginDate,
        end_date: entity.endDate,
      };
    case "resource":
      return {
        vendor_resource_id: entity.vendorResourceId,
        title: entity.title,
        importance: entity.importance,
        vendor_id: entity.vendorId,
        application_id: entity.applicationId,
      };
    case "classResource":
      return { class_id: entity.classSourcedId, resource_id: entity.resourceSourcedId };
    case "courseResource":
      return { course_id: entity.courseSourcedId, resource_id: entity.resourceSourcedId };
    case "demographics":
      return null;
    default:
      return unreachable(entity);
  }
}

function classColumns(entity: Extract<Entity, { readonly type: "class" }>): Row {
  return {
    title: entity.title,
    class_code: entity.classCode,
    class_type: entity.classType,
    location: entity.location,
    course_id: entity.courseSourcedId,
    school_id: entity.schoolSourcedId,
    term_ids: entity.termSourcedIds,
    periods: entity.periods,
    ...subjects(entity),
  };
}

function userColumns(user: Extract<Entity, { readonly type: "user" }>): Row {
  return {
    enabled: user.enabledUser,
    username: user.username,
    user_ids: user.userIds,
    given_name: user.givenName,
    family_name: user.familyName,
    middle_name: user.middleName,
    preferred_given_name: user.preferredGivenName,
    preferred_family_name: user.preferredFamilyName,
    identifier: user.identifier,
    email: user.email,
    grades: user.grades,
    primary_org_id: user.primaryOrgSourcedId,
  };
}

function subjects(entity: {
  readonly grades: readonly string[];
  readonly subjects: readonly string[];
  readonly subjectCodes: readonly string[];
}): Row {
  return { grades: entity.grades, subjects: entity.subjects, subject_codes: entity.subjectCodes };
}
