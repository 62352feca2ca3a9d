// Rules about how a file is written: its first comment, its switches, its log lines, its tests.

import type { Argument, Expression } from "oxc-parser";
import { importing, lineAt, visiting, type Fault, type Rule } from "./rule.ts";
import type { TextFile } from "./source.ts";

const everywhere = /^/u;
const tests = /^test\/.*\.test\.ts$/u;

const noEnum: Rule = {
  name: "no enum and no namespace",
  check: visiting(everywhere, (report) => ({
    TSEnumDeclaration: (node) => report(node, "an enum"),
    TSModuleDeclaration: (node) => report(node, "a namespace"),
  })),
  planted: [
    ["libs/a.ts", "export enum A { B }"],
    ["libs/a.ts", "const enum A { B }"],
    ["libs/a.ts", "namespace A { export const b = 1; }"],
  ],
  allowed: [["libs/a.ts", 'export type A = "b" | "c";']],
};

// Which members a switch must name is the linter's part: its rule knows the types.
const closedSwitch: Rule = {
  name: "every switch ends in a default that does something, such as unreachable(x)",
  check: visiting(everywhere, (report) => ({
    SwitchStatement: (node) => {
      const last = node.cases.at(-1);
      if (last?.test !== null || last.consequent.length === 0) report(node, "a switch that does not end in a default");
    },
  })),
  planted: [
    ["libs/a.ts", "switch (a) { case 1: b(); }"],
    ["libs/a.ts", "switch (a) { default: c(); break; case 1: b(); }"],
    ["libs/a.ts", "switch (a) { case 1: b(); break; default: }"],
    ["libs/a.ts", "switch (a) {}"],
  ],
  allowed: [
    ["libs/a.ts", "switch (a) { case 1: b(); break; default: unreachable(a); }"],
    ["libs/a.ts", "function f() { switch (a) { case 1: return b; default: return c; } }"],
  ],
};

const constantMessages: Rule = {
  name: "log messages are constants: values go into fields",
  check: visiting(/^(?:libs|services)\//u, (report) => ({
    CallExpression: (node) => {
      if (node.callee.type !== "MemberExpression" || !isLogger(node.callee.object)) return;
      const { property } = node.callee;
      if (property.type !== "Identifier" || !/^(?:trace|debug|info|warn|error|fatal)$/u.test(property.name)) return;
      if (node.arguments.some(isMade)) report(node, "a log message that is put together");
    },
  })),
  planted: [
    ["libs/a.ts", "logger.info(`read ${count} rows`);"],
    ["libs/a.ts", 'this.#log.warn({ file }, "cannot read " + file);'],
    ["services/a/service.ts", "context.logger.error({}, text.concat(name));"],
  ],
  allowed: [
    ["libs/a.ts", 'logger.info({ count }, "read the rows");'],
    ["libs/a.ts", "console.error(`read ${count} rows`);"],
  ],
};

