// Findings have one shape, and the register is whole.

import t from "tap";
import { type FindingCode, finding, findingRegister, isTolerated } from "../../libs/domain/finding.ts";

t.test("a finding has every property, null where there is nothing to say", async (t) => {
  t.strictSame(finding("row.enum", { file: "users.csv", line: 3, column: 6, field: "role" }, "1.1"), {
    code: "row.enum",
    severity: "error",
    file: "users.csv",
    line: 3,
    column: 6,
    field: "role",
    rule: "row.enum (CSV binding 1.1, enumerations)",
    message: "role: The value is not a token of the vocabulary.",
    remedy: findingRegister["row.enum"].remedy,
  });
  t.match(finding("pkg.empty", {}, null), {
    file: null,
    line: null,
    column: null,
    field: null,
    rule: "pkg.empty (Rollcall)",
  });
});

t.test("several codes may belong to one rule of the standard", async (t) => {
  t.equal(finding("row.enum_case", {}, "1.2").rule, "row.enum (CSV binding 1.2, enumerations)");
  t.equal(finding("row.enum_case", {}, null).rule, "row.enum (CSV binding, enumerations)");
});

t.test("what is tolerated says so", async (t) => {
  t.ok(isTolerated("row.enum_case"));
  t.notOk(isTolerated("row.enum"));
});

t.test("every entry of the register ends its sentences", async (t) => {
  for (const [code, { message, remedy }] of Object.entries(findingRegister)) {
    t.match(message, /^[^|\n]+\.$/u, code);
    t.match(remedy, /^[^|\n]+\.$/u, code);
  }
  const codes: readonly FindingCode[] = ["zip.root", "csv.utf8", "manifest.mode", "table.no_rows", "ref.duplicate_id"];
  for (const code of codes) t.ok(code in findingRegister, code);
});
