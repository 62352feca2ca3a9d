// `make docs`: writes what documents repeat from the sources. test/tidy.test.ts fails when they differ.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { topicTable } from "../../libs/topics.ts";
import { errorsDocument } from "../tidy/documents.ts";
import { root } from "../tidy/source.ts";

mkdirSync(join(root, "docs"), { recursive: true });
writeFileSync(join(root, "docs/errors.md"), errorsDocument());

const readme = join(root, "README.md");
const table = /^\| topic \|.*(?:\n\|.*)*/mu;
if (existsSync(readme)) {
  const text = readFileSync(readme, "utf8");
  if (!table.test(text)) throw new Error("README.md has no table that begins with | topic |");
  writeFileSync(
    readme,
    text.replace(table, () => topicTable()),
  );
}
