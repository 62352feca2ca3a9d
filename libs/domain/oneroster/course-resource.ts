// courseResources.csv: which resources a course uses.

import { common, optional, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";

export const courseResource = {
  type: "courseResource",
  record: "CourseResource",
  file: { "1.1": "courseResources", "1.2": "courseResources" },
  doc: "The use of a resource by a course.",
  fields: [
    ...common,
    { name: "title", kind: "string", need: optional, doc: "Title of the use." },
    { name: "courseSourcedId", kind: "ref", to: "course", need: required, doc: "The course." },
    { name: "resourceSourcedId", kind: "ref", to: "resource", need: required, doc: "The resource." },
  ],
} as const satisfies EntityDescription;

export type CourseResource = EntityOf<typeof courseResource>;
