// users.csv: students, staff, parents. Passwords are read past, in every version.
// In 1.1 the row also carries one role and its organisations; canonically those are role entities (derived-role.ts).

import { common, optional, optionalIn120, optionalSince12, required, requiredIn11, requiredInCsv } from "./common.ts";
import type { EntityDescription, EntityOf } from "./description.ts";
import { role } from "./enumerations.ts";

export const user = {
  type: "user",
  record: "User",
  file: { "1.1": "users", "1.2": "users" },
  doc: "A person.",
  fields: [
    ...common,
    {
      name: "enabledUser",
      kind: "boolean",
      need: required,
      doc: "Whether the person may use systems; false curtails access of an active record.",
    },
    {
      name: "orgSourcedIds",
      kind: "refList",
      to: "org",
      need: requiredIn11,
      kept: "derived",
      doc: "1.1 only: the organisations in which the person has the role; each becomes a role entity.",
    },
    {
      name: "role",
      kind: "enum",
      enumeration: role,
      need: requiredIn11,
      kept: "derived",
      doc: "1.1 only: the role of the person in those organisations.",
    },
    {
      name: "username",
      kind: "string",
      need: requiredInCsv,
      sensitivity: "personal",
      doc: "Sign-in name. Required in CSV, optional in REST.",
    },
    {
      name: "userIds",
      kind: "userIds",
      need: optional,
      sensitivity: "personal",
      doc: "Ids of the person in other systems.",
    },
    { name: "givenName", kind: "string", need: required, sensitivity: "personal", doc: "Given name." },
    { name: "familyName", kind: "string", need: required, sensitivity: "personal", doc: "Family name." },
    {
      name: "middleName",
      kind: "string",
      need: optional,
      sensitivity: "personal",
      doc: "Middle names, separated by spaces.",
    },
    {
      name: "identifier",
      kind: "string",
      need: optional,
      sensitivity: "personal",
      doc: "A human-readable id, such as a student number.",
    },
    { name: "email", kind: "string", need: optional, sensitivity: "personal", doc: "Email address." },
    { name: "sms", kind: "string", need: optional, sensitivity: "personal", doc: "Number for text messages." },
    { name: "phone", kind: "string", need: optional, sensitivity: "personal", doc: "Telephone number." },
    {
      name: "agentSourcedIds",
      kind: "refList",
      to: "user",
      need: optional,
      doc: "Users related to this one, such as parents of a student.",
    },
    { name: "grades", kind: "stringList", need: optional, sensitivity: "personal", doc: "Grades of the student." },
    {
      name: "password",
      kind: "string",
      need: optional,
      kept: "never",
      sensitivity: "secret",
      doc: "Recognised and never kept.",
    },
    {
      name: "userMasterIdentifier",
      kind: "string",
      need: optionalSince12,
      sensitivity: "personal",
      doc: "The person's id across systems, since 1.2.",
    },
    {
      name: "resourceSourcedIds",
      kind: "refList",
      to: "resource",
      need: optionalIn120,
      kept: "never",
      doc: "1.2.0 only, withdrawn in 1.2.1: recognised and not kept.",
    },
    {
      name: "preferredGivenName",
      kind: "string",
      need: optionalSince12,
      sensitivity: "personal",
      doc: "Preferred given name, since 1.2.",
    },
    {
      name: "preferredMiddleName",
      kind: "string",
      need: optionalSince12,
      sensitivity: "personal",
      doc: "Preferred middle name, since 1.2.",
    },
    {
      name: "preferredFamilyName",
      kind: "string",
      need: optionalSince12,
      sensitivity: "personal",
      doc: "Preferred family name, since 1.2.",
    },
    {
      name: "primaryOrgSourcedId",
      kind: "ref",
      to: "org",
      need: optionalSince12,
      doc: "The person's main organisation, since 1.2; null for 1.1.",
    },
    { name: "pronouns", kind: "string", need: optionalSince12, sensitivity: "personal", doc: "Pronouns, since 1.2." },
  ],
} as const satisfies EntityDescription;

export type User = EntityOf<typeof user>;