const opening: Rule<TextFile> = {
  name: "every file opens with a comment that says what it is for",
  check: ({ path, text }) => {
    if (!/\.(?:ts|sh|ya?ml)$|^(?:Makefile|Dockerfile|bin\/[^/]+|\.ci\/run|\.taprc)$/u.test(path)) return [];
    if (path.startsWith("test/fixtures/")) return [];
    const body = text.replace(/^#!.*\n/u, "");
    const comment = path.endsWith(".ts") ? /^(?:\/\/ |\/\*\*?\s+\*? ?)(?!oxlint|eslint|@ts)\S/u : /^# \S/u;
    return comment.test(body) ? [] : [{ path, line: 1, what: "no opening comment" }];
  },
  planted: [
    ["libs/a.ts", 'import a from "a";'],
    ["libs/a.ts", "\n// Too late."],
    ["libs/a.ts", "// oxlint-disable no-console -- because"],
    ["bin/rollcall", "#!/bin/sh\nset -eu"],
    ["docker-compose.yml", "services: {}"],
  ],
  allowed: [
    ["libs/a.ts", "// What it is for."],
    ["bin/rollcall", "#!/bin/sh\n# What it is for."],
    ["schemas/a.avsc", "{}"],
  ],
};

const suppressions: Rule = {
  name: "a rule is switched off for one line only, with the reason",
  check: ({ path, text, comments }) =>
    comments.flatMap(({ value, start }): readonly Fault[] => {
      const off =
        /^\s*(?<how>oxlint-disable[\w-]*|eslint-disable[\w-]*|@ts-[\w-]+|oxfmt-ignore\S*)(?<rest>[^]*)$/u.exec(value);
      if (off === null) return [];
      const { how = "", rest = "" } = off.groups ?? {};
      const fault = (what: string): readonly Fault[] => [{ path, line: lineAt(text, start), what }];
      if (/^(?:oxlint|eslint)-disable(?:-line|-next-line)$/u.test(how)) {
        return / -- \S/u.test(rest) ? [] : fault("no reason after --");
      }
      if (how === "@ts-expect-error" && path.startsWith("test/")) return rest.trim() === "" ? fault("no reason") : [];
      return how.startsWith("oxfmt") ? [] : fault(`${how} is not allowed`);
    }),
  planted: [
    ["libs/a.ts", "// oxlint-disable no-console -- because"],
    ["libs/a.ts", "// oxlint-disable-next-line no-console"],
    ["libs/a.ts", "// @ts-ignore"],
    ["libs/a.ts", "// @ts-expect-error wrong"],
    ["test/a.test.ts", "// @ts-expect-error"],
    ["test/a.test.ts", "// @ts-nocheck"],
  ],
  allowed: [
    ["libs/a.ts", "// oxlint-disable-next-line no-console -- the reason"],
    ["test/a.test.ts", "// @ts-expect-error a number is no id"],
  ],
};

const wholeRuns: Rule = {
  name: "no test is marked only or todo",
  check: visiting(/^test\//u, (report) => ({
    MemberExpression: (node) => {
      if (node.property.type !== "Identifier" || node.object.type !== "Identifier") return;
      if (/^(?:t|test|tap)$/u.test(node.object.name) && /^(?:only|todo)$/u.test(node.property.name)) {
        report(node, node.property.name);
      }
    },
    CallExpression: (node) => {
      const options = node.arguments[1];
      if (!isCaseOf(node.callee) || options?.type !== "ObjectExpression") return;
      for (const property of options.properties) {
        if (property.type !== "Property" || property.key.type !== "Identifier") continue;
        if (/^(?:only|todo)$/u.test(property.key.name)) report(property, property.key.name);
      }
    },
  })),
  planted: [
    ["test/a.test.ts", 'import t from "tap"; t.only("a", () => {});'],
    ["test/a.test.ts", 't.test("a", { only: true }, () => {});'],
    ["test/a.test.ts", 't.test("a", { todo: "later" }, () => {});'],
    ["test/a.test.ts", 't.todo("a");'],
  ],
  allowed: [["test/a.test.ts", 't.test("a", { skip: "why" }, () => { rows.only(1); });']],
};

const suffixes: Rule = {
  name: "a test that needs PostgreSQL says so in its file name",
  check: visiting(tests, (report, { path }) =>
    /\.(?:pg|kafka|e2e)\.test\.ts$/u.test(path)
      ? {}
      : importing(
          (specifier) => (specifier.endsWith("/postgres.ts") ? "imports the test database" : undefined),
          report,
        ),
  ),
  planted: [["test/a.test.ts", 'import { database } from "./support/postgres.ts";']],
  allowed: [
    ["test/a.pg.test.ts", 'import { database } from "./support/postgres.ts";'],
    ["test/a.test.ts", 'import { child } from "./support/child.ts";'],
  ],
};

// Put together, so that this file does not break its own rule.
const machinePath = new RegExp(
  `(?<![\\w.$}-])/(?:${["work", "root", "home", "Users", "tmp"].join("|")})/[\\w.$-]`,
  "u",
);
const planted = (folder: string): string => ["", folder, "main"].join("/");

const machinePaths: Rule<TextFile> = {
  name: "no path of one machine",
  check: ({ path, text }) =>
    text
      .split("\n")
      .flatMap((line, index) =>
        machinePath.test(line) ? [{ path, line: index + 1, what: line.trim().slice(0, 80) }] : [],
      ),
  planted: [
    ["libs/a.ts", `const a = "${planted("work")}";`],
    ["README.md", `cd ${planted("home")}`],
    ["Makefile", `DIR := ${planted("tmp")}`],
  ],
  allowed: [
    ["libs/a.ts", 'const a = "/usr/bin"; const b = "./work/a"; const c = "https://example.org/home/a";'],
    ["README.md", "landing/ and work/ and libs/adapters/work/a"],
  ],
};

export const habitRules: readonly Rule[] = [noEnum, closedSwitch, constantMessages, suppressions, wholeRuns, suffixes];

/** Rules about any text, not just TypeScript. */
export const textRules: readonly Rule<TextFile>[] = [opening, machinePaths];

function isLogger(node: Expression): boolean {
  const named = node.type === "MemberExpression" ? node.property : node;
  return (named.type === "Identifier" || named.type === "PrivateIdentifier") && /^log(?:ger)?$/iu.test(named.name);
}

/** An argument whose text is not the same each time. */
function isMade(node: Argument): boolean {
  return (
    (node.type === "TemplateLiteral" && node.expressions.length > 0) ||
    (node.type === "BinaryExpression" && node.operator === "+") ||
    node.type === "CallExpression"
  );
}

function isCaseOf(callee: Expression): boolean {
  return callee.type === "MemberExpression" && callee.property.type === "Identifier" && callee.property.name === "test";
}
