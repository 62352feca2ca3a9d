// Headers: what is told, what is accepted, what is fatal.

import t from "tap";
import { type CompiledHeader, compileHeader } from "../../libs/domain/header.ts";
import { descriptionOf } from "../../libs/domain/oneroster/entities.ts";
import type { EntityType } from "../../libs/domain/oneroster/entity-types.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";

const orgs = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId";
const users12 =
  "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms," +
  "phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName," +
  "preferredFamilyName,primaryOrgSourcedId,pronouns";

function compile(type: EntityType, version: Version, header: string): CompiledHeader {
  return compileHeader(descriptionOf(type), version, header.split(","));
}

function told(header: CompiledHeader): readonly string[] {
  return header.findings.map(({ code, column, field }) => `${code} ${column} ${field ?? "-"}`);
}

t.test("the standard's header is told nothing", async (t) => {
  const header = compile("org", "1.1", orgs);
  t.strictSame(told(header), []);
  t.equal(header.fatal, null);
  t.equal(header.width, 7);
  t.strictSame(header.fieldNames, orgs.split(","));
});

t.test("deviations are told and accepted", async (t) => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    [
      "order",
      "name,sourcedId,status,dateLastModified,type,identifier,parentSourcedId",
      ["table.header_order 1 sourcedId"],
    ],
    ["case", orgs.replace("sourcedId", "SourcedID"), ["table.header_case 0 sourcedId"]],
    ["optional column missing", orgs.replace(",identifier", ""), ["table.column_missing -1 identifier"]],
    ["status missing", orgs.replace(",status", ""), ["table.column_missing -1 status"]],
    ["unknown column", `${orgs},Ada Lovelace`, ["table.unknown_column 7 -"]],
    ["column without a name in the middle", orgs.replace("name", ",name"), ["table.header_empty 3 -"]],
    ["column without a name at the end", `${orgs},`, ["table.header_empty 7 -"]],
    ["metadata before the end", orgs.replace("name", "metadata.a,name"), ["table.metadata_position 3 -"]],
    ["metadata without a name", `${orgs},metadata.`, ["table.metadata_name 7 -"]],
    ["metadata with U+0000 in its name", `${orgs},metadata.a\0b`, ["table.metadata_name 7 -"]],
    ["metadata twice", `${orgs},metadata.a,metadata.a`, ["table.header_duplicate 8 -"]],
    ["metadata in the wrong case", `${orgs},Metadata.a`, ["table.header_case 7 -"]],
  ];
  for (const [name, line, expected] of cases) {
    const header = compile("org", "1.2", line);
    t.strictSame(told(header), expected, name);
    t.equal(header.fatal, null, name);
  }
});

t.test("what cannot be matched for certain is fatal", async (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["required column missing", orgs.replace(",type", ""), "table.required_column_missing type"],
    ["key missing", orgs.replace("sourcedId,", ""), "table.required_column_missing sourcedId"],
    ["a column twice", `${orgs},name`, "table.header_duplicate name"],
    ["a column twice but for case", `${orgs},NAME`, "table.header_duplicate name"],
    ["a row where the header should be", "o1,,,Lovelace School,school,,", "table.header_missing -"],
    ["an empty line", "", "table.header_missing -"],
  ];
  for (const [name, line, expected] of cases) {
    const { fatal } = compile("org", "1.2", line);
    t.equal(fatal === null ? null : `${fatal.code} ${fatal.field ?? "-"}`, expected, name);
  }
});

t.test("no finding repeats the text of the line", async (t) => {
  const header = compile("org", "1.2", "o1,,,Lovelace School,school,,Lovelace");
  t.notMatch(JSON.stringify(header.findings), /Lovelace/u);
});

t.test("one empty column at the end is not counted in the width", async (t) => {
  t.equal(compile("org", "1.2", `${orgs},`).width, 7);
  t.equal(compile("org", "1.2", `${orgs},,`).width, 8);
});

t.test("both headers of users in 1.2 are read", async (t) => {
  const later = compile("user", "1.2", users12);
  t.strictSame([later.layout, told(later)], ["1.2", []]);
  const first = compile("user", "1.2", users12.replace("preferredGivenName", "resourceSourcedIds,preferredGivenName"));
  t.strictSame([first.layout, told(first)], ["1.2.0", []]);
  t.notOk(first.columns.some(({ name }) => name === "resourceSourcedIds" || name === "password"));
});

t.test("columns of 1.1 users are unknown in 1.2, and required in 1.1", async (t) => {
  t.strictSame(told(compile("user", "1.2", users12.replace("username", "role,username"))), [
    "table.unknown_column 4 -",
  ]);
  t.equal(compile("user", "1.1", users12).fatal?.field, "orgSourcedIds");
});

t.test("a metadata column whose name has U+0000 is not read", async (t) => {
  t.strictSame(compile("org", "1.2", `${orgs},metadata.a\0b`).metadata, []);
});

t.test("metadata columns are sorted by name", async (t) => {
  const header = compile("org", "1.2", `${orgs},metadata.b,metadata.a`);
  t.strictSame(header.metadata, [
    { index: 8, name: "a" },
    { index: 7, name: "b" },
  ]);
});
