// What servers send, and what becomes of it: an item differs from a good one in some properties, and turns into an entity
// with some fields, or is refused, or cannot be told to be anybody's.

import type { Collection } from "../../libs/domain/api/collections.ts";
import type { EntityType } from "../../libs/domain/oneroster/entity-types.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";

export type Properties = Readonly<Record<string, unknown>>;

/** `no key`: it suspends deletion by absence. */
export type Becomes = Properties | "refused" | "deleted" | "nothing" | "no key";

/** What it is; properties that take the place of those of a good item; what it becomes; codes that are told. */
export type Case = readonly [string, Properties, Becomes, ...(readonly string[])];

export type Group = {
  readonly collection: Collection;
  readonly version: Version;
  readonly item: Properties;
  /** Type and id of the entity that is looked at. */
  readonly type: EntityType;
  readonly id?: string;
  readonly cases: readonly Case[];
};

const ref = (sourcedId: unknown): Properties => ({ href: "~/x", sourcedId, type: "org" });
const made = (more: Properties): Properties => ({ roleType: "primary", role: "teacher", org: ref("o1"), ...more });

const org = { sourcedId: "x", name: "North", type: "school" };
const session = {
  sourcedId: "x",
  title: "T",
  type: "term",
  startDate: "2025-08-01",
  endDate: "2026-06-01",
  schoolYear: "2026",
};
const course = { sourcedId: "x", title: "Art", courseCode: "A", org: ref("o1") };
const classItem = { sourcedId: "x", title: "Art 1", school: ref("o1"), course: ref("c1"), terms: [ref("t1")] };
const person = { sourcedId: "x", username: "u", givenName: "A", familyName: "B", enabledUser: "true" };
const user11 = { ...person, role: "student", orgs: [ref("o1")] };
const user12 = { ...person, roles: [made({})] };
const enrollment = { sourcedId: "x", user: ref("u1"), class: ref("k1"), school: ref("o1"), role: "student" };
const resource = { sourcedId: "x", vendorResourceId: "v" };
const v11 = { version: "1.1" } as const;
const v12 = { version: "1.2" } as const;

