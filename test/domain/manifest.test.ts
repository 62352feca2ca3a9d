// Manifests as they are met, and those that cannot be trusted.

import t from "tap";

import { parseManifest } from "../../libs/domain/manifest.ts";

function rows(...texts: readonly string[]): { readonly line: number; readonly cells: readonly string[] }[] {
  return texts.map((text, index) => ({ line: index + 1, cells: text.split(",") }));
}

const good = ["propertyName,value", "manifest.version,1.0", "oneroster.version,1.1", "file.users,bulk"];

void t.test("any order, missing rows and odd letter case are understood and told", (t) => {
  const result = parseManifest(rows("Value,PropertyName", "Bulk,file.users", "1.1,oneroster.version"));
  t.match(result, { outcome: "manifest", version: "1.1" });
  if (result.outcome === "manifest") t.strictSame([...result.modes], [["users", "bulk"]]);
  const codes = new Set(result.findings.map((found) => found.code));
  t.strictSame([...codes].toSorted(), ["manifest.header", "manifest.missing", "manifest.mode"]);
  t.end();
});

void t.test("blanks around a property or a value are dropped and told", (t) => {
  const result = parseManifest(rows(...good.slice(0, 3), "file.users, bulk ", " file.orgs,delta", "file.courses,bulk"));
  const found = result.findings.filter(({ code }) => code === "manifest.space");
  t.strictSame(
    found.map(({ line }) => line),
    [4, 5],
  );
  if (result.outcome === "manifest") t.strictSame([...result.modes.values()], ["bulk", "delta", "bulk"]);
  t.equal(result.outcome, "manifest");
  t.end();
});

void t.test("a version is told or left open, never guessed", (t) => {
  const versionOf = (text: string): unknown => {
    const result = parseManifest(rows("propertyName,value", text, "file.users,bulk"));
    return result.outcome === "manifest" ? result.version : result.refusal;
  };
  t.equal(versionOf("oneroster.version,1.2"), "1.2");
  t.equal(versionOf("oneroster.version,v1.2.1"), "1.2");
  t.equal(versionOf("source.systemName,x"), null);
  t.match(versionOf("oneroster.version,1.0"), "OneRoster 1.0");
  t.match(versionOf("oneroster.version,2"), "neither 1.1 nor 1.2");
  t.end();
});

void t.test("what cannot be understood refuses the set with one sentence", (t) => {
  const cases = [
    [[], "empty"],
    [rows("hello,world"), "does not begin"],
    [rows("propertyName,value"), "no property"],
    [rows(...good, "file.users,delta"), "on line 4 and otherwise on line 5"],
    [rows(...good, "file.orgs,full"), "on line 5"],
    [[...rows(...good), { line: 5, cells: null }], "cannot be read at line 5"],
  ] as const;
  for (const [given, sentence] of cases)
    t.match(parseManifest(given), { outcome: "refused", refusal: sentence }, sentence);
  t.match(parseManifest(rows(...good, "file.users,bulk")), { outcome: "manifest" }, "the same twice is only told");
  t.end();
});
