// Templates are sets that the parser takes without a word.

import t from "tap";
import { templates } from "../../libs/cli/templates.ts";
import { compileHeader } from "../../libs/domain/header.ts";
import { dataFiles, knownFile } from "../../libs/domain/oneroster/entities.ts";

t.test("the manifest lists every file, and as bulk exactly those that are there", async (t) => {
  for (const version of ["1.1", "1.2"] as const) {
    const [manifest, ...files] = templates(version);
    const rows = manifest?.text.split("\r\n") ?? [];
    t.strictSame(rows.slice(0, 3), ["propertyName,value", "manifest.version,1.0", `oneroster.version,${version}`]);
    const present = rows
      .filter((row) => row.endsWith(",bulk"))
      .map((row) => row.slice("file.".length, -",bulk".length));
    t.strictSame(present.toSorted(), files.map(({ name }) => name.slice(0, -".csv".length)).toSorted());
    t.equal(rows.filter((row) => row.startsWith("file.")).length, dataFiles(version).length);
    t.equal(rows.at(-1), "", "the last line ends, too");
  }
});

t.test("every header is the standard's", async (t) => {
  for (const version of ["1.1", "1.2"] as const) {
    for (const { name, text } of templates(version, { autoRegistration: true }).slice(1)) {
      const file = knownFile(name.slice(0, -".csv".length), version);
      if (file?.outcome !== "entity") throw new Error(`${name} is no file of an entity`);
      t.strictSame(compileHeader(file.description, version, text.trimEnd().split(",")).findings, [], name);
    }
  }
});

t.test("registering teachers automatically needs courses", async (t) => {
  const names = (autoRegistration: boolean): readonly string[] =>
    templates("1.1", { autoRegistration }).map(({ name }) => name);
  t.strictSame(names(false), [
    "manifest.csv",
    "orgs.csv",
    "academicSessions.csv",
    "classes.csv",
    "users.csv",
    "enrollments.csv",
  ]);
  t.ok(names(true).includes("courses.csv"));
});
