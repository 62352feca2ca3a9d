// The ids that the registry gave, as this installation remembers them. Every stored record names its schema by such an id.
// It keeps true that a registry which lost its ids is refused before anything is read or written with others: what is
// published would be taken for something else, or for nothing.

import type { Knex } from "knex";

import { AppError, isAppError } from "../../errors.ts";
import type { SchemaRegistry } from "../../ports.ts";
import { crc64, fullName, isRecordSchema } from "./schema-text.ts";

type Row = { readonly id: number; readonly form: string };

/** @throws AppError `registry.ids-changed` when an id that was in use is now of another form, or of none. */
export async function refuseOtherIds(sql: Knex, registry: Pick<SchemaRegistry, "schemaOf">): Promise<void> {
  const rows: readonly Row[] = await sql("schema_ids").orderBy("id").select("id", "form");
  for (const { id, form } of rows) {
    const now = await formOf(registry, id);
    if (now === form) continue;
    throw new AppError("registry.ids-changed", {
      message: `the schema registry lost its ids: ${id} was ${nameIn(form)} and is ${now === null ? "unknown" : nameIn(now)}`,
      details: { schema: String(id) },
    });
  }
}

/** Remembers all ids that are known now. Twice changes nothing. @throws AppError `registry.ids-changed`. */
export async function keepIds(sql: Knex, registry: SchemaRegistry): Promise<void> {
  await refuseOtherIds(sql, registry);
  const rows: Row[] = [];
  for (const id of await registry.ids()) {
    const form = await formOf(registry, id);
    if (form !== null) rows.push({ id, form });
  }
  if (rows.length > 0) await sql("schema_ids").insert(rows).onConflict("id").ignore();
}

/** Name and fingerprint of what has the id; null: nothing has. */
async function formOf(registry: Pick<SchemaRegistry, "schemaOf">, id: number): Promise<string | null> {
  try {
    const schema = await registry.schemaOf(id);
    return isRecordSchema(schema) ? `${fullName(schema)} ${crc64(schema)}` : null;
  } catch (error) {
    if (isAppError(error, "registry.unknown-schema")) return null;
    throw error;
  }
}

function nameIn(form: string): string {
  return form.slice(0, form.indexOf(" "));
}
