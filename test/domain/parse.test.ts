// Rows: what becomes an entity, a delete, a reject, and what is told of them.

import t from "tap";
import type { FindingCode } from "../../libs/domain/finding.ts";
import { compileHeader } from "../../libs/domain/header.ts";
import { columnName, columnsOf } from "../../libs/domain/oneroster/description.ts";
import { descriptionOf, type Entity } from "../../libs/domain/oneroster/entities.ts";
import type { EntityType } from "../../libs/domain/oneroster/entity-types.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";
import { type FileMode, parseRow, type RowResult } from "../../libs/domain/parse.ts";

/** Cells of a good row, by entity type and column; what is not named is blank. */
const good: Readonly<Record<EntityType, Readonly<Record<string, string>>>> = {
  org: { sourcedId: "o1", name: "North", type: "school" },
  academicSession: {
    sourcedId: "s1",
    title: "Fall",
    type: "term",
    startDate: "2024-08-15",
    endDate: "2025-01-01",
    schoolYear: "2025",
  },
  course: { sourcedId: "c1", title: "Algebra", orgSourcedId: "o1" },
  class: {
    sourcedId: "k1",
    title: "Algebra 1",
    courseSourcedId: "c1",
    classType: "scheduled",
    schoolSourcedId: "o1",
    termSourcedIds: "s1",
  },
  user: {
    sourcedId: "u1",
    enabledUser: "true",
    orgSourcedIds: "o1",
    role: "student",
    username: "ada",
    givenName: "Ada",
    familyName: "Byron",
    password: "secret",
  },
  role: { sourcedId: "r1", userSourcedId: "u1", roleType: "primary", role: "student", orgSourcedId: "o1" },
  demographics: { sourcedId: "u1", birthDate: "2010-02-03", sex: "female", asian: "true" },
  enrollment: { sourcedId: "e1", classSourcedId: "k1", schoolSourcedId: "o1", userSourcedId: "u1", role: "student" },
  resource: { sourcedId: "x1", vendorResourceId: "007", roles: "student,teacher" },
  classResource: { sourcedId: "kx1", classSourcedId: "k1", resourceSourcedId: "x1" },
  courseResource: { sourcedId: "cx1", courseSourcedId: "c1", resourceSourcedId: "x1" },
};

type Row = {
  readonly type: EntityType;
  readonly cells?: Readonly<Record<string, string>>;
  readonly version?: Version;
  readonly mode?: FileMode;
  /** Cells to append to the row, beyond the header. */
  readonly more?: readonly string[];
};

type Parsed = {
  readonly result: RowResult;
  readonly findings: readonly string[];
  readonly tolerated: readonly string[];
};

/** Parses the good row of a type with some cells replaced, under the standard's header and the metadata columns named. */
function parse({ type, cells = {}, version = "1.2", mode = "bulk", more = [] }: Row): Parsed {
  const description = descriptionOf(type);
  const standard = columnsOf(description, version).map(columnName);
  const names = [...standard, ...Object.keys(cells).filter((name) => name.startsWith("metadata."))];
  const header = compileHeader(description, version, names);
  const row = { ...good[type], ...cells };
  const [findings, tolerated]: string[][] = [[], []];
  const place = (code: FindingCode, column: number): string =>
    column < 0 ? code : `${code} ${names[column] ?? "beyond"}`;
  const result = parseRow(header, [...names.map((name) => row[name] ?? ""), ...more], 2, mode, {
    finding: (code, column) => findings?.push(place(code, column)),
    tolerated: (code, column) => tolerated?.push(place(code, column)),
  });
  return { result, findings: findings ?? [], tolerated: tolerated ?? [] };
}

function entityOf({ result }: Parsed): Entity {
  if (result.outcome !== "entity") throw new Error(`the row became a ${result.outcome}`);
  return result.entity;
}

t.test("a good row of every type becomes an entity, and nothing is told", async (t) => {
  for (const version of ["1.1", "1.2"] as const) {
    for (const type of ["org", "academicSession", "course", "class", "user", "demographics", "enrollment"] as const) {
      const { result, findings, tolerated } = parse({ type, version });
      t.match(result, { outcome: "entity", entity: { type, sourcedId: good[type]["sourcedId"] } });
      t.strictSame([findings, tolerated], [[], []], `${type} in ${version}`);
    }
  }
  for (const type of ["role", "resource", "classResource", "courseResource"] as const) {
    t.match(parse({ type }), { result: { outcome: "entity", entity: { type } }, findings: [], tolerated: [] });
  }
});

