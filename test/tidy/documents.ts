// Rules about documents that must tell what the code tells: invariants and their proofs, error codes, topics.

import { Visitor } from "oxc-parser";
import type { ErrorEntry } from "../../libs/errors/entry.ts";
import { errorRegister } from "../../libs/errors.ts";
import { topicTable } from "../../libs/topics.ts";
import type { Fault } from "./rule.ts";
import { isSource, parse, type TextFile } from "./source.ts";

type Tree = readonly TextFile[];

export type DocumentRule = {
  readonly name: string;
  readonly check: (tree: Tree) => readonly Fault[];
  /** Trees of a few files, each with one fault that must be caught. */
  readonly planted: readonly (readonly [what: string, tree: Tree])[];
  /** A tree of a few files in which nothing is wrong. */
  readonly allowed: Tree;
};

const tree = (files: Readonly<Record<string, string>>): Tree =>
  Object.entries(files).map(([path, text]) => ({ path, text }));

/** docs/errors.md as the register says it. */
export function errorsDocument(): string {
  const entries: readonly (readonly [string, ErrorEntry])[] = Object.entries(errorRegister);
  const sorted = entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const rows = sorted.map(
    ([code, { message, status, retryable, remedy }]) =>
      `| \`${code}\` | ${message} | ${status} | ${retryable ? "yes" : "no"} | ${remedy} |`,
  );
  return [
    "# Errors",
    "",
    "Every error that is not a bug has one of these codes. It stands in the logs, in the answers of the command line",
    "with `--json`, and in HTTP answers with the status given here. Made from `libs/errors.ts` by `make docs`.",
    "",
    "| code | while | status | retried | what to do |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

const errorsListed: DocumentRule = {
  name: "docs/errors.md says what the register says",
  check: (tree) =>
    textOf(tree, "docs/errors.md") === errorsDocument()
      ? []
      : [{ path: "docs/errors.md", line: 1, what: "is not current: run make docs" }],
  planted: [
    ["no document", []],
    ["a missing line", tree({ "docs/errors.md": errorsDocument().replace(/^\| `usage.*\n/mu, "") })],
    ["another remedy", tree({ "docs/errors.md": errorsDocument().replace("List the districts", "Guess") })],
  ],
  allowed: tree({ "docs/errors.md": errorsDocument() }),
};

const allCodes = JSON.stringify(Object.keys(errorRegister));

const isRegister = (path: string): boolean => /^libs\/errors(?:\/\w+)?\.ts$/u.test(path);

/** The codes of the register that no source but the register mentions. */
const errorsUsed: DocumentRule = {
  name: "every error code is used",
  check: (tree) => {
    const code = tree.filter(({ path }) => /^(?:libs|services)\/.*\.ts$/u.test(path) && !isRegister(path));
    return Object.keys(errorRegister)
      .filter((each) => !code.some(({ text }) => text.includes(`"${each}"`)))
      .map((each) => ({ path: "libs/errors.ts", line: 1, what: `${each} is used nowhere` }));
  },
  planted: [
    ["codes that only the register has", tree({ "libs/errors.ts": allCodes, "libs/errors/people.ts": allCodes })],
    ["codes that only tests have", tree({ "test/a.test.ts": allCodes })],
    ["one code less", tree({ "libs/a.ts": allCodes.replace('"usage"', "") })],
  ],
  allowed: tree({ "libs/a.ts": allCodes }),
};

const topicsListed: DocumentRule = {
  name: "the README's table of topics is that of libs/topics.ts",
  check: (tree) =>
    (textOf(tree, "README.md") ?? "").includes(topicTable())
      ? []
      : [{ path: "README.md", line: 1, what: "does not contain the table of topics: run make docs" }],
  planted: [
    ["no table", tree({ "README.md": "# Rollcall" })],
    ["another name", tree({ "README.md": topicTable().replaceAll("`roster.", "`rooster.") })],
  ],
  allowed: tree({ "README.md": `# Rollcall\n\n${topicTable()}\n` }),
};

/**
 * An invariant is `## I7 What always holds`, then text, then one line or more of the form
 * `Proof: test/domain/diff.test.ts, "I7 the difference of a set to itself is empty"`.
 */
const invariant = /^## (?<name>I[0-9]+) \S.*$/u;
const proof = /^Proof: (?<path>test\/\S+\.test\.ts), "(?<test>(?<name>I[0-9]+) .+)"$/u;

const spec = (...lines: readonly string[]): TextFile => ({ path: "SPEC.md", text: lines.join("\n") });
const test = (name: string): Tree => tree({ "test/a.test.ts": `t.test("${name}", () => {});` });
const proofs = 'Proof: test/a.test.ts, "I1 pigs fly"';
const [flight = spec()] = test("I1 pigs fly");

const invariantsProved: DocumentRule = {
  name: "every invariant of SPEC.md names tests that exist, and every test that claims one is named",
  check: (tree) => {
    const faults: Fault[] = [];
    const fault = (line: number, what: string): void => void faults.push({ path: "SPEC.md", line, what });
    const tests = claimedProofs(tree);
    const named = new Set<string>();
    const proved = new Map<string, number>();
    let current = "";
    for (const [index, line] of (textOf(tree, "SPEC.md") ?? "").split("\n").entries()) {
      const heading = invariant.exec(line)?.groups?.["name"];
      const { path, test, name } = proof.exec(line)?.groups ?? {};
      if (heading !== undefined) {
        current = heading;
        proved.set(current, 0);
        if (heading !== `I${proved.size}`) fault(index + 1, `${heading} should be I${proved.size}`);
      } else if (/^##? ?I[0-9]/u.test(line) || (/^\W*Proof\b/u.test(line) && path === undefined)) {
        fault(index + 1, `is not of the form that the rule reads: ${line}`);
      } else if (path !== undefined) {
        named.add(`${path} ${test}`);
        proved.set(current, (proved.get(current) ?? 0) + 1);
        if (name !== current) fault(index + 1, `a proof of ${name} under ${current}`);
        if (!tests.some((each) => each === `${path} ${test}`)) fault(index + 1, `no such test: ${path} "${test}"`);
      }
    }
    for (const [name, count] of proved) if (count === 0) fault(1, `${name} has no proof`);
    for (const test of tests) if (!named.has(test)) fault(1, `SPEC.md does not name ${test}`);
    return faults;
  },
  planted: [
    ["an invariant without proof", [spec("## I1 Pigs fly", "", "As seen."), flight]],
    ["a proof in a file that is not there", [spec("## I1 Pigs fly", 'Proof: test/b.test.ts, "I1 pigs fly"')]],
    ["a proof by another name", [spec("## I1 Pigs fly", proofs, 'Proof: test/a.test.ts, "I1 they do"'), flight]],
    ["a proof of something else", [spec("## I1 Pigs swim", "## I2 Pigs fly", proofs), flight]],
    ["a gap in the numbers", [spec("## I2 Pigs fly", 'Proof: test/a.test.ts, "I2 a"'), ...test("I2 a")]],
    ["a proof that cannot be read", [spec("## I1 Pigs fly", proofs, "Proof: by looking"), flight]],
    ["a test that nobody names", [spec("## I1 Pigs fly", proofs), flight, ...test("I1 still")]],
    ["no document", [flight]],
  ],
  allowed: [spec("# Spec", "## I1 Pigs fly", "", "As seen.", "", proofs), flight],
};

export const documentRules: readonly DocumentRule[] = [errorsListed, errorsUsed, topicsListed, invariantsProved];

/** `path name` of every test whose name begins with the number of an invariant. */
function claimedProofs(tree: Tree): readonly string[] {
  const found: string[] = [];
  for (const file of tree.filter(
    (each) => isSource(each) && each.path.startsWith("test/") && /["'`]I[0-9]/u.test(each.text),
  )) {
    new Visitor({
      CallExpression: ({ callee, arguments: [name] }) => {
        if (callee.type !== "MemberExpression" || name?.type !== "Literal" || typeof name.value !== "string") return;
        if (/^I[0-9]+ /u.test(name.value)) found.push(`${file.path} ${name.value}`);
      },
    }).visit(parse(file).program);
  }
  return found;
}

function textOf(tree: Tree, path: string): string | undefined {
  return tree.find((file) => file.path === path)?.text;
}
