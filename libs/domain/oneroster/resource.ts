// resources.csv: digital or printed material that classes and courses use.

import { common, optional, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { importance, resourceRole } from "./enumerations.ts";

export const resource = {
  type: "resource",
  record: "Resource",
  file: { "1.1": "resources", "1.2": "resources" },
  doc: "A learning resource.",
  fields: [
    ...common,
    { name: "vendorResourceId", kind: "id", need: required, doc: "The vendor's own id of the resource." },
    { name: "title", kind: "string", need: optional, doc: "Title of the resource." },
    {
      name: "roles",
      kind: "enumList",
      enumeration: resourceRole,
      need: optional,
      doc: "The roles of the people for whom it is meant.",
    },
    { name: "importance", kind: "enum", enumeration: importance, need: optional, doc: "primary or secondary." },
    { name: "vendorId", kind: "id", need: optional, doc: "The vendor's id, given by 1EdTech." },
    { name: "applicationId", kind: "id", need: optional, doc: "The application's id, given by the vendor." },
  ],
} as const satisfies EntityDescription;

export type Resource = EntityOf<typeof resource>;
