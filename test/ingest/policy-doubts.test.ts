// What is told of a set because of the district's policy: schools without an NCES id, addresses in unknown domains.

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { openSet } from "../../libs/adapters/oneroster/set-reader.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { judgeSet } from "../../libs/ingest/judge-set.ts";
import { renderReport, reportOf } from "../../libs/ingest/report.ts";
import { RecordingSink } from "./recording-sink.ts";

const fixture = join(import.meta.dirname, "../fixtures/v11-bulk");
const simple: Policy = { ...defaultPolicy, features: { autoRegistration: "simple" } };

/** The fixture, one of its files changed. */
function edited(folder: string, file: string, edit: (text: string) => string): string {
  cpSync(fixture, folder, { recursive: true });
  const path = join(folder, file);
  writeFileSync(path, edit(readFileSync(path, "utf8")));
  return folder;
}

type Told = { readonly found: readonly string[]; readonly calls: readonly string[]; readonly report: string };

async function told(folder: string, policy: Policy): Promise<Told> {
  const set = await openSet(folder);
  const sink = new RecordingSink();
  const judged = await judgeSet({ set, policy, sink });
  set.close();
  const ours = judged.verdict.findings.filter(({ code }) => code.startsWith("org.") || code.startsWith("user."));
  const found = ours.map(({ code, file, field, count }) => `${code} ${file ?? ""} ${field ?? ""} ${count}`);
  return { found: found.toSorted(), calls: sink.calls, report: renderReport(reportOf(judged)) };
}

void t.test("A090: a school without an NCES id is told where the district registers by it", async (t) => {
  const schools = ["s3,,,No id,school,,d1", "s4,,,Local id,school,17,d1", "s5,,,District id,school,0612340,d1"];
  const others = ["s6,,,Lost zero,school,61234001234,d1", "o1,,,Office,department,,d1"];
  const folder = edited(
    t.testdir({}),
    "orgs.csv",
    (text) => `${text.trimEnd()}\r\n${[...schools, ...others].join("\r\n")}\r\n`,
  );
  const on = await told(folder, simple);
  t.strictSame(on.found, ["org.nces_leading_zero orgs.csv identifier 1", "org.nces_missing orgs.csv identifier 3"]);
  const off = await told(folder, defaultPolicy);
  t.strictSame(off.found, ["org.nces_leading_zero orgs.csv identifier 1"]);
  t.strictSame(on.calls, off.calls, "the rows go further as they are");
});

void t.test("C025, C026: addresses outside the known domains are counted, and none is shown", async (t) => {
  const emails = new Map([
    ["u1", "ada@oak.example"],
    ["u2", "ben@Oak.Example"],
    ["u3", "cleo@mail.oak.example"],
    ["u4", "dev@elsewhere.example"],
  ]);
  const folder = edited(t.testdir({}), "users.csv", (text) =>
    text.replaceAll(
      /^(?<id>u\d),(?<rest>(?:[^,\r\n]*,){11})(?=,)/gmu,
      (row: string, id: string) => row + (emails.get(id) ?? ""),
    ),
  );
  const none = await told(folder, defaultPolicy);
  t.strictSame(none.found, [], "while no domain is known nothing is told");
  const known = await told(folder, { ...defaultPolicy, emailDomains: ["oak.example"] });
  t.strictSame(known.found, ["user.email_domain users.csv email 2"]);
  t.notMatch(known.report, /elsewhere|cleo@/u);
  t.strictSame(known.calls, none.calls, "the rows go further as they are");
});
