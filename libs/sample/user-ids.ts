// The ids of people. They are of one length and begin with the kind, so that ids sort as slots do; after the great
// renaming they begin with something that sorts behind all others.

import { type District, digits } from "./district.ts";
import type { World } from "./presence.ts";

export type PersonKind = "guardian" | "student" | "teacher";

const letters: Readonly<Record<PersonKind, string>> = { guardian: "g", student: "s", teacher: "t" };

/** One student in so many has a guardian, and one has demographics. */
export const studentsPerGuardian = 10;

export function guardiansOf(of: District): number {
  return Math.ceil(of.students / studentsPerGuardian);
}

/** The student whose guardian this is. */
export function studentOf(guardian: number): number {
  return guardian * studentsPerGuardian;
}

/** What ids of a person are made from; it stays when ids are renamed. */
export function personNumber(kind: PersonKind, slot: number): string {
  return `${letters[kind]}${digits(slot, 7)}`;
}

/** The sourcedId of a person in this world. */
export function userId(kind: PersonKind, slot: number, world: World): string {
  return world.renamed ? `v2-${personNumber(kind, slot)}` : personNumber(kind, slot);
}
