// The files of the repository that follow from the entity descriptions, with the text they must have.

import { join } from "node:path";

import { entitySchemas } from "../../../libs/domain/oneroster/avro.ts";

const root = join(import.meta.dirname, "../../..");

export type DerivedFile = { readonly name: string; readonly path: string; readonly text: string };

/** All derived files. `name` is the path from the root of the repository. */
export function derivedFiles(): readonly DerivedFile[] {
  const schemas = entitySchemas().map((schema) => ({
    name: `schemas/${schema.namespace}.${schema.name}.avsc`,
    text: `${JSON.stringify(schema, null, 2)}\n`,
  }));
  return schemas.map((file) => ({ ...file, path: join(root, file.name) }));
}
