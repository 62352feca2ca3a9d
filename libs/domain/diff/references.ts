// What an entity refers to, and which of its fields changed: both read off the entity's description.

import { type Entity, descriptionOf } from "../oneroster/entities.ts";
import { type EntityType, isEntityType } from "../oneroster/entity-types.ts";
import { modelFields } from "../oneroster/description.ts";

export type Reference = { readonly type: EntityType; readonly sourcedId: string };

/** Every reference of an entity to another; demographics refer to their user by their own id. */
export function referencesOf(entity: Entity): readonly Reference[] {
  const references: Reference[] = [];
  for (const field of descriptionOf(entity.type).fields) {
    if (!("to" in field) || field.to === undefined || !isEntityType(field.to)) continue;
    const value: unknown = Reflect.get(entity, field.name);
    for (const sourcedId of Array.isArray(value) ? value : [value])
      if (typeof sourcedId === "string") references.push({ type: field.to, sourcedId });
  }
  return references;
}

/** Names of the fields in which two states of one entity differ, sorted; `dateLastModified` alone is no change. */
export function changedFields(before: Entity, after: Entity): readonly string[] {
  const names = modelFields(descriptionOf(after.type)).map((field) => field.name);
  return [...names, "metadata"]
    .filter((name) => name !== "dateLastModified" && !sameValue(Reflect.get(before, name), Reflect.get(after, name)))
    .toSorted();
}

function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
