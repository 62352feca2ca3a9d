// Which tables the collections of an API become, and which property of an item each column comes from.
// It keeps true: every column that an item can fill is there, and a password never is.

import type { Collection } from "../../domain/api/collections.ts";
import { columnName, columnsOf, type Field } from "../../domain/oneroster/description.ts";
import { descriptionOf } from "../../domain/oneroster/entities.ts";
import type { EntityType } from "../../domain/oneroster/entity-types.ts";
import type { Version } from "../../domain/oneroster/enumerations.ts";

/** The tables of a collection; behind the first those that are made from parts of its items. */
export const tables: Readonly<Record<Collection, readonly EntityType[]>> = {
  orgs: ["org"],
  academicSessions: ["academicSession"],
  courses: ["course", "courseResource"],
  classes: ["class", "classResource"],
  users: ["user", "role"],
  enrollments: ["enrollment"],
  demographics: ["demographics"],
  resources: ["resource"],
};

/**
 * The types that a collection fills. Roles of 1.1 are no table: as with CSV, each row of users says its own. Uses of
 * resources are read where resources are: alone, they would refer to nothing.
 */
export function typesOf(
  collection: Collection,
  {
    version,
    collections,
  }: { readonly version: Version; readonly collections: readonly { readonly name: Collection }[] },
): readonly EntityType[] {
  const hasResources = collections.some(({ name }) => name === "resources");
  return tables[collection].filter((type) => {
    if (descriptionOf(type).file[version] === null) return false;
    return hasResources || (type !== "classResource" && type !== "courseResource");
  });
}

/** Whether the table is made from parts of the items of another. */
export function isMade(type: EntityType): boolean {
  return !Object.values(tables).some(([own]) => own === type);
}

export type RestColumn = {
  readonly field: Field;
  /** Names of the property: the first that has a value counts. */
  readonly properties: readonly string[];
};

/** Columns whose property has another name than rule or column say; the binding's name first. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  preferredGivenName: ["preferredFirstName"],
  preferredFamilyName: ["preferredLastName"],
  // OpenAPI of 1.1 has it in the singular.
  roles: ["roles", "role"],
};

/** The columns of a table, in the order of its header. */
export function restColumns(type: EntityType, version: Version): readonly RestColumn[] {
  return columnsOf(descriptionOf(type), version)
    .filter(({ sensitivity, need }) => sensitivity !== "secret" && need.rest !== null)
    .map((field) => ({ field, properties: propertiesOf(field) }));
}

/** `parentSourcedId` is the reference `parent`, `termSourcedIds` are the references `terms`. */
function propertiesOf(field: Field): readonly string[] {
  const column = columnName(field);
  if (field.kind === "ref") return [column.slice(0, -"SourcedId".length)];
  if (field.kind === "refList") return [`${column.slice(0, -"SourcedIds".length)}s`];
  const others = otherNames[column] ?? [];
  return others.includes(column) ? others : [...others, column];
}
