// Every set under test/fixtures, with what its name promises: outcome, what is found where, what may count as absent.

import { readdirSync } from "node:fs";

import t from "tap";

import { defaultPolicy } from "../../libs/domain/policy.ts";
import { validatePath } from "../../libs/ingest/validate.ts";

type Expected = {
  /** A part of the refusing sentence; the set is accepted when it is missing. */
  readonly refusal?: string;
  readonly version?: "1.1" | "1.2";
  /** `code file:line:column` of findings that must be there; `-` where a place is null. */
  readonly found: readonly string[];
  /** How many groups of findings there are in all. */
  readonly groups: number;
  /** Types that were delivered and conclude nothing from absence. */
  readonly noAbsence?: readonly string[];
  readonly unjudged?: number;
};

const fixtures: Readonly<Record<string, Expected>> = {
  "ambiguous-date": { version: "1.2", found: ["row.date academicSessions.csv:4:6"], groups: 1 },
  "dangling-references": {
    version: "1.2",
    found: [
      "ref.missing_record classes.csv:4:6",
      "ref.missing_record enrollments.csv:6:4",
      "ref.missing_record enrollments.csv:6:6",
      "ref.missing_record orgs.csv:5:7",
      "sem.school_type classes.csv:4:10",
      "org.nces_leading_zero orgs.csv:5:6",
    ],
    groups: 6,
  },
  "header-only-orgs-and-courses": {
    version: "1.2",
    found: ["table.no_rows orgs.csv:-:-", "table.no_rows courses.csv:-:-"],
    groups: 2,
    noAbsence: ["org", "course"],
    unjudged: 16,
  },
  "line-break-in-field": { version: "1.2", found: ["csv.newline_in_field users.csv:2:-"], groups: 1 },
  "manifest-lists-not-all-files": {
    version: "1.2",
    found: ["manifest.missing manifest.csv:-:-", "manifest.file_unexpected enrollments.csv:-:-"],
    groups: 4,
    noAbsence: ["enrollment"],
  },
  "manifest-quoted-any-order-rows-missing": {
    version: "1.2",
    found: ["manifest.header manifest.csv:1:-", "manifest.file_unexpected roles.csv:-:-"],
    groups: 4,
  },
  "near-miss-names": {
    version: "1.2",
    found: [
      "pkg.unknown_file Users.csv:-:-",
      "pkg.unknown_file academicsessons.csv:-:-",
      "manifest.file_missing users.csv:-:-",
      "ref.missing_file enrollments.csv:2:6",
    ],
    groups: 9,
    noAbsence: ["academicSession", "user"],
    unjudged: 12,
  },
  "no-row-at-all": { version: "1.2", refusal: "no row at all", found: ["pkg.empty -:-:-"], groups: 8 },
  "refused-manifest-no-manifest": {
    refusal: "does not begin with the header",
    found: ["manifest.header manifest.csv:1:-"],
    groups: 1,
  },
  "refused-manifest-unknown-mode": { refusal: "on line 24", found: ["manifest.mode manifest.csv:24:-"], groups: 1 },
  "refused-microsoft-sds": { refusal: "Microsoft School Data Sync", found: ["pkg.not_oneroster -:-:-"], groups: 4 },
  "refused-too-many-rejects": {
    version: "1.2",
    refusal: "Of the 12 rows of users.csv, 12 are refused",
    found: ["row.boolean users.csv:2:4"],
    groups: 3,
  },
  "refused-v10-columns": { refusal: "OneRoster 1.0", found: ["pkg.not_oneroster -:-:-"], groups: 2 },
  "repeated-row": { version: "1.2", found: ["ref.duplicate_row enrollments.csv:6:1"], groups: 1 },
  "semantic-doubts": {
    version: "1.2",
    found: [
      "sem.demographics_user demographics.csv:2:1",
      "sem.one_primary_role roles.csv:6:5",
      "sem.user_role_missing users.csv:6:-",
      "sem.schoolYear_type courses.csv:4:4",
      "sem.primary_teacher enrollments.csv:6:8",
      "sem.school_type enrollments.csv:6:5",
      "sem.parent_cycle orgs.csv:5:7",
      "sem.date_order roles.csv:6:8",
      "ref.missing_record users.csv:6:14",
      "sem.agent_self users.csv:5:14",
    ],
    groups: 10,
    noAbsence: ["demographics"],
  },
  "stray-quote-in-users": {
    version: "1.2",
    found: ["csv.quote users.csv:3:-"],
    groups: 1,
    noAbsence: ["user"],
    unjudged: 2,
  },
  "tolerated-irregularities": {
    version: "1.1",
    found: [
      "row.enum_case orgs.csv:3:5",
      "table.header_order orgs.csv:1:2",
      "table.unknown_column orgs.csv:1:8",
      "row.date_time enrollments.csv:2:9",
      "table.trailing_cell users.csv:2:19",
      "row.bulk_forbidden users.csv:2:2",
      "csv.bom courses.csv:-:-",
      "csv.line_end courses.csv:-:-",
    ],
    groups: 13,
  },
  "users-row-bad-value": { version: "1.2", found: ["row.boolean users.csv:4:4"], groups: 1 },
  "users-row-duplicate": {
    version: "1.2",
    found: ["ref.duplicate_id users.csv:4:1", "ref.duplicate_id users.csv:6:1"],
    groups: 1,
  },
  "users-row-unreadable-key": {
    version: "1.2",
    found: ["row.key users.csv:4:1"],
    groups: 1,
    noAbsence: ["user"],
    unjudged: 2,
  },
  "users-without-required-columns": {
    version: "1.2",
    found: ["table.required_column_missing users.csv:1:-"],
    groups: 18,
    noAbsence: ["user"],
    unjudged: 8,
  },
  "v11-bulk": { version: "1.1", found: [], groups: 0 },
  "v11-delta-inactive": {
    version: "1.1",
    found: ["row.status_inactive enrollments.csv:2:2"],
    groups: 1,
    noAbsence: ["user", "role", "enrollment"],
    unjudged: 1,
  },
  "v11-duplicate-user-with-roles": { version: "1.1", found: ["ref.duplicate_id users.csv:4:1"], groups: 1 },
  "v11-no-manifest-five-files": {
    version: "1.1",
    found: ["pkg.manifest_missing -:-:-", "ref.missing_file classes.csv:2:6"],
    groups: 2,
    unjudged: 2,
  },
  "v12-bulk": { version: "1.2", found: [], groups: 0 },
  "v12-bulk-with-delta-enrollments": { version: "1.2", found: [], groups: 0, noAbsence: ["enrollment"] },
  "v12-delta": { version: "1.2", found: [], groups: 0, noAbsence: ["user", "enrollment"], unjudged: 4 },
  "windows-1252-users": { version: "1.2", found: ["csv.utf8 users.csv:4:-"], groups: 1 },
  "wrong-width-users": {
    version: "1.2",
    found: ["table.row_width users.csv:4:-"],
    groups: 1,
    noAbsence: ["user"],
    unjudged: 2,
  },
};

