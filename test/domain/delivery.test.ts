// Telling versions by columns, other formats by name, and how each file is taken.

import t from "tap";

import { otherFormat, otherFormatByColumns, takenFiles, versionByColumns } from "../../libs/domain/delivery.ts";
import { parseManifest } from "../../libs/domain/manifest.ts";

function version(headers: Readonly<Record<string, string>>): unknown {
  const result = versionByColumns(new Map(Object.entries(headers).map(([name, text]) => [name, text.split(",")])));
  return result.outcome === "version" ? result.version : result.refusal;
}

void t.test("the columns tell the version", (t) => {
  t.equal(version({ users: "sourcedId,enabledUser,orgSourcedIds,role,userIds" }), "1.1");
  t.equal(version({ users: "sourcedId,enabledUser,username,userMasterIdentifier" }), "1.2");
  t.equal(version({ users: "sourcedId,enabledUser,username", roles: "sourcedId" }), "1.2");
  t.equal(version({ orgs: "sourcedId,name,type" }), "1.2");
  t.match(version({ users: "sourcedId,orgSourcedIds,role,userId,agents" }), "OneRoster 1.0");
  t.match(version({ classes: "sourcedId,title,termSourcedId" }), "OneRoster 1.0");
  t.equal(version({ users: "sourcedId,enabledUser,orgSourcedIds,role,userIds,agents" }), "1.1", "one slip is no 1.0");
  t.end();
});

void t.test("other formats are refused by name", (t) => {
  t.match(otherFormat(["School.csv", "Section.csv", "StudentEnrollment.csv"]), "Microsoft School Data Sync");
  t.match(otherFormat(["schools.csv", "sections.csv", "students.csv", "enrollments.csv"]), "Clever");
  t.equal(otherFormat(["orgs.csv", "users.csv", "school.csv"]), null);
  t.end();
});

void t.test("SDS in OneRoster's file names is told by its columns, and no OneRoster with a slip is", (t) => {
  const refusal = (headers: Readonly<Record<string, string>>): string | null =>
    otherFormatByColumns(new Map(Object.entries(headers).map(([name, text]) => [name, text.split(",")])));
  const sds = {
    orgs: "sourcedId,name,type,parentSourcedId",
    users: "sourcedId,username,givenName,familyName,password,activeDirectoryMatchId,email,phone,sms",
    roles: "userSourcedId,orgSourcedId,role,sessionSourcedId,grade,isPrimary,roleStartDate,roleEndDate",
    classes: "sourcedId,orgSourcedId,title,sessionSourcedIds,courseSourcedId",
    enrollments: "classSourcedId,userSourcedId,role",
  };
  t.match(refusal(sds), "Microsoft School Data Sync");
  t.match(refusal({ users: "sourcedId,username", roles: "userSourcedId,orgSourcedId,role" }), "Microsoft");
  const oneRoster = {
    users: "sourcedId,status,dateLastModified,enabledUser,username,activeDirectoryMatchId",
    roles: "sourcedId,status,dateLastModified,userSourcedId,roleType,role,isPrimary,orgSourcedId",
    classes: "sourcedId,status,title,courseSourcedId,classType,schoolSourcedId,termSourcedIds",
    enrollments: "classSourcedId,userSourcedId,role",
  };
  t.equal(refusal(oneRoster), null);
  t.equal(refusal({ users: "sourcedId,username", orgs: sds.orgs }), null, "one sign alone may be a slip");
  t.end();
});

void t.test("the manifest decides, rows decide where it is silent, and without one files are bulk", (t) => {
  const cells = [
    "propertyName,value",
    "oneroster.version,1.1",
    "file.users,delta",
    "file.orgs,absent",
    "file.courses,bulk",
  ];
  const parsed = parseManifest(cells.map((text, index) => ({ line: index + 1, cells: text.split(",") })));
  const manifest = parsed.outcome === "manifest" ? parsed : null;
  t.not(manifest, null);
  const present = new Set(["manifest", "users", "orgs", "classes"]);
  const { taken, findings } = takenFiles({ manifest, version: "1.1", present });
  const modes = ["users", "orgs", "courses", "classes", "enrollments"].map((name) => taken.get(name));
  t.strictSame(modes, ["delta", "absent", "bulk", "by-rows", "absent"]);
  t.strictSame(
    findings.map(({ code, file }) => `${code} ${file ?? ""}`),
    ["manifest.file_unexpected orgs.csv", "manifest.file_unexpected classes.csv", "manifest.file_missing courses.csv"],
  );
  const free = takenFiles({ manifest: null, version: "1.1", present });
  t.strictSame([free.taken.get("users"), free.taken.get("courses")], ["bulk", "absent"]);
  t.end();
});
