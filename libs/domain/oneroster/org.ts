// orgs.csv: the district, its schools, and what stands above and between them.

import { common, optional, required } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { orgType } from "./enumerations.ts";

export const org = {
  type: "org",
  record: "Org",
  file: { "1.1": "orgs", "1.2": "orgs" },
  doc: "An organisation: a district, a school, a department.",
  fields: [
    ...common,
    { name: "name", kind: "string", need: required, doc: "Name of the organisation." },
    {
      name: "orgType",
      column: "type",
      kind: "enum",
      enumeration: orgType,
      need: required,
      doc: "What kind of organisation it is: department, school, district, local, state, national or an ext: token.",
    },
    {
      name: "identifier",
      kind: "string",
      need: optional,
      doc: "A human-readable id, in the US the NCES id; kept as delivered, leading zeros included.",
    },
    { name: "parentSourcedId", kind: "ref", to: "org", need: optional, doc: "The organisation above this one." },
  ],
} as const satisfies EntityDescription;

export type Org = EntityOf<typeof org>;
