// One row of users.csv is broken in the night, in each of the ways in which a row can be: nobody disappears for it.

import t from "tap";

import { readTable } from "../sample/naive.ts";
import { foldRoster } from "../support/checker.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const students = 80;
const crlf = "\r\n";

type Break = {
  readonly name: string;
  readonly rule: RegExp;
  /** What becomes of the lines of users.csv, header first; `at` is the line to break, counted from 0. */
  readonly broken: (lines: readonly string[], at: number) => readonly string[];
  /** Whether a key may be hidden in what cannot be read, so that nobody else is missing for certain either. */
  readonly suspends: boolean;
};

const breaks: readonly Break[] = [
  {
    name: "a bad value",
    rule: /boolean/iu,
    broken: (lines, at) => lines.with(at, (lines[at] ?? "").replace(/,(?:true|false),/u, ",perhaps,")),
    suspends: false,
  },
  {
    name: "the same id twice with other content",
    rule: /duplicate/iu,
    broken: (lines, at) => [...lines, (lines[at] ?? "").replace(/,(?:true|false),/u, ",false,,").replace(",,,", ",,")],
    suspends: false,
  },
  {
    name: "a key that cannot be read",
    rule: /guid|sourcedId|key|required/iu,
    broken: (lines, at) => lines.with(at, (lines[at] ?? "").replace(/^[^,]*/u, "")),
    suspends: true,
  },
];

/** Rows of a file, each ending like the others, without those that have one of the ids in the given column. */
function leaving(text: string, isLeft: (line: string) => boolean): string {
  const [header = "", ...rows] = text.trimEnd().split(crlf);
  return `${[header, ...rows.filter((line) => !isLeft(line))].join(crlf)}${crlf}`;
}

async function liveKeys(district: TestDistrict, type: string): Promise<ReadonlySet<string>> {
  return new Set(
    foldRoster(await district.records("roster"))
      .get(type)
      ?.keys(),
  );
}

/** Night two, in which one student's row is broken, another one is really gone, and a third has another name. */
async function brokenNight(
  test: Pick<typeof t, "equal" | "ok" | "notOk" | "same" | "match" | "teardown">,
  version: "1.1" | "1.2",
  { broken, suspends, rule }: Break,
): Promise<void> {
  const district = await freshDistrict(test);
  const set = await district.sample({ students, version });
  await district.deliver(set.directory);
  const [victim = "", gone = "", renamed = ""] = readTable(set.directory, "users")
    .map((row) => row.get("sourcedId") ?? "")
    .filter((id) => id.startsWith("s"));
  const [users, roles] = [await liveKeys(district, "user"), await liveKeys(district, "role")];
  const place = { line: 0 };
  const night = district.edited(set.directory, {
    "users.csv": (text) => {
      const lines = leaving(text, (line) => line.startsWith(`${gone},`))
        .replace(
          new RegExp(`^(${renamed},.*?,)(true|false)(,.*)$`, "mu"),
          (_, head: string, enabled: string, rest: string) => `${head}${enabled === "true" ? "false" : "true"}${rest}`,
        )
        .trimEnd()
        .split(crlf);
      const at = lines.findIndex((line) => line.startsWith(`${victim},`));
      const changed = broken(lines, at);
      place.line = changed.length > lines.length ? changed.length : at + 1;
      return `${changed.join(crlf)}${crlf}`;
    },
  });
  const outcome = await district.deliver(night);
  test.equal(outcome.outcome, "published");
  const deleted = (await district.changes()).filter(({ op }) => op === "deleted");
  const [usersAfter, rolesAfter] = [await liveKeys(district, "user"), await liveKeys(district, "role")];
  test.ok(usersAfter.has(victim), "the person of the broken row stays");
  test.same(
    [...roles].filter((id) => id.includes(victim) && !rolesAfter.has(id)),
    [],
    "with all roles",
  );
  test.equal(usersAfter.has(gone), suspends, "who is missing goes, unless absence cannot be concluded");
  test.same(
    deleted.filter(({ type }) => type === "user").map(({ sourcedId }) => sourcedId),
    suspends ? [] : [gone],
  );
  if (suspends) test.same(deleted, [], "no delete at all");
  test.equal(usersAfter.size, users.size - (suspends ? 0 : 1));
  const updated = (await district.changes()).filter(({ type, op }) => type === "user" && op === "updated");
  test.match(updated, [{ sourcedId: renamed, changed: ["enabledUser"] }], "what else changed goes out");
  test.equal(updated.length, 1);
  const findings = (await district.report(outcome.delivery)).groups.flatMap(({ listed }) => listed);
  const said = findings.filter((each) => each.file === "users.csv" && each.line === place.line);
  test.ok(
    said.some((each) => rule.test(`${each.code} ${each.rule}`)),
    `the report names line ${place.line}: ${JSON.stringify(said)}`,
  );
  await district.deliver(set.directory);
  test.same([...(await liveKeys(district, "user"))].toSorted(), [...users].toSorted(), "mended, all is as before");
}

t.test("I5 a broken row never deletes anybody", async (t) => {
  for (const version of ["1.1", "1.2"] as const)
    for (const each of breaks)
      await t.test(`${each.name}, OneRoster ${version}`, async (t) => brokenNight(t, version, each));
});

t.test("an unreadable key among enrollments suspends the deletes of enrollments and of nothing else", async (t) => {
  const district = await freshDistrict(t);
  const set = await district.sample({ students });
  await district.deliver(set.directory);
  const goneClass = "class-0000003";
  const night = district.edited(set.directory, {
    "enrollments.csv": (text) => {
      const lines = leaving(text, (line) => line.includes(`,${goneClass},`))
        .trimEnd()
        .split(crlf);
      return `${lines.with(1, (lines[1] ?? "").replace(/^[^,]*/u, "")).join(crlf)}${crlf}`;
    },
    "classes.csv": (text) => leaving(text, (line) => line.startsWith(`${goneClass},`)),
    "courseResources.csv": (text) => leaving(text, (line) => line.startsWith("cr-course-00-0,")),
  });
  const outcome = await district.deliver(night);
  const deleted = (await district.changes()).filter(({ op }) => op === "deleted");
  t.same(
    deleted.map(({ type, sourcedId }) => `${type} ${sourcedId}`),
    ["courseResource cr-course-00-0"],
    "an entity that nothing refers to goes; the class waits for enrollments of which nothing is certain",
  );
  t.equal(outcome.outcome, "held", "and somebody is told that it waits");
});
