// Schemas and documents are what the descriptions say.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import t from "tap";
import { derivedFiles } from "./derived-files.ts";

const regenerate = "run `node test/domain/oneroster/generate.ts` and commit what it writes";

t.test("schemas of entities and the pages about them are current", async (t) => {
  for (const { name, path, text } of derivedFiles()) {
    t.equal(existsSync(path) ? readFileSync(path, "utf8") : null, text, `${name} is current; otherwise ${regenerate}`);
  }
});

t.test("no schema of an entity is left over", async (t) => {
  const files = derivedFiles().filter(({ name }) => name.endsWith(".avsc"));
  const folder = dirname(files[0]?.path ?? "");
  const found = readdirSync(folder).filter((name) => name.startsWith("rollcall.entity."));
  t.strictSame(found.toSorted(), files.map(({ name }) => name.slice("schemas/".length)).toSorted());
});