const folder = new URL("../fixtures/", import.meta.url).pathname;

void t.test("every set has an expectation", (t) => {
  t.strictSame(readdirSync(folder).toSorted(), Object.keys(fixtures).toSorted());
  t.end();
});

for (const [name, expected] of Object.entries(fixtures)) {
  void t.test(`the set ${name} is judged as its name says`, async (t) => {
    const { verdict, report } = await validatePath(`${folder}${name}`, defaultPolicy);
    t.equal(verdict.outcome, expected.refusal === undefined ? "accepted" : "refused");
    t.match(verdict.refusal, expected.refusal ?? null);
    t.equal(verdict.version, expected.version ?? null);
    const listed = report.groups.flatMap((group) => group.listed);
    const places = listed.map(
      ({ code, file, line, column }) => `${code} ${file ?? "-"}:${line ?? "-"}:${column ?? "-"}`,
    );
    for (const found of expected.found) t.ok(places.includes(found), `${found} is among ${places.join(", ")}`);
    t.equal(report.groups.length, expected.groups, places.join(", "));
    t.equal(verdict.unjudgedReferences, expected.unjudged ?? 0);
    const types = Object.entries(verdict.types);
    const delivered = types.filter(([, type]) => type.mode !== "absent");
    const noAbsence = delivered.filter(([, type]) => !type.absence).map(([type]) => type);
    if (verdict.outcome === "accepted") t.strictSame(noAbsence, expected.noAbsence ?? []);
    else t.equal(types.filter(([, type]) => type.absence).length, 0);
    for (const [type, { rows, entities, deletes, rejects, repeats, derived }] of types) {
      if (!derived) t.equal(entities + deletes + rejects + repeats, rows, `all rows of ${type} are accounted for`);
    }
  });
}
