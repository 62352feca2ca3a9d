// The reporter's closing line and exit code can be believed: it is given TAP in which things go wrong.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { finish } from "./child.ts";

const reporter = join(import.meta.dirname, "reporter.ts");
const program = `
  import { createReadStream } from "node:fs";
  import Reporter from ${JSON.stringify(reporter)};
  createReadStream(process.argv[1]).pipe(new Reporter()).pipe(process.stdout);`;

/** One file with the given lines in it, as tap reports it. */
const file = (ok: boolean, ...lines: readonly string[]): string =>
  [
    "# Subtest: a.test.ts",
    ...lines.map((line) => `    ${line}`),
    `${ok ? "ok" : "not ok"} 1 - a.test.ts`,
    "1..1",
    "",
  ].join("\n");
const subtest = (name: string, result: string, ...lines: readonly string[]): readonly string[] => [
  `# Subtest: ${name}`,
  ...lines.map((line) => `    ${line}`),
  result,
];

const cases: readonly (readonly [name: string, tap: string, code: number, last: string])[] = [
  [
    "what passes",
    file(true, ...subtest("b", "ok 1 - b", "ok 1 - c", "ok 2 - d", "1..2"), "1..1"),
    0,
    "1 passed, 0 failed, 0 skipped",
  ],
  [
    "a failure",
    file(false, ...subtest("b", "not ok 1 - b", "not ok 1 - c", "1..1"), "1..1"),
    1,
    "0 passed, 1 failed, 0 skipped",
  ],
  ["a skip", file(true, "ok 1 - b", "ok 2 - c # SKIP no server", "1..2"), 0, "1 passed, 0 failed, 1 skipped"],
  ["a failing todo", file(true, "ok 1 - b", "not ok 2 - c # TODO later", "1..2"), 1, "1 passed, 1 failed, 0 skipped"],
  [
    "a test without an assertion",
    file(true, "ok 1 - b", ...subtest("c", "ok 2 - c", "1..0"), "1..2"),
    1,
    "1 passed, 1 failed, 0 skipped",
  ],
  ["a file without a test", "ok 1 - a.test.ts # SKIP no tests found\n1..1\n", 1, "0 passed, 1 failed, 0 skipped"],
  ["a file that fails after its tests", file(false, "ok 1 - b", "1..1"), 1, "1 passed, 1 failed, 0 skipped"],
  ["no file", "1..0\n", 1, "0 passed, 1 failed, 0 skipped"],
];

for (const [name, tap, code, last] of cases) {
  void t.test(`the closing line and the exit code tell of ${name}`, async (t) => {
    const path = join(t.testdir(), "run.tap");
    writeFileSync(path, `TAP version 14\n${tap}`);
    const ended = await finish([process.execPath, "--input-type=module", "-e", program, path]);
    t.equal(ended.stdout.trimEnd().split("\n").at(-1), last, ended.stdout + ended.stderr);
    t.equal(ended.code, code);
  });
}
