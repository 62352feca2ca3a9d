// The folder of reports, beside files of whoever fills a watched folder.

import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { removeReport, writeReport } from "../../../services/ingest-sftp/report-folder.ts";

const report = { text: "hello\n", json: {} };

t.test("a report is written over no link, whoever put it there", async (t) => {
  const base = t.testdir({ key: "secret", own: { reports: {} }, other: { reports: { "waiting.txt": "theirs" } } });
  const reports = join(base, "own", "reports");
  const passed = join(reports, ".rollcall-00000000-0000-0000-0000-000000000000.part");
  for (const place of [join(reports, ".waiting.txt.part"), join(reports, "waiting.txt"), passed])
    symlinkSync(join(base, "key"), place);
  await writeReport(reports, "waiting", report);
  t.equal(readFileSync(join(base, "key"), "utf8"), "secret");
  t.equal(lstatSync(join(reports, "waiting.txt")).isFile(), true);
  t.equal(readFileSync(join(reports, "waiting.txt"), "utf8"), "hello\n");
  t.same(readdirSync(reports).toSorted(), [".waiting.txt.part", "waiting.json", "waiting.txt"]);

  mkdirSync(join(base, "linked"));
  const linked = join(base, "linked", "reports");
  symlinkSync(join(base, "other", "reports"), linked);
  await t.rejects(writeReport(linked, "waiting", report), { code: "report.io" });
  await t.rejects(removeReport(linked, "waiting"), { code: "report.io" });
  t.same(readdirSync(join(base, "other", "reports")), ["waiting.txt"]);
  t.equal(readFileSync(join(base, "other", "reports", "waiting.txt"), "utf8"), "theirs");
});

t.test("a report that is written again is one, and what is not there is removed already", async (t) => {
  const folder = join(t.testdir(), "reports");
  await removeReport(folder, "waiting");
  await writeReport(folder, "waiting", report);
  await writeReport(folder, "waiting", report);
  t.same(readdirSync(folder).toSorted(), ["waiting.json", "waiting.txt"]);
  writeFileSync(join(folder, "mine.txt"), "mine");
  await removeReport(folder, "waiting");
  t.same(readdirSync(folder), ["mine.txt"]);
});
