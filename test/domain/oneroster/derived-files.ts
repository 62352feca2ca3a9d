// The files of the repository that follow from the entity descriptions, with the text they must have.

import { join } from "node:path";

import { entitySchemas } from "../../../libs/domain/oneroster/avro.ts";
import { fieldDocs, findingDocs } from "../../../libs/domain/oneroster/docs.ts";

const root = join(import.meta.dirname, "../../..");

export type DerivedFile = { readonly name: string; readonly path: string; readonly text: string };

/** All derived files. `name` is the path from the root of the repository. */
export function derivedFiles(): readonly DerivedFile[] {
  const schemas = entitySchemas().map((schema) => ({
    name: `schemas/${schema.namespace}.${schema.name}.avsc`,
    text: `${JSON.stringify(schema, null, 2)}\n`,
  }));
  const documents = [
    { name: "docs/oneroster/1.1.md", text: fieldDocs("1.1") },
    { name: "docs/oneroster/1.2.md", text: fieldDocs("1.2") },
    { name: "docs/oneroster/findings.md", text: findingDocs() },
  ];
  return [...schemas, ...documents].map((file) => ({ ...file, path: join(root, file.name) }));
}
