// enrollments.csv: who is in a class, and as what. The largest file of a set.

import { common, optional, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { enrollmentRole } from "./enumerations.ts";

export const enrollment = {
  type: "enrollment",
  record: "Enrollment",
  file: { "1.1": "enrollments", "1.2": "enrollments" },
  doc: "A user's place in a class.",
  fields: [
    ...common,
    { name: "classSourcedId", kind: "ref", to: "class", need: required, doc: "The class." },
    {
      name: "schoolSourcedId",
      kind: "ref",
      to: "org",
      toType: "school",
      need: required,
      doc: "The school in which the class is taught.",
    },
    { name: "userSourcedId", kind: "ref", to: "user", need: required, doc: "The person." },
    {
      name: "role",
      kind: "enum",
      enumeration: enrollmentRole,
      need: required,
      doc: "administrator, proctor, student, teacher or an ext: token.",
    },
    {
      name: "primary",
      kind: "boolean",
      need: optional,
      doc: "Whether this is the primary teacher of the class; for teachers only.",
    },
    { name: "beginDate", kind: "date", need: optional, doc: "First day, YYYY-MM-DD, inclusive." },
    { name: "endDate", kind: "date", need: optional, doc: "Day after the last, YYYY-MM-DD, exclusive." },
  ],
} as const satisfies EntityDescription;

export type Enrollment = EntityOf<typeof enrollment>;
