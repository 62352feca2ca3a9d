// academicSessions.csv: school years, semesters, terms and grading periods.

import { common, optional, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { sessionType } from "./enumerations.ts";

export const academicSession = {
  type: "academicSession",
  record: "AcademicSession",
  file: { "1.1": "academicSessions", "1.2": "academicSessions" },
  doc: "A span of time in which teaching happens.",
  fields: [
    ...common,
    { name: "title", kind: "string", need: required, doc: "Title of the session." },
    {
      name: "sessionType",
      column: "type",
      kind: "enum",
      enumeration: sessionType,
      need: required,
      doc: "What kind of session it is: gradingPeriod, semester, schoolYear, term or an ext: token.",
    },
    { name: "startDate", kind: "date", need: required, doc: "First day, YYYY-MM-DD, inclusive." },
    { name: "endDate", kind: "date", need: required, doc: "Day after the last, YYYY-MM-DD, exclusive." },
    {
      name: "parentSourcedId",
      kind: "ref",
      to: "academicSession",
      need: optional,
      doc: "The session of which this one is a part.",
    },
    {
      name: "schoolYear",
      kind: "year",
      need: required,
      doc: "Calendar year in which the school year ends: 2025 for 2024/25.",
    },
  ],
} as const satisfies EntityDescription;

export type AcademicSession = EntityOf<typeof academicSession>;
