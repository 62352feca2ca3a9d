// Where values that were read by a description become typed entities: the only casts of the domain beside the ids.
// The types follow from the same descriptions, so a value that its field's reader returned is of its field's type.

import type { SourcedId } from "../ids.ts";
import type { Entity } from "./entities.ts";
import type { Role } from "./role.ts";

/** The entity whose fields hold the given values; each must come from the reader of its field. */
export function entityOf(values: Readonly<Record<string, unknown>>): Entity {
  return values as Entity;
}

/** A token that the reader of `users.role` returned. */
export function roleToken(value: unknown): Role["role"] {
  return value as Role["role"];
}

/** The ids that the reader of a list of references returned. */
export function referenceList(value: unknown): readonly SourcedId[] {
  return value as readonly SourcedId[];
}

/** An id that we make of other ids. It may be longer than 255 characters, which a delivered one may not. */
export function madeSourcedId(text: string): SourcedId {
  return text as SourcedId;
}