t.test("values have the types of the model, blank ones are null or empty", async (t) => {
  t.strictSame(entityOf(parse({ type: "academicSession" })), {
    type: "academicSession",
    dateLastModified: null,
    sourcedId: "s1",
    title: "Fall",
    sessionType: "term",
    startDate: "2024-08-15",
    endDate: "2025-01-01",
    parentSourcedId: null,
    schoolYear: 2025,
    metadata: [],
  });
  t.match(entityOf(parse({ type: "enrollment", cells: { primary: "false" } })), { primary: false, beginDate: null });
  t.match(entityOf(parse({ type: "class", cells: { periods: "1,3,5", subjects: "" } })), {
    periods: ["1", "3", "5"],
    subjects: [],
    termSourcedIds: ["s1"],
  });
  t.match(entityOf(parse({ type: "resource" })), { vendorResourceId: "007", roles: ["student", "teacher"] });
});

t.test("fields stand in the order of the model, whatever the order of the columns", async (t) => {
  const names = ["type", "name", "sourcedId", "parentSourcedId", "identifier", "dateLastModified", "status"];
  const header = compileHeader(descriptionOf("org"), "1.2", names);
  const quiet = { finding: () => undefined, tolerated: () => undefined };
  const result = parseRow(header, ["school", "North", "o1", "", "", "", ""], 2, "bulk", quiet);
  t.same(result, { outcome: "entity", entity: entityOf(parse({ type: "org" })), derived: [] });
});

t.test("a password reaches no entity", async (t) => {
  for (const version of ["1.1", "1.2"] as const) {
    t.notMatch(JSON.stringify(parse({ type: "user", version }).result), /secret|password/u);
  }
});

t.test("a 1.1 user gives one role per organisation", async (t) => {
  const { result } = parse({ type: "user", version: "1.1", cells: { orgSourcedIds: "o1,o2" } });
  t.match(result, {
    entity: { primaryOrgSourcedId: null },
    derived: [
      { type: "role", sourcedId: "~u1~student~o1", userSourcedId: "u1", orgSourcedId: "o1", roleType: "primary" },
      { type: "role", sourcedId: "~u1~student~o2", orgSourcedId: "o2", role: "student" },
    ],
  });
  t.match(parse({ type: "user" }).result, { derived: [] });
  t.match(parse({ type: "user", version: "1.1", cells: { role: "principal" } }), {
    result: { outcome: "reject", sourcedId: "u1" },
    findings: ["row.enum role"],
  });
  t.match(parse({ type: "user", version: "1.1", cells: { orgSourcedIds: "" } }).findings, [
    "row.required orgSourcedIds",
  ]);
  t.match(parse({ type: "user", version: "1.1", cells: { orgSourcedIds: "," } }).findings, [
    "row.required orgSourcedIds",
  ]);
});

t.test("ids of users in other systems are read item by item", async (t) => {
  const cells = { userIds: "{LDAP:a:b},plain,{:x},{y:},{LTI:9}" };
  const parsed = parse({ type: "user", cells });
  t.match(entityOf(parsed), {
    userIds: [
      { type: "LDAP", identifier: "a:b" },
      { type: "LTI", identifier: "9" },
    ],
  });
  t.strictSame(parsed.findings, ["row.userIds_form userIds", "row.userIds_form userIds", "row.userIds_form userIds"]);
});

t.test("metadata is kept where it has a value, sorted by name", async (t) => {
  const cells = { "metadata.z": "1", "metadata.__proto__": "2", "metadata.b": "" };
  t.strictSame(entityOf(parse({ type: "org", cells })).metadata, [
    { name: "__proto__", value: "2" },
    { name: "z", value: "1" },
  ]);
});

type Case = readonly [what: string, row: Row, told: readonly string[], expected: Readonly<Record<string, unknown>>];

