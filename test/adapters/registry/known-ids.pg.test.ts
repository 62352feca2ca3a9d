// A registry that lost its ids is refused, and one that only learned more is not.

import t from "tap";

import { keepIds, refuseOtherIds } from "../../../libs/adapters/registry/known-ids.ts";
import { repositoryRegistry } from "../../../libs/adapters/registry/repository.ts";
import { AppError } from "../../../libs/errors.ts";
import type { SchemaRegistry } from "../../../libs/ports.ts";
import { freshDatabase } from "../../support/postgres.ts";

const whole = repositoryRegistry();

/** A registry whose ids name something else, or nothing. */
function changed(to: (id: number) => number | null): SchemaRegistry {
  const schemaOf = async (id: number): Promise<unknown> => {
    const other = to(id);
    if (other === null) throw new AppError("registry.unknown-schema");
    return whole.schemaOf(other);
  };
  return { ...whole, schemaOf };
}

t.test("a registry whose ids are others than they were is refused, also one that is empty", async (t) => {
  const { sql } = await freshDatabase(t);
  const [first = 0, second = 0, ...rest] = await whole.ids();
  await keepIds(sql, { ...whole, ids: async () => [first, second] });
  await keepIds(sql, whole);
  await keepIds(sql, whole);
  t.equal(Number((await sql("schema_ids").count("*", { as: "n" }))[0]?.["n"]), rest.length + 2);
  const swapped = changed((id) => (id === first ? second : id === second ? first : id));
  await t.rejects(refuseOtherIds(sql, swapped), { code: "registry.ids-changed", details: { schema: String(first) } });
  const empty = changed(() => null);
  await t.rejects(keepIds(sql, { ...empty, ids: async () => [] }), { code: "registry.ids-changed" });
  await refuseOtherIds(sql, whole);
});
