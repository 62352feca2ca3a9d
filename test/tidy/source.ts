// The tree as the rules see it: every text file that belongs to the repository, and its syntax where it is TypeScript.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseSync, type Comment, type Program } from "oxc-parser";

export const root = join(import.meta.dirname, "../..");

/** A text file; `path` is relative to the root and has `/` between its parts. */
export type TextFile = { readonly path: string; readonly text: string };

/** A TypeScript file with its syntax tree. */
export type Source = TextFile & { readonly program: Program; readonly comments: readonly Comment[] };

const skipped = new Set([".git", ".rollcall", ".tap", ".tools", "node_modules", "package-lock.json"]);
const textual =
  /(?:^|\/)(?:Makefile|Dockerfile|rollcall|run|\.[a-z]+(?:rc|ignore))$|\.(?:avsc|csv|json|md|sql|ts|ya?ml)$/u;
// A fixture may be large, and need not be text.
const maxBytes = 1_000_000;

/** Every text file under a folder, by name, also those that git does not know yet. */
export function readTree(folder = ""): readonly TextFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !skipped.has(entry.name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return readTree(path);
      if (!entry.isFile() || !textual.test(path) || statSync(join(root, path)).size > maxBytes) return [];
      return [{ path, text: readFileSync(join(root, path), "utf8") }];
    });
}

/** @throws Error when the text is no TypeScript. */
export function parse(file: TextFile): Source {
  const { program, comments, errors } = parseSync(file.path, file.text);
  if (errors.length > 0) throw new Error(`${file.path}: ${errors.map((error) => error.message).join("; ")}`);
  return { ...file, program, comments };
}

/** Whether it is TypeScript that the rules are about; a fixture is not. */
export function isSource(file: TextFile): boolean {
  return file.path.endsWith(".ts") && !file.path.startsWith("test/fixtures/");
}
