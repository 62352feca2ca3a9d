// classes.csv: a course as it is taught to one group, in one school, over some terms.

import { common, optional, required, requiredInCsv } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { classType } from "./enumerations.ts";

export const classDescription = {
  type: "class",
  record: "Class",
  file: { "1.1": "classes", "1.2": "classes" },
  doc: "A class: one group that is taught together.",
  fields: [
    ...common,
    { name: "title", kind: "string", need: required, doc: "Title of the class." },
    { name: "grades", kind: "stringList", need: optional, doc: "Grades of the students." },
    {
      name: "courseSourcedId",
      kind: "ref",
      to: "course",
      need: requiredInCsv,
      doc: "The course of which this is an occurrence.",
    },
    { name: "classCode", kind: "string", need: optional, doc: "The source's code of the class." },
    {
      name: "classType",
      kind: "enum",
      enumeration: classType,
      need: requiredInCsv,
      doc: "homeroom, scheduled or an ext: token. Required in CSV, optional in REST.",
    },
    { name: "location", kind: "string", need: optional, doc: "Where the class meets." },
    {
      name: "schoolSourcedId",
      kind: "ref",
      to: "org",
      toType: "school",
      need: required,
      doc: "The school that teaches the class.",
    },
    {
      name: "termSourcedIds",
      kind: "refList",
      to: "academicSession",
      need: requiredInCsv,
      doc: "The sessions over which the class runs, as delivered.",
    },
    { name: "subjects", kind: "stringList", need: optional, doc: "Subject names, in the order of subjectCodes." },
    { name: "subjectCodes", kind: "stringList", need: optional, doc: "Subject codes, in the order of subjects." },
    { name: "periods", kind: "stringList", need: optional, doc: "Periods of the day in which the class meets." },
  ],
} as const satisfies EntityDescription;

export type Class = EntityOf<typeof classDescription>;
