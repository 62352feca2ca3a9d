// Faults that the linter must catch with our configuration, tried on the real linter:
// a rule that is misspelled, or typed rules that are silently off, would otherwise pass unnoticed.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./source.ts";

/** A file for the linter, and the rule that must speak up about it; null where none may. */
export type LintPlant = { readonly rule: string | null; readonly path: string; readonly text: string };

const lines = (count: number): string => `export const a = 1;\n${"// line\n".repeat(count - 1)}`;
const inFunction = (count: number): string => `export function a(): void {\n${"// line\n".repeat(count - 2)}}\n`;
const cast = "export const a = (b: unknown): string => b as string;";
const inSwitch = (cases: string): string => `export function a(d: "b" | "c"): number { switch (d) { ${cases} } }`;
const promise = "declare function later(): Promise<void>;\n";

export const lintPlants: readonly LintPlant[] = [
  { rule: "typescript(no-explicit-any)", path: "libs/a.ts", text: "export const a = (b: any): unknown => b;" },
  {
    rule: "typescript(no-non-null-assertion)",
    path: "libs/a.ts",
    text: "export const a = (b?: string): string => b!;",
  },
  { rule: "import(no-default-export)", path: "libs/a.ts", text: "export default 1;" },
  { rule: null, path: "migrations/0001-a.ts", text: "export default 1;" },
  { rule: "oxc(no-barrel-file)", path: "libs/index.ts", text: 'export * from "./a.ts";' },
  { rule: "typescript(consistent-type-assertions)", path: "libs/a.ts", text: cast },
  { rule: "typescript(consistent-type-assertions)", path: "libs/domain/a.ts", text: cast },
  { rule: "typescript(consistent-type-assertions)", path: "test/a.test.ts", text: cast },
  { rule: null, path: "libs/a.ts", text: 'export const a = ["b"] as const;' },
  { rule: null, path: "libs/domain/ids.ts", text: cast },
  { rule: null, path: "libs/adapters/postgres/a.ts", text: cast },
  { rule: null, path: "libs/roster/codec.ts", text: cast },
  { rule: null, path: "test/support/a.ts", text: cast },
  { rule: "eslint(max-lines)", path: "libs/a.ts", text: lines(401) },
  { rule: null, path: "libs/a.ts", text: lines(400) },
  { rule: "eslint(max-lines)", path: "services/diff/main.ts", text: lines(61) },
  { rule: "eslint(max-lines)", path: "libs/cli/main.ts", text: lines(61) },
  { rule: null, path: "libs/cli/main.ts", text: lines(60) },
  { rule: "eslint(max-lines-per-function)", path: "libs/a.ts", text: inFunction(71) },
  { rule: null, path: "libs/a.ts", text: inFunction(70) },
  { rule: "node(no-process-env)", path: "libs/a.ts", text: "export const a = process.env.A;" },
  { rule: "node(no-process-env)", path: "services/diff/service.ts", text: "export const a = process.env;" },
  { rule: null, path: "services/diff/config.ts", text: "export const a = process.env;" },
  { rule: null, path: "libs/runtime/env.ts", text: "export const a = process.env;" },
  { rule: "eslint(no-console)", path: "libs/a.ts", text: 'console.error("a");' },
  { rule: "typescript(only-throw-error)", path: "libs/a.ts", text: 'export const a = (): never => { throw "a"; };' },
  { rule: "typescript(no-floating-promises)", path: "libs/a.ts", text: `${promise}later();` },
  {
    rule: "typescript(no-floating-promises)",
    path: "libs/thenable.ts",
    text: 'import type { Knex } from "knex";\nexport const a = (k: Knex): void => { k("b").insert({ c: 1 }); };',
  },
  { rule: "typescript(no-misused-promises)", path: "libs/a.ts", text: `${promise}if (later()) later().catch(String);` },
  { rule: "typescript(await-thenable)", path: "libs/a.ts", text: "export const a = async () => { await 1; };" },
  {
    rule: "typescript(return-await)",
    path: "libs/a.ts",
    text: `${promise}export async function a() { try { return later(); } catch { return; } }`,
  },
  {
    rule: "typescript(switch-exhaustiveness-check)",
    path: "libs/a.ts",
    text: inSwitch('case "b": return 1; default: return 2;'),
  },
  {
    rule: null,
    path: "libs/a.ts",
    text: inSwitch('case "b": return 1; case "c": return 2; default: throw new Error(d);'),
  },
  {
    rule: null,
    path: "test/subtest.test.ts",
    text: 'import t from "tap";\nt.test("a", async (t) => { t.test("b", async (t) => { t.ok(1); }); });',
  },
  ...["process.pid", "console.log", "Buffer.alloc", "fetch", "performance.now", "Promise.resolve", "crypto.randomUUID"]
    .map((use) => `${use}(1)`)
    .concat("setTimeout(() => {}, 1)", "globalThis.fetch(1)", "queueMicrotask(() => {})")
    .map((text) => ({ rule: "eslint(no-restricted-globals)", path: "libs/domain/a.ts", text: `void ${text};` })),
  { rule: "eslint(no-restricted-properties)", path: "libs/domain/a.ts", text: "export const a = Date.now();" },
  { rule: "eslint(no-restricted-properties)", path: "libs/domain/a.ts", text: "export const a = Math.random();" },
  { rule: "unicorn(filename-case)", path: "libs/camelCase.ts", text: "export const a = 1;" },
];

