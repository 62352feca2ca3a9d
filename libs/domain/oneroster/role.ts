// roles.csv of 1.2: a person's role in one organisation. For 1.1 the same entities are derived from users.csv.

import { deltaSince12, optionalSince12, requiredSince12, sourcedId, status, dateLastModified } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { role as roleTokens, roleType } from "./enumerations.ts";

export const role = {
  type: "role",
  record: "Role",
  file: { "1.1": null, "1.2": "roles" },
  doc: "The role of a user in an organisation.",
  fields: [
    { ...sourcedId, need: requiredSince12 },
    { ...status, need: deltaSince12 },
    { ...dateLastModified, need: deltaSince12 },
    { name: "userSourcedId", kind: "ref", to: "user", need: requiredSince12, doc: "The person." },
    {
      name: "roleType",
      kind: "enum",
      enumeration: roleType,
      need: requiredSince12,
      doc: "primary or secondary; at most one primary per user and organisation.",
    },
    {
      name: "role",
      kind: "enum",
      enumeration: roleTokens,
      need: requiredSince12,
      doc: "The role: a token of the version's vocabulary or an ext: token.",
    },
    { name: "beginDate", kind: "date", need: optionalSince12, doc: "First day, YYYY-MM-DD, inclusive." },
    { name: "endDate", kind: "date", need: optionalSince12, doc: "Day after the last, YYYY-MM-DD, exclusive." },
    { name: "orgSourcedId", kind: "ref", to: "org", need: requiredSince12, doc: "The organisation." },
    {
      name: "userProfileSourcedId",
      kind: "ref",
      to: "userProfile",
      need: optionalSince12,
      doc: "The profile that goes with the role; profiles themselves are not carried.",
    },
  ],
} as const satisfies EntityDescription;

export type Role = EntityOf<typeof role>;