const toleratedCases: readonly Case[] = [
  ["letter case of a token", { type: "org", cells: { type: "School" } }, ["row.enum_case type"], { orgType: "school" }],
  [
    "letter case of a boolean",
    { type: "user", cells: { enabledUser: "TRUE" } },
    ["row.boolean_case enabledUser"],
    { enabledUser: true },
  ],
  [
    "a time in a date",
    { type: "enrollment", cells: { beginDate: "2024-08-15T00:00:00-05:00" } },
    ["row.date_time beginDate"],
    { beginDate: "2024-08-15" },
  ],
  [
    "an id beyond the alphabet",
    { type: "org", cells: { sourcedId: "école 1" } },
    ["row.guid sourcedId"],
    { sourcedId: "école 1" },
  ],
  [
    "a reference beyond the alphabet",
    { type: "org", cells: { parentSourcedId: "{1}" } },
    ["row.guid parentSourcedId"],
    { parentSourcedId: "{1}" },
  ],
  [
    "a long text",
    { type: "org", cells: { name: "n".repeat(256) } },
    ["row.string_length name"],
    { name: "n".repeat(256) },
  ],
  [
    "an empty item",
    { type: "class", cells: { termSourcedIds: "s1,,s2," } },
    ["row.list termSourcedIds"],
    { termSourcedIds: ["s1", "s2"] },
  ],
  ["one cell too many, empty", { type: "org", more: [""] }, ["table.trailing_cell beyond"], { name: "North" }],
  ["status in bulk", { type: "org", cells: { status: "active" } }, ["row.bulk_forbidden status"], { name: "North" }],
  [
    "a time in bulk",
    { type: "org", cells: { dateLastModified: "2024-01-02T03:04:05.678Z" } },
    ["row.bulk_forbidden dateLastModified"],
    { dateLastModified: Date.UTC(2024, 0, 2, 3, 4, 5, 678) },
  ],
  [
    "no status in delta",
    { type: "org", mode: "delta", cells: { dateLastModified: "2024-01-02T03:04:05.678Z" } },
    ["row.delta_required status"],
    { name: "North" },
  ],
  [
    "a time without a time",
    { type: "org", mode: "delta", cells: { status: "active", dateLastModified: "2024-01-02" } },
    ["row.datetime_date_only dateLastModified"],
    { dateLastModified: Date.UTC(2024, 0, 2) },
  ],
  [
    "a time in another form",
    { type: "org", mode: "delta", cells: { status: "active", dateLastModified: "2024-01-02T00:00:00+01:00" } },
    ["row.datetime_form dateLastModified"],
    { dateLastModified: Date.UTC(2024, 0, 1, 23) },
  ],
];

t.test("what breaks the standard without doubt about its meaning is tolerated", async (t) => {
  for (const [what, row, tolerated, expected] of toleratedCases) {
    const parsed = parse(row);
    t.strictSame([parsed.findings, parsed.tolerated], [[], tolerated], what);
    t.match(entityOf(parsed), expected, what);
  }
});

t.test("extension tokens are kept in 1.2 where the vocabulary allows them", async (t) => {
  t.match(entityOf(parse({ type: "org", cells: { type: "ext:Campus-1" } })), { orgType: "ext:Campus-1" });
  t.strictSame(parse({ type: "org", version: "1.1", cells: { type: "ext:Campus-1" } }).findings, ["row.enum type"]);
  t.strictSame(parse({ type: "role", cells: { roleType: "ext:x" } }).findings, ["row.enum roleType"]);
  t.strictSame(parse({ type: "org", cells: { type: "ext:" } }).findings, ["row.enum type"]);
});

t.test("what would have to be guessed refuses the row, which claims its key", async (t) => {
  const cases: readonly (readonly [Row, string])[] = [
    [{ type: "enrollment", cells: { beginDate: "01/02/2024" } }, "row.date beginDate"],
    [{ type: "enrollment", cells: { endDate: "2024-02-30" } }, "row.date endDate"],
    [{ type: "demographics", cells: { birthDate: "2010" } }, "row.date birthDate"],
    [{ type: "enrollment", cells: { role: "aide" } }, "row.enum role"],
    [{ type: "enrollment", cells: { role: "" } }, "row.required role"],
    [{ type: "enrollment", cells: { primary: "1" } }, "row.boolean primary"],
    [{ type: "user", cells: { enabledUser: "Y" } }, "row.boolean enabledUser"],
    [{ type: "user", cells: { givenName: "" } }, "row.required givenName"],
    [{ type: "academicSession", cells: { schoolYear: "2024/25" } }, "row.year schoolYear"],
    [{ type: "resource", cells: { roles: "student,boss" } }, "row.enum roles"],
    [{ type: "resource", cells: { importance: "high" } }, "row.enum importance"],
    [{ type: "class", cells: { termSourcedIds: `s1,${"s".repeat(256)}` } }, "row.reference termSourcedIds"],
    [{ type: "class", cells: { courseSourcedId: "c\t1" } }, "row.reference courseSourcedId"],
    [{ type: "org", cells: { name: "North\u0000" } }, "row.nul name"],
    [{ type: "org", cells: { "metadata.a": "\u0000" } }, "row.nul metadata.a"],
    [{ type: "org", cells: { status: "deleted" } }, "row.enum status"],
  ];
  for (const [row, code] of cases) {
    const { result, findings } = parse(row);
    t.strictSame(result, { outcome: "reject", sourcedId: good[row.type]["sourcedId"] }, code);
    t.strictSame(findings, [code]);
  }
});