/**
 * Runs the linter with our configuration over the planted files, in as few runs as their paths allow.
 * A file named `a` gets a number, so that many can lie in one folder.
 * @param folder empty, to be written into.
 * @returns for each plant the rules that spoke up, in the order of the plants.
 */
export function lint(folder: string, plants: readonly LintPlant[]): readonly (readonly string[])[] {
  const numbered = plants.map(({ path, text }, index) => ({ path: path.replace("/a.", `/a-${index}.`), text }));
  const found = plants.map((): readonly string[] => []);
  let waiting = numbered.map((_, index) => index);
  for (let run = 0; waiting.length > 0; run++) {
    const batch = new Map<string, number>();
    for (const index of waiting) {
      const path = numbered[index]?.path ?? "";
      if (!batch.has(path)) batch.set(path, index);
    }
    const project = join(folder, String(run));
    for (const [path, index] of batch) write(join(project, path), numbered[index]?.text ?? "");
    for (const [path, codes] of runLinter(project, [...batch.keys()])) found[batch.get(path) ?? -1] = codes;
    waiting = waiting.filter((index) => batch.get(numbered[index]?.path ?? "") !== index);
  }
  return found;
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** The rules that spoke up, by path. */
function runLinter(project: string, paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  for (const file of [".oxlintrc.json", "tsconfig.json", "package.json"]) cpSync(join(root, file), join(project, file));
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"));
  // tap puts a loader into every Node that a test starts, under which the linter does not start: `env` takes it away.
  const command = ["-u", "NODE_OPTIONS", join(root, "node_modules/.bin/oxlint"), "--format=json", ...paths];
  const { stdout, stderr } = spawnSync("env", command, {
    cwd: project,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (stdout === "") throw new Error(`the linter said nothing: ${stderr}`);
  const codes = new Map<string, readonly string[]>();
  for (const { filename, code } of diagnosticsOf(JSON.parse(stdout))) {
    codes.set(filename, [...(codes.get(filename) ?? []), code]);
  }
  return codes;
}

type Diagnostic = { readonly filename: string; readonly code: string };

function diagnosticsOf(report: unknown): readonly Diagnostic[] {
  if (typeof report !== "object" || report === null || !("diagnostics" in report)) throw new Error("no report");
  const { diagnostics } = report;
  if (!Array.isArray(diagnostics)) throw new Error("no diagnostics");
  return diagnostics.map((each: Partial<Diagnostic>) => ({
    filename: String(each.filename).replaceAll("\\", "/"),
    code: String(each.code),
  }));
}
