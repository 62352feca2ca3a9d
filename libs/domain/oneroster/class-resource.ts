// classResources.csv: which resources a class uses.

import { common, optional, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";

export const classResource = {
  type: "classResource",
  record: "ClassResource",
  file: { "1.1": "classResources", "1.2": "classResources" },
  doc: "The use of a resource by a class.",
  fields: [
    ...common,
    { name: "title", kind: "string", need: optional, doc: "Title of the use." },
    { name: "classSourcedId", kind: "ref", to: "class", need: required, doc: "The class." },
    { name: "resourceSourcedId", kind: "ref", to: "resource", need: required, doc: "The resource." },
  ],
} as const satisfies EntityDescription;

export type ClassResource = EntityOf<typeof classResource>;
