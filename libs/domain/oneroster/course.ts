// courses.csv: what is taught, of which classes are the occurrences.

import { common, optional, requiredInCsv, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";

export const course = {
  type: "course",
  record: "Course",
  file: { "1.1": "courses", "1.2": "courses" },
  doc: "A course of study, taught as one or more classes.",
  fields: [
    ...common,
    {
      name: "schoolYearSourcedId",
      kind: "ref",
      to: "academicSession",
      toType: "schoolYear",
      need: optional,
      doc: "The school year to which the course belongs.",
    },
    { name: "title", kind: "string", need: required, doc: "Title of the course." },
    { name: "courseCode", kind: "string", need: optional, doc: "The source's code of the course." },
    { name: "grades", kind: "stringList", need: optional, doc: "Grades for which the course is meant." },
    {
      name: "orgSourcedId",
      kind: "ref",
      to: "org",
      need: requiredInCsv,
      doc: "The organisation that offers the course. Required in CSV, optional in REST.",
    },
    { name: "subjects", kind: "stringList", need: optional, doc: "Subject names, in the order of subjectCodes." },
    { name: "subjectCodes", kind: "stringList", need: optional, doc: "Subject codes, in the order of subjects." },
  ],
} as const satisfies EntityDescription;

export type Course = EntityOf<typeof course>;