export const groups: readonly Group[] = [
  {
    ...v11,
    collection: "orgs",
    item: org,
    type: "org",
    cases: [
      ["null for absent", { identifier: null, parent: null }, { identifier: null, parentSourcedId: null }],
      ["an empty text for absent", { identifier: "", parent: "" }, { identifier: null, parentSourcedId: null }],
      ["a reference as the standard has it", { parent: ref("d1") }, { parentSourcedId: "d1" }],
      ["a reference that is the id alone", { parent: "d1" }, { parentSourcedId: "d1" }],
      ["a reference that is a number", { parent: 17 }, { parentSourcedId: "17" }],
      ["a reference in other letter case", { parent: { SourcedId: "d1" } }, { parentSourcedId: "d1" }],
      ["an empty shell", { parent: { href: "", sourcedId: null, type: "org" } }, { parentSourcedId: null }],
      ["a reference in an array of one", { parent: [ref("d1")] }, { parentSourcedId: "d1" }],
      ["a reference without an id", { parent: { href: "~/orgs/d1" } }, "refused", "row.form"],
      ["a reference whose id is a boolean", { parent: ref(true) }, "refused", "row.form"],
      ["a reference that is a boolean", { parent: true }, "refused", "row.form"],
      ["two references for one", { parent: [ref("a"), ref("b")] }, "refused", "row.form"],
      ["an object where a text is due", { name: { en: "North" } }, "refused", "row.form"],
      ["a number where a text is due", { identifier: 170993 }, { identifier: "170993" }],
      ["no name", { name: null }, "refused", "row.required"],
      ["an unknown property", { colour: { deep: [1] } }, { name: "North" }],
      ["a token in other letter case", { type: "School" }, { orgType: "school" }, "row.enum_case"],
      ["a status that is active", { status: "active" }, { name: "North" }],
      ["a status that deletes", { status: "tobedeleted" }, "deleted"],
      ["a status that is none", { status: "gone" }, "refused", "row.enum"],
      ["a status of another kind", { status: { value: "active" } }, "refused", "row.enum"],
      ["a time that is none", { dateLastModified: {} }, { dateLastModified: null }, "row.datetime"],
      ["seven decimals", { dateLastModified: "1970-01-01T00:00:01.0000000Z" }, { dateLastModified: 1000 }],
      ["metadata as text", { metadata: { text: "a,b" } }, { metadata: [{ name: "text", value: "a,b" }] }],
      ["metadata as number", { metadata: { number: 3 } }, { metadata: [{ name: "number", value: "3" }] }],
      ["metadata as boolean", { metadata: { flag: true } }, { metadata: [{ name: "flag", value: "true" }] }],
      [
        "metadata within",
        { metadata: { n: { a: [1, null] } } },
        { metadata: [{ name: "n", value: '{"a":[1,null]}' }] },
      ],
      ["metadata of no column, or none", { metadata: { other: "x", text: null } }, { metadata: [] }],
      ["metadata that is an empty array", { metadata: [] }, { metadata: [] }],
      ["all in other letter case", { sourcedId: undefined, SourcedId: "x", NAME: "S", name: "" }, { name: "S" }],
      ["no id", { sourcedId: undefined }, "no key", "row.key"],
      ["an id that is null", { sourcedId: null }, "no key", "row.key"],
      ["an id that is an object", { sourcedId: {} }, "no key", "row.key"],
      ["an id that is a boolean", { sourcedId: true }, "no key", "row.key"],
      ["an id that is too long", { sourcedId: "x".repeat(256) }, "no key", "row.key"],
    ],
  },
  {
    ...v11,
    collection: "orgs",
    item: org,
    type: "org",
    id: "99",
    cases: [["an id that is a number", { sourcedId: 99 }, { name: "North" }]],
  },
  {
    ...v11,
    collection: "academicSessions",
    item: session,
    type: "academicSession",
    cases: [
      ["a year that is a number", { schoolYear: 2026 }, { schoolYear: 2026 }],
      ["a day with a time", { startDate: "2025-08-02T00:00:00Z" }, { startDate: "2025-08-02" }, "row.date_time"],
      ["a day that is a number", { startDate: 1754000000 }, "refused", "row.date"],
      ["a parent session", { parent: ref("y1") }, { parentSourcedId: "y1" }],
    ],
  },
  {
    ...v11,
    collection: "courses",
    item: course,
    type: "course",
    cases: [
      ["a course of a year", { schoolYear: ref("y1") }, { schoolYearSourcedId: "y1", orgSourcedId: "o1" }],
      ["a course of nobody", { org: null }, { orgSourcedId: null }],
    ],
  },
  {
    ...v11,
    collection: "classes",
    item: classItem,
    type: "class",
    cases: [
      ["its references", {}, { schoolSourcedId: "o1", courseSourcedId: "c1", termSourcedIds: ["t1"] }],
      ["periods that are one text", { periods: "1,2" }, { periods: ["1,2"] }],
      ["a list whose items have commas", { subjects: ["Art, old", "Music"] }, { subjects: ["Art, old", "Music"] }],
      ["a list with blanks", { grades: ["", "01", null] }, { grades: ["01"] }, "row.list"],
      ["a list of nothing", { terms: [null], grades: [] }, { termSourcedIds: [], grades: [] }],
      ["a list of numbers", { terms: ["t1", 2], grades: [1] }, { termSourcedIds: ["t1", "2"], grades: ["1"] }],
      ["a list with an item of another kind", { grades: ["01", {}] }, "refused", "row.form"],
      ["a list with the mark between items", { grades: ["01\u001f02"] }, "refused", "row.form"],
      ["a reference without an id among others", { terms: [ref("t1"), { href: "x" }] }, "refused", "row.form"],
      ["without what only CSV demands", { course: null, terms: undefined }, { courseSourcedId: null, classType: null }],
      ["a class without a school", { school: null }, "refused", "row.required"],
    ],
  },
  {
    ...v11,
    collection: "users",
    item: user11,
    type: "user",
    cases: [
      ["a boolean of JSON", { enabledUser: false }, { enabledUser: false }],
      ["a boolean as a text", { enabledUser: "False" }, { enabledUser: false }, "row.boolean_case"],
      ["a boolean that is none", { enabledUser: "yes" }, "refused", "row.boolean"],
      ["1.1 says nothing of access", { enabledUser: undefined }, { enabledUser: true }],
      ["no username", { username: null }, { username: null }],
      ["a password", { password: "secret" }, { username: "u" }],
      [
        "ids with commas, braces and colons",
        {
          userIds: [
            { type: "A", identifier: "cn=a,ou={b}:c" },
            { type: "B", identifier: 12 },
          ],
        },
        {
          userIds: [
            { type: "A", identifier: "cn=a,ou={b}:c" },
            { type: "B", identifier: "12" },
          ],
        },
      ],
      [
        "ids that are not whole",
        { userIds: [{ type: "A" }, "{B:b}"] },
        { userIds: [{ type: "B", identifier: "b" }] },
        "row.userIds_form",
      ],
      ["agents", { agents: [ref("g1"), "g2"] }, { agentSourcedIds: ["g1", "g2"] }],
      ["no orgs", { orgs: [] }, "refused", "row.required"],
      ["two roles", { role: ["teacher", "student"] }, "refused", "row.form"],
    ],
  },
  {
    ...v11,
    collection: "users",
    item: user11,
    type: "role",
    id: "~x~student~o2",
    cases: [
      ["a role for each org", { orgs: [ref("o1"), ref("o2")] }, { role: "student", orgSourcedId: "o2" }],
      ["a role in an array", { role: ["student"], orgs: "o2" }, { role: "student", orgSourcedId: "o2" }],
    ],
  },
  {
    ...v12,
    collection: "users",
    item: user12,
    type: "user",
    cases: [
      [
        "names as the API has them",
        { preferredFirstName: "Al", preferredMiddleName: "M", preferredLastName: "Bo" },
        { preferredGivenName: "Al", preferredMiddleName: "M", preferredFamilyName: "Bo" },
      ],
      ["names as CSV has them", { preferredGivenName: "Al" }, { preferredGivenName: "Al" }],
      ["a primary org", { primaryOrg: ref("o1") }, { primaryOrgSourcedId: "o1" }],
      ["1.2 says nothing of access", { enabledUser: undefined }, "refused", "row.required"],
    ],
  },
  {
    ...v12,
    collection: "users",
    item: user12,
    type: "role",
    id: "~x~teacher~o1",
    cases: [
      [
        "a role",
        { roles: [made({ beginDate: "2025-08-01" })] },
        { roleType: "primary", role: "teacher", orgSourcedId: "o1", userSourcedId: "x", beginDate: "2025-08-01" },
      ],
      ["roles that are no list", { roles: made({}) }, { role: "teacher" }],
      ["a role in other letter case", { roles: [made({ role: "Teacher" })] }, { role: "teacher" }],
      [
        "its properties in other letter case",
        { roles: [{ RoleType: "primary", Role: "teacher", Org: "o1" }] },
        { role: "teacher" },
      ],
      ["a role of someone who is deleted", { status: "tobedeleted" }, "deleted"],
      ["a role of no type", { roles: [made({ roleType: null })] }, "refused", "row.required"],
      ["a role without an org", { roles: [made({ org: null })] }, "no key", "row.key"],
      ["a role that is a text", { roles: ["teacher"] }, "no key", "row.key"],
      ["a role of someone without an id", { sourcedId: null }, "no key", "row.key"],
      ["roles that are null", { roles: null }, "no key", "row.key"],
      ["roles that are not told", { roles: undefined }, "no key", "row.key"],
      ["an empty list of roles", { roles: [] }, "nothing"],
      ["roles in other letter case than the id", { roles: undefined, Roles: [made({})] }, { role: "teacher" }],
      ["the exact name before another", { Roles: [made({ role: "student" })] }, { role: "teacher" }],
      ["the exact name blank", { Roles: [made({})], roles: null }, { role: "teacher" }],
    ],
  },
  {
    ...v12,
    collection: "users",
    item: user12,
    type: "role",
    id: "~x~teacher~o1~2",
    cases: [
      ["a role twice in one org", { roles: [made({}), made({ roleType: "secondary" })] }, { roleType: "secondary" }],
    ],
  },
  {
    ...v12,
    collection: "users",
    item: user12,
    type: "role",
    id: "~x~wizard~o1",
    cases: [["a role of no vocabulary", { roles: [made({ role: "wizard" })] }, "refused", "row.enum"]],
  },
  {
    ...v12,
    collection: "enrollments",
    item: enrollment,
    type: "enrollment",
    cases: [
      ["its references", {}, { userSourcedId: "u1", classSourcedId: "k1", schoolSourcedId: "o1" }],
      ["a primary teacher", { primary: "true", role: "teacher" }, { primary: true, role: "teacher" }],
      ["a day with a time", { beginDate: "2025-08-01T00:00:00.000Z" }, { beginDate: "2025-08-01" }, "row.date_time"],
    ],
  },
  {
    ...v11,
    collection: "resources",
    item: resource,
    type: "resource",
    cases: [
      ["a role that is one text", { role: "teacher" }, { roles: ["teacher"] }],
      ["roles", { roles: ["teacher", "student"], importance: "primary" }, { roles: ["teacher", "student"] }],
    ],
  },
  {
    ...v12,
    collection: "classes",
    item: classItem,
    type: "classResource",
    id: "~x~r%7E1",
    cases: [
      ["the use of a resource", { resources: [ref("r~1")] }, { classSourcedId: "x", resourceSourcedId: "r~1" }],
      ["the use of nothing", { resources: [{ href: "x" }] }, "no key", "row.key"],
    ],
  },
  {
    ...v11,
    collection: "courses",
    item: course,
    type: "courseResource",
    id: "~x~r1",
    cases: [["the use of a resource", { resources: ["r1"] }, { courseSourcedId: "x", resourceSourcedId: "r1" }]],
  },
  {
    ...v12,
    collection: "demographics",
    item: { sourcedId: "x" },
    type: "demographics",
    cases: [
      [
        "texts and booleans",
        { sex: "female", asian: true, white: "false" },
        { sex: "female", asian: true, white: false },
      ],
    ],
  },
];
