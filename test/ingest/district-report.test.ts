// The words of what a district is told about a set, in the cases that no whole pipeline comes by.

import t from "tap";

import { type Result, resultText } from "../../libs/ingest/district-report.ts";
import type { Report } from "../../libs/ingest/report.ts";

const plain: Result = {
  format: 1,
  report: "result",
  district: "Oak",
  source: "sftp",
  completeAt: "2026-03-01T02:00:00.000Z",
  delivery: null,
  outcome: "refused",
  last: null,
  reason: null,
  counts: [],
  held: [],
  declined: [],
  findings: null,
};

const told = (more: Partial<Result>): string => resultText({ ...plain, ...more }, "UTC");

function found(outcome: "accepted" | "refused", code: string): Report {
  const listed = [{ line: null, message: "What is wrong.", remedy: "What to do." }];
  const group = { code, severity: "error", file: null, field: null, count: 1, listed, more: 0 };
  const report: Report = JSON.parse(JSON.stringify({ format: 1, verdict: { outcome, types: {} }, groups: [group] }));
  return report;
}

t.test("the name of a file keeps its letter case at the beginning of a sentence", async (t) => {
  t.match(told({ reason: "manifest.csv is empty" }), "Nothing was changed. manifest.csv is empty.");
  t.match(told({ reason: "reading the set" }), "Nothing was changed. Reading the set.");
});

t.test("a finding that is of no file has no empty line for its name", async (t) => {
  const text = told({ findings: found("refused", "pkg.not_oneroster") });
  t.match(text, "worst first:\n    What is wrong.\n    What to do.\n");
});

t.test("a manifest that is not needed is nothing to be mended, and one that is needed is", async (t) => {
  const accepted = told({ outcome: "published", findings: found("accepted", "pkg.manifest_missing") });
  t.notMatch(accepted, "To be mended");
  t.match(accepted, /1 kinds of smaller remarks[\s\S]*What to do next:\n {2}Nothing\./u);
  t.match(told({ findings: found("refused", "pkg.manifest_missing") }), "To be mended");
});

t.test("after a person's rejection nothing is said to be named above", async (t) => {
  const rejected = { findings: found("accepted", "pkg.manifest_missing"), reason: "the changes were not wanted" };
  t.match(told(rejected), "Correct the export. If what was not wanted is right");
  t.match(told({ reason: "the zip is encrypted" }), "Correct what is named above");
  t.match(told({ outcome: "same", last: "refused" }), /looked at and not wanted[\s\S]*Correct the export/u);
});
