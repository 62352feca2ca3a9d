// The vocabularies of OneRoster (CSV binding, enumerations), per version.
// Vocabularies of 1.1 are closed; those of 1.2 that are marked extensible also take tokens that begin with `ext:`.

export type Version = "1.1" | "1.2";

export type Enumeration = {
  readonly name: string;
  /** Tokens in their canonical letter case. Empty where the version has no such vocabulary. */
  readonly tokens: Readonly<Record<Version, readonly string[]>>;
  /** Whether `ext:` tokens are allowed in 1.2. */
  readonly extensible: boolean;
};

const sessionTypes = ["gradingPeriod", "semester", "schoolYear", "term"] as const;
const classTypes = ["homeroom", "scheduled"] as const;
const orgTypes = ["department", "school", "district", "local", "state", "national"] as const;
const enrollmentRoles = ["administrator", "proctor", "student", "teacher"] as const;
const userRoles = ["administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"] as const;
const importances = ["primary", "secondary"] as const;

export const status = {
  name: "status",
  tokens: { "1.1": ["active", "tobedeleted"], "1.2": ["active", "tobedeleted"] },
  extensible: false,
} as const satisfies Enumeration;

export const sessionType = {
  name: "sessionType",
  tokens: { "1.1": sessionTypes, "1.2": sessionTypes },
  extensible: true,
} as const satisfies Enumeration;

export const classType = {
  name: "classType",
  tokens: { "1.1": classTypes, "1.2": classTypes },
  extensible: true,
} as const satisfies Enumeration;

export const orgType = {
  name: "orgType",
  tokens: { "1.1": orgTypes, "1.2": orgTypes },
  extensible: true,
} as const satisfies Enumeration;

/** In 1.1 the vocabulary of users.role, in 1.2 that of roles.role, which has no plain `administrator`. */
export const role = {
  name: "role",
  tokens: {
    "1.1": userRoles,
    "1.2": [
      "aide",
      "counselor",
      "districtAdministrator",
      "guardian",
      "parent",
      "principal",
      "proctor",
      "relative",
      "siteAdministrator",
      "student",
      "systemAdministrator",
      "teacher",
    ],
  },
  extensible: true,
} as const satisfies Enumeration;

export const roleType = {
  name: "roleType",
  tokens: { "1.1": [], "1.2": ["primary", "secondary"] },
  extensible: false,
} as const satisfies Enumeration;

/** Four tokens only: the other user roles are not enrolled. */
export const enrollmentRole = {
  name: "enrollmentRole",
  tokens: { "1.1": enrollmentRoles, "1.2": enrollmentRoles },
  extensible: true,
} as const satisfies Enumeration;

export const sex = {
  name: "sex",
  tokens: { "1.1": ["male", "female"], "1.2": ["male", "female", "unspecified", "other"] },
  extensible: true,
} as const satisfies Enumeration;

export const resourceRole = {
  name: "resourceRole",
  tokens: { "1.1": userRoles, "1.2": userRoles },
  extensible: true,
} as const satisfies Enumeration;

export const importance = {
  name: "importance",
  tokens: { "1.1": importances, "1.2": importances },
  extensible: false,
} as const satisfies Enumeration;