t.test("everything wrong with a row is told at once", async (t) => {
  const { findings } = parse({ type: "enrollment", cells: { role: "", beginDate: "x", primary: "x" } });
  t.strictSame(findings, ["row.required role", "row.boolean primary", "row.date beginDate"]);
});

t.test("a row whose key cannot be read claims nothing", async (t) => {
  for (const sourcedId of ["", "o\n1", "\u007f", "o".repeat(256)]) {
    const { result, findings } = parse({ type: "org", cells: { sourcedId } });
    t.strictSame(result, { outcome: "reject", sourcedId: null });
    t.strictSame(findings, ["row.key sourcedId"]);
  }
  t.match(entityOf(parse({ type: "org", cells: { sourcedId: "o".repeat(255) } })), { sourcedId: "o".repeat(255) });
  for (const more of [["x"], ["", ""]]) {
    const { result, findings } = parse({ type: "org", more });
    t.strictSame([result, findings], [{ outcome: "reject", sourcedId: null }, ["table.row_width"]]);
  }
});

t.test("a row too short claims nothing, as its values may be shifted", async (t) => {
  const header = compileHeader(descriptionOf("org"), "1.2", columnsOf(descriptionOf("org"), "1.2").map(columnName));
  const codes: string[] = [];
  const out = { finding: (code: FindingCode) => codes.push(code), tolerated: () => t.fail("nothing is tolerated") };
  t.strictSame(parseRow(header, ["o1", "", "", "North", "school", ""], 2, "bulk", out), {
    outcome: "reject",
    sourcedId: null,
  });
  t.strictSame(codes, ["table.row_width"]);
});

t.test("a row that deletes does so in either mode, also with blank cells", async (t) => {
  const time = "2024-01-02T03:04:05.678Z";
  const gone = { outcome: "delete", type: "org", sourcedId: "o1" };
  const delta = parse({ type: "org", mode: "delta", cells: { status: "tobedeleted", dateLastModified: time } });
  t.strictSame(delta, { result: { ...gone, reason: "tobedeleted" }, findings: [], tolerated: [] });
  const bulk = parse({ type: "org", cells: { status: "tobedeleted", name: "", type: "nonsense" } });
  t.strictSame(bulk.result, { ...gone, reason: "tobedeleted" });
  t.strictSame(bulk.tolerated, ["row.mode_conflict status", "row.delete_blank name"]);
  const inactive = parse({ type: "org", mode: "delta", cells: { status: "Inactive", dateLastModified: time } });
  t.strictSame(inactive.result, { ...gone, reason: "inactive" });
  t.strictSame(inactive.tolerated, ["row.status_inactive status"]);
  t.match(parse({ type: "org", cells: { sourcedId: "", status: "tobedeleted" } }).result, {
    outcome: "reject",
    sourcedId: null,
  });
});

t.test("a time of change that cannot be read is told, and the row is used without it", async (t) => {
  const parsed = parse({ type: "org", mode: "delta", cells: { status: "active", dateLastModified: "01/02/2024" } });
  t.match(entityOf(parsed), { dateLastModified: null });
  t.strictSame(parsed.findings, ["row.datetime dateLastModified"]);
});

t.test("subjects without as many codes are told and kept", async (t) => {
  const parsed = parse({ type: "course", cells: { subjects: "Maths,Art", subjectCodes: "02" } });
  t.match(entityOf(parsed), { subjects: ["Maths", "Art"], subjectCodes: ["02"] });
  t.strictSame(parsed.findings, ["row.subjects_pairing subjectCodes"]);
  t.strictSame(parse({ type: "course", cells: { subjects: "Maths,Art" } }).findings, []);
});

t.test("an NCES id that lost its leading zero is told, never repaired", async (t) => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["school", "10000500871", true],
    ["school", "010000500871", false],
    ["district", "100005", true],
    ["district", "0100005", false],
    ["school", "100005", false],
    ["school", "1000050087A", false],
  ];
  for (const [type, identifier, lost] of cases) {
    const parsed = parse({ type: "org", cells: { type, identifier } });
    t.match(entityOf(parsed), { identifier });
    t.strictSame(parsed.findings, lost ? ["org.nces_leading_zero identifier"] : [], `${type} ${identifier}`);
  }
});
