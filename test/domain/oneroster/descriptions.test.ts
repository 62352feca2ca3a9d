// The descriptions against the tables of the standard, and against the rules that others rely on.

import t from "tap";
import {
  columnName,
  columnsOf,
  type EntityDescription,
  isNullable,
  type Layout,
  modelFields,
} from "../../../libs/domain/oneroster/description.ts";
import { dataFiles, descriptions, entityFiles, knownFile } from "../../../libs/domain/oneroster/entities.ts";
import { entityTypes, isEntityType } from "../../../libs/domain/oneroster/entity-types.ts";
import { tables } from "./tables.ts";

const all: readonly EntityDescription[] = Object.values(descriptions);
const layouts: readonly Layout[] = ["1.1", "1.2", "1.2.0"];

t.test("columns, their order and what is required are those of the standard's tables", async (t) => {
  for (const layout of layouts) {
    for (const [file, table] of Object.entries(tables[layout])) {
      const description = all.find((each) => each.file[layout === "1.1" ? "1.1" : "1.2"] === file);
      const columns = description === undefined ? [] : columnsOf(description, layout);
      const written = columns.map((field) => `${columnName(field)}${field.need[layout] === "R" ? "!" : ""}`);
      t.equal(written.join(","), table, `${file} of ${layout}`);
    }
  }
});

t.test("every table is described, and nothing else", async (t) => {
  for (const version of ["1.1", "1.2"] as const) {
    t.strictSame(
      entityFiles(version)
        .map((file) => file.name)
        .toSorted(),
      Object.keys(tables[version]).toSorted(),
      version,
    );
  }
});

t.test("the manifest lists 13 data files in 1.1 and 21 in 1.2", async (t) => {
  t.equal(dataFiles("1.1").length, 13);
  t.equal(dataFiles("1.2").length, 21);
  t.strictSame(dataFiles("1.1").slice(0, 4), ["academicSessions", "categories", "classes", "classResources"]);
});

t.test("files are told apart by version", async (t) => {
  t.match(knownFile("roles", "1.2"), { outcome: "entity", type: "role" });
  t.equal(knownFile("roles", "1.1"), null);
  t.strictSame(knownFile("userProfiles", "1.2"), { outcome: "leftAlone" });
  t.strictSame(knownFile("lineItems", "1.1"), { outcome: "leftAlone" });
  t.equal(knownFile("Orgs", "1.2"), null, "names are case-sensitive");
});

t.test("a reference points to its own type or to one before it", async (t) => {
  const rank = (type: string): number => entityTypes.findIndex((each) => each === type);
  for (const { type, fields } of all) {
    for (const field of fields.filter((each) => each.kept !== "never")) {
      if (!("to" in field) || field.to === undefined || field.to === "userProfile") continue;
      t.ok(rank(field.to) <= rank(type), `${type}.${field.name}`);
    }
  }
  t.strictSame(Object.keys(descriptions), [...entityTypes], "descriptions stand in the same order");
});

t.test("what one of the bindings leaves blank may be null in our model", async (t) => {
  const nullable = all.flatMap(({ type, fields }) => fields.filter(isNullable).map((field) => `${type}.${field.name}`));
  for (const name of [
    "class.classType",
    "class.courseSourcedId",
    "course.orgSourcedId",
    "course.courseCode",
    "user.username",
    "org.identifier",
    "enrollment.beginDate",
  ]) {
    t.ok(nullable.includes(name), name);
  }
  for (const name of ["org.sourcedId", "user.givenName", "enrollment.role", "class.termSourcedIds"]) {
    t.notOk(nullable.includes(name), name);
  }
});

t.test("no password, no status and no 1.1 role of a user is part of an entity", async (t) => {
  const names = all.flatMap((description) =>
    modelFields(description).map((field) => `${description.type}.${field.name}`),
  );
  for (const name of ["user.password", "user.status", "user.role", "user.orgSourcedIds", "user.resourceSourcedIds"]) {
    t.notOk(names.includes(name), name);
  }
  t.ok(names.includes("user.email"));
  for (const description of all) {
    t.strictSame(
      modelFields(description)
        .slice(0, 2)
        .map((field) => field.name),
      ["dateLastModified", "sourcedId"],
      description.type,
    );
  }
});

t.test("keys of other kinds are no entity types", async (t) => {
  t.ok(isEntityType("classResource"));
  t.notOk(isEntityType("writer"));
  t.notOk(isEntityType("constructor"));
});
