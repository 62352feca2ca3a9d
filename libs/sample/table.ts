// What the generator needs to know of a table to write its file and its part of the ledger.
// Keeps true: slots are in the order of their sourcedIds (all of one world's form before the other's), so that
// the ledger is sorted although it is written as a stream.

import type { EntityType } from "../domain/oneroster/entity-types.ts";
import { type District, digits } from "./district.ts";
import type { World } from "./presence.ts";

/** Something that may change about an entity: its fields, and a number; when it is another, all of the fields are. */
export type Fact = {
  readonly fields: readonly string[];
  readonly state: (slot: number, world: World) => number;
};

export type Table = {
  readonly type: EntityType;
  /** How many slots; a slot is empty on a night when {@link Table.id} is null. */
  readonly slots: number;
  readonly id: (slot: number, world: World) => string | null;
  /** The cells after the first three, in the order of the version's header; only for slots that are not empty. */
  readonly cells: (slot: number, world: World) => readonly string[];
  readonly facts: readonly Fact[];
  /** The night on which something of the row changed last; changes that come from other tables may be missing. */
  readonly lastChange: (slot: number, night: number) => number;
  /** The types of the entities that refer to this one in `from` and are deleted with it on the way to `to`. */
  readonly deletedWith: (slot: number, from: World, to: World) => readonly EntityType[];
  /** Whether the ids of users are, or are part of, the ids of this table. */
  readonly renamable: boolean;
};

/** For tables whose entities nothing refers to. */
export const nothing = (): readonly EntityType[] => [];

export const sessionYearId = (of: District): string => `as-${of.schoolYear}`;
export const semesterId = (of: District, semester: number): string => `as-${of.schoolYear}-s${semester + 1}`;
export const courseId = (grade: number, period: number): string => `course-${digits(grade, 2)}-${period}`;
export const classId = (classIndex: number): string => `class-${digits(classIndex, 7)}`;
export const resourceId = (resource: number): string => `resource-${digits(resource, 2)}`;
