// From the tally of a file to what may be concluded about its entity type.
// It keeps true that absence is concluded only from a complete, non-empty bulk file all of whose rows are accounted for.

import type { FileMode } from "../domain/manifest.ts";
import type { EntityType } from "../domain/oneroster/entity-types.ts";
import { emptyTally, type Tally } from "./judge-file.ts";
import type { TypeVerdict, Verdict } from "./verdict.ts";

const nothing: TypeVerdict = typeVerdict(emptyTally(), "absent", false);

/** The verdict of each type of a set of which nothing was read. */
export function noTypes(): Verdict["types"] {
  return typesWith(() => nothing);
}

/** One verdict for each type. */
export function typesWith(verdictOf: (type: EntityType) => TypeVerdict): Verdict["types"] {
  return {
    org: verdictOf("org"),
    academicSession: verdictOf("academicSession"),
    course: verdictOf("course"),
    class: verdictOf("class"),
    user: verdictOf("user"),
    role: verdictOf("role"),
    demographics: verdictOf("demographics"),
    enrollment: verdictOf("enrollment"),
    resource: verdictOf("resource"),
    classResource: verdictOf("classResource"),
    courseResource: verdictOf("courseResource"),
  };
}

/** @param withheld whether the rows were checked and kept back: what is kept back deletes nothing either. */
export function typeVerdict(tally: Tally, mode: FileMode, withheld: boolean): TypeVerdict {
  const { rows, entities, deletes, rejects, repeats, claimed, suspended, complete } = tally;
  const absence = mode === "bulk" && complete && rows > 0 && !suspended && !withheld;
  return {
    mode,
    rows,
    entities,
    deletes,
    rejects,
    repeats,
    claimed,
    suspended,
    complete,
    absence,
    derived: false,
    withheld,
  };
}

/** Roles of 1.1 come from the rows of users: what may be concluded of those may be concluded of these. */
export function derivedRoles(users: TypeVerdict, derived: number): TypeVerdict {
  return { ...users, rows: 0, entities: derived, deletes: 0, rejects: 0, repeats: 0, claimed: 0, derived: true };
}
