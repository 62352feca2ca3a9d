// The entity types that Rollcall carries, in dependency order: a type refers only to itself and to types before it.
// Upserts run in this order and deletes in the reverse.

export const entityTypes = [
  "org",
  "academicSession",
  "course",
  "class",
  "user",
  "role",
  "demographics",
  "enrollment",
  "resource",
  "classResource",
  "courseResource",
] as const;

export type EntityType = (typeof entityTypes)[number];

const known: ReadonlySet<string> = new Set(entityTypes);

/** Whether the text is the name of an entity type; keys of other kinds are skipped by readers. */
export function isEntityType(text: string): text is EntityType {
  return known.has(text);
}
