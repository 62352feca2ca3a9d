// Writes the files that are derived from the entity descriptions: `node test/domain/oneroster/generate.ts`.
// Tests compare the files with what is derived, and name this command when they differ.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { derivedFiles } from "./derived-files.ts";

for (const { path, text } of derivedFiles()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
