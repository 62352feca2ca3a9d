// Rules about what may know of what: the pure domain, services that meet only at topics, files that act.

import { posix } from "node:path";
import type { Expression, MemberExpression, Statement } from "oxc-parser";
import { importing, visiting, type Rule } from "./rule.ts";

/** The file a relative specifier leads to; anything else stays as it is. */
function resolve(from: string, specifier: string): string {
  return specifier.startsWith(".") ? posix.join(posix.dirname(from), specifier) : specifier;
}

const domainImports: Rule = {
  name: "libs/domain imports only libs/domain",
  check: visiting(/^libs\/domain\//u, (report, { path }) =>
    importing((specifier) => {
      const target = resolve(path, specifier);
      return target.startsWith("libs/domain/") ? undefined : `imports ${specifier}`;
    }, report),
  ),
  planted: [
    ["libs/domain/a.ts", 'import { readFileSync } from "node:fs";'],
    ["libs/domain/a.ts", 'import type { Knex } from "knex";'],
    ["libs/domain/a/b.ts", 'export { AppError } from "../../errors.ts";'],
    ["libs/domain/a.ts", 'const loaded = import("node:fs");'],
    ["libs/domain/a.ts", "const loaded = import(name);"],
    ["libs/domain/a.ts", 'export type A = import("../ports.ts").Clock;'],
    ["libs/domain/a.ts", 'import { a } from "../domain-of-another/a.ts";'],
  ],
  allowed: [
    ["libs/domain/a/b.ts", 'import { a } from "../assert.ts";'],
    ["libs/other.ts", 'import { readFileSync } from "node:fs";'],
  ],
};

const domainWaits: Rule = {
  name: "libs/domain waits for nothing: no async, no promise",
  check: visiting(/^libs\/domain\//u, (report) => {
    const refuseAsync = (node: { readonly async: boolean; readonly start: number }): void => {
      if (node.async) report(node, "async function");
    };
    return {
      FunctionDeclaration: refuseAsync,
      FunctionExpression: refuseAsync,
      ArrowFunctionExpression: refuseAsync,
      AwaitExpression: (node) => report(node, "await"),
      ForOfStatement: (node) => {
        if (node.await) report(node, "for await");
      },
      Identifier: (node) => {
        if (/^(?:Async\w+|Promise|PromiseLike)$/u.test(node.name)) report(node, node.name);
      },
    };
  }),
  planted: [
    ["libs/domain/a.ts", "export async function a() {}"],
    ["libs/domain/a.ts", "export const a = async () => 1;"],
    ["libs/domain/a.ts", "export type A = { wait(): Promise<void> };"],
    ["libs/domain/a.ts", "export function a(rows: AsyncIterable<string>) { return rows; }"],
    ["libs/domain/a.ts", "await later;"],
  ],
  allowed: [["libs/domain/a.ts", "export function promised(a: number) { return a; }"]],
};

const domainClock: Rule = {
  name: "libs/domain has no clock",
  check: visiting(/^libs\/domain\//u, (report) => ({
    NewExpression: (node) => {
      if (isName(node.callee, "Date") && node.arguments.length === 0) report(node, "new Date() reads the clock");
    },
    CallExpression: (node) => {
      if (isName(node.callee, "Date")) report(node, "Date() reads the clock");
    },
    MemberExpression: (node) => {
      if (isName(node.object, "Temporal")) report(node, "Temporal reads the clock and the time zone");
      if (isName(node.object, "Date") && node.computed) report(node, "a computed member of Date");
    },
    VariableDeclarator: (node) => {
      if (node.init !== null && isName(node.init, "Date")) report(node, "another name for Date");
    },
  })),
  planted: [
    ["libs/domain/a.ts", "export const now = new Date();"],
    ["libs/domain/a.ts", "export const now = Date();"],
    ["libs/domain/a.ts", 'export const now = Date["now"]();'],
    ["libs/domain/a.ts", "const { now } = Date;"],
    ["libs/domain/a.ts", "export const now = Temporal.Now.instant();"],
  ],
  allowed: [["libs/domain/a.ts", "export const day = new Date(0); export const time = Date.UTC(2026, 0);"]],
};

