// Sets of which nothing can be read are refused with one sentence that says why, however few rows they have.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t, { type Test } from "tap";

import { defaultPolicy } from "../../libs/domain/policy.ts";
import { validatePath } from "../../libs/ingest/validate.ts";

type Validated = Awaited<ReturnType<typeof validatePath>>;

const fixture = (name: string): string => new URL(`../fixtures/${name}`, import.meta.url).pathname;

/** Judges a copy of a fixture with its files changed; a file for which null comes back is left out. */
async function judgeEdited(
  t: Test,
  name: string,
  edit: (bytes: Buffer, file: string) => Buffer | string | null,
): Promise<Validated> {
  const folder = join(t.testdir(), "set");
  mkdirSync(folder);
  for (const file of readdirSync(fixture(name))) {
    const edited = edit(readFileSync(join(fixture(name), file)), file);
    if (edited !== null) writeFileSync(join(folder, file), edited);
  }
  return validatePath(folder, defaultPolicy);
}

const codesIn = ({ report }: Validated, file: string): readonly string[] =>
  report.groups.filter((group) => group.file === file).map((group) => group.code);

const asText =
  (edit: (text: string) => string) =>
  (bytes: Buffer): string =>
    edit(bytes.toString("utf8"));

const ways: readonly {
  readonly way: string;
  readonly edit: (bytes: Buffer) => Buffer | string;
  readonly refusal: string;
  readonly code: string;
}[] = [
  {
    way: "in UTF-16",
    edit: (bytes) => Buffer.from(`\ufeff${bytes.toString("utf8")}`, "utf16le"),
    refusal: "is written in UTF-16: export as UTF-8.",
    code: "csv.utf16",
  },
  {
    way: "separated by tabs",
    edit: asText((text) => text.replaceAll(",", "\t")),
    refusal: "separates its cells by tabs: export with commas.",
    code: "csv.separator",
  },
  {
    way: "with bare carriage returns",
    edit: asText((text) => text.replaceAll("\r\n", "\r")),
    refusal: "ends its lines with bare carriage returns: export with CRLF at the end of each line.",
    code: "csv.bare_cr",
  },
  {
    way: "with two byte order marks",
    edit: asText((text) => `\ufeff\ufeff${text}`),
    refusal: "begins with two byte order marks: write one, or none.",
    code: "csv.bom_twice",
  },
];

for (const { way, edit, refusal, code } of ways) {
  void t.test(`a set ${way} is refused and says so, with a manifest and without`, async (t) => {
    for (const manifest of [true, false]) {
      const judged = await judgeEdited(t, "v12-bulk", (bytes, file) =>
        file === "manifest.csv" && !manifest ? null : edit(bytes),
      );
      t.equal(judged.verdict.outcome, "refused");
      t.ok(judged.verdict.refusal?.endsWith(refusal), judged.verdict.refusal ?? "accepted");
      const unreadable = judged.verdict.files.find(({ name }) => name === "orgs.csv");
      t.equal(unreadable?.state, "unreadable");
      if (!manifest) t.equal(codesIn(judged, "users.csv")[0], code);
    }
  });

  void t.test(`one file ${way} is told by name and deletes nothing`, async (t) => {
    const judged = await judgeEdited(t, "v12-bulk", (bytes, file) => (file === "users.csv" ? edit(bytes) : bytes));
    t.equal(judged.verdict.outcome, "accepted");
    t.ok(codesIn(judged, "users.csv").includes(code));
    t.match(judged.verdict.types.user, { entities: 0, suspended: true, absence: false });
    t.equal(judged.verdict.types.org.absence, true);
  });
}

void t.test("SDS in OneRoster's file names is refused by name, with a manifest and without", async (t) => {
  const files: Readonly<Record<string, string>> = {
    "orgs.csv": "sourcedId,name,type\r\ns1,North,school\r\n",
    "users.csv": "sourcedId,username,givenName,familyName,activeDirectoryMatchId\r\nu1,a,B,C,\r\n",
    "roles.csv": "userSourcedId,orgSourcedId,role,isPrimary\r\nu1,s1,student,true\r\n",
  };
  for (const manifest of [true, false]) {
    const { verdict } = await judgeEdited(t, "v12-bulk", (bytes, file) =>
      file === "manifest.csv" && manifest ? bytes : (files[file] ?? null),
    );
    t.match(verdict.refusal, /^This is a Microsoft School Data Sync \(SDS\) set/u);
  }
});

void t.test("a set whose few rows are all refused is refused", async (t) => {
  const judged = await judgeEdited(t, "v12-delta", (bytes, file) =>
    file === "manifest.csv" ? bytes : bytes.toString("utf8").replaceAll("\r\n", ",x,y\r\n").replace(",x,y", ""),
  );
  t.match(judged.verdict.refusal, /^No row of the set can be used: all \d+ are refused\.$/u);
});

void t.test("rows that policy keeps back do not make a set acceptable", async (t) => {
  const only = (others: boolean): Promise<Validated> =>
    judgeEdited(t, "semantic-doubts", (bytes, file) => {
      if (file === "demographics.csv") return bytes;
      if (!others || file !== "orgs.csv") return null;
      return bytes.toString("utf8").replaceAll("\r\n", ",x\r\n").replace(",x", "");
    });
  t.match((await only(true)).verdict.refusal, /^No row of the set can be used: all \d+ are refused\.$/u);
  const { verdict } = await only(false);
  t.equal(verdict.refusal, "The district's policy keeps back all rows of the set.");
  t.equal(verdict.types.demographics.rows, 1, "they are checked all the same");
});

void t.test("a line of commas is skipped like an empty one, whatever its width", async (t) => {
  const judged = await judgeEdited(t, "v12-bulk", (bytes, file) =>
    file === "users.csv" ? `${bytes.toString("utf8")},,,\r\n${",".repeat(19)}\r\n"",""\r\n` : bytes,
  );
  const plain = await validatePath(fixture("v12-bulk"), defaultPolicy);
  t.strictSame(judged.verdict.types, plain.verdict.types);
  t.strictSame(judged.verdict.tolerated, { "csv.blank_row": 3 });
  t.equal(plain.verdict.types.user.absence, true);
  const keyless = await judgeEdited(t, "v12-bulk", (bytes, file) =>
    file === "users.csv" ? `${bytes.toString("utf8")},,,x\r\n` : bytes,
  );
  t.equal(keyless.verdict.types.user.suspended, true, "one filled cell may be a shifted key");
});

void t.test("blank lines between rows and a trailing Ctrl-Z are told and change nothing", async (t) => {
  const judged = await judgeEdited(t, "v12-bulk", (bytes, file) =>
    /^(?:users|manifest)\.csv$/u.test(file) ? `${bytes.toString("utf8").replace("\r\n", "\r\n\r\n")}\u001a` : bytes,
  );
  t.equal(judged.verdict.types.user.absence, true);
  for (const file of ["users.csv", "manifest.csv"]) {
    t.strictSame(codesIn(judged, file), ["csv.blank_line", "csv.end_mark"], file);
  }
});