const servicesApart: Rule = {
  name: "services never import each other, and nothing but the command line and tests imports a service",
  check: visiting(/^(?:libs|services|migrations)\//u, (report, { path }) =>
    importing((specifier) => {
      const target = resolve(path, specifier);
      if (/^(?:test|bench)\//u.test(target)) return `imports ${specifier}, which does not ship`;
      const service = /^services\/([^/]+)\//u.exec(target)?.[1];
      if (service === undefined || path.startsWith(`services/${service}/`) || path.startsWith("libs/cli/"))
        return undefined;
      return `imports the service ${service}`;
    }, report),
  ),
  planted: [
    ["services/diff/service.ts", 'import { a } from "../rosters/service.ts";'],
    ["services/diff/a/b.ts", 'import type { A } from "../../rosters/service.ts";'],
    ["libs/adapters/a.ts", 'import { a } from "../../services/diff/service.ts";'],
    ["libs/a.ts", 'import { a } from "../test/support/child.ts";'],
  ],
  allowed: [
    ["services/diff/main.ts", 'import { a } from "./service.ts";'],
    ["libs/cli/up.ts", 'import { a } from "../../services/diff/service.ts";'],
    ["test/services/diff/a.test.ts", 'import { a } from "../../../services/diff/service.ts";'],
  ],
};

const actors = /^(?:services\/[^/]+\/main|libs\/cli\/main)\.ts$/u;
const inert = new Set(["ImportDeclaration", "ExportAllDeclaration", "FunctionDeclaration", "ClassDeclaration"]);

const actsWhenImported: Rule = {
  name: "only main.ts acts when it is imported",
  check: (source) => {
    if (!/^(?:libs|services)\//u.test(source.path) || actors.test(source.path)) return [];
    const check = visiting(/^/u, (report) => {
      let depth = 0;
      const enter = (): void => void (depth += 1);
      const leave = (): void => void (depth -= 1);
      return {
        Program: (node) => {
          for (const statement of node.body) {
            if (acts(statement)) report(statement, "does something when it is imported");
          }
        },
        AwaitExpression: (node) => {
          if (depth === 0) report(node, "waits when it is imported");
        },
        FunctionDeclaration: enter,
        "FunctionDeclaration:exit": leave,
        FunctionExpression: enter,
        "FunctionExpression:exit": leave,
        ArrowFunctionExpression: enter,
        "ArrowFunctionExpression:exit": leave,
      };
    });
    return check(source);
  },
  planted: [
    ["libs/a.ts", "start();"],
    ["services/diff/service.ts", "export const a = 1; if (a) start();"],
    ["libs/a.ts", "export const a = await load();"],
    ["libs/a.ts", "for (const a of list) start(a);"],
    ["libs/a.ts", "if (import.meta.mine) start();"],
    ["libs/cli/other.ts", 'process.on("exit", stop);'],
  ],
  allowed: [
    ["services/diff/main.ts", "await run({});"],
    ["libs/cli/main.ts", "await run({});"],
    ["libs/a.ts", "declare const brand: unique symbol; export const a = new Map([[1, 2]]); export type A = string;"],
    ["libs/a.ts", "export async function a() { await b(); c(); }"],
    ["libs/a.ts", "if (import.meta.main) start();"],
    ["migrations/0001-a.ts", "start();"],
  ],
};

/** Whether a statement at the top of a module does more than to declare. */
function acts(statement: Statement): boolean {
  if (statement.type === "IfStatement") return !isMainCheck(statement.test);
  if (statement.type === "ExportNamedDeclaration") return statement.declaration !== null && acts(statement.declaration);
  if (statement.type === "ExpressionStatement") return typeof statement.directive !== "string";
  if (statement.type === "ExportDefaultDeclaration") return false;
  if (statement.type === "VariableDeclaration")
    return statement.declarations.some((each) => each.init?.type === "AwaitExpression");
  return !inert.has(statement.type) && !statement.type.startsWith("TS");
}

/** `import.meta.main` is true only in the file that was run, so what it guards never happens on import. */
function isMainCheck(node: Expression): boolean {
  return node.type === "MemberExpression" && node.object.type === "MetaProperty" && isProperty(node, "main");
}

function isProperty(node: MemberExpression, name: string): boolean {
  return node.property.type === "Identifier" && node.property.name === name;
}

const environment: Rule = {
  name: "the environment is read only through process.env, where the linter sees it",
  check: visiting(/^(?:libs|services|migrations)\//u, (report) => ({
    ImportDeclaration: (node) => {
      if (/^(?:node:)?process$/u.test(node.source.value)) report(node, "imports process: use the global");
    },
    VariableDeclarator: (node) => {
      if (node.init !== null && isName(node.init, "process")) report(node, "another name for process or its members");
    },
    MemberExpression: (node) => {
      if (isName(node.object, "process") && node.computed) report(node, "a computed member of process");
    },
  })),
  planted: [
    ["libs/a.ts", 'import { env } from "node:process";'],
    ["libs/a.ts", "const { env } = process;"],
    ["libs/a.ts", 'const a = process["env"];'],
  ],
  allowed: [["libs/a.ts", "const a = process.pid;"]],
};

export const layerRules: readonly Rule[] = [
  domainImports,
  domainWaits,
  domainClock,
  servicesApart,
  actsWhenImported,
  environment,
];

/** Whether an expression is just this name. */
function isName(node: Expression, name: string): boolean {
  return node.type === "Identifier" && node.name === name;
}
