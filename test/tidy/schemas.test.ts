// A change of a schema that would leave records unreadable is refused by `make check`, before any registry hears of it.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";

import { incompatibilities } from "../../libs/adapters/registry/compatibility.ts";
import { pinSchemas } from "../../libs/adapters/registry/pin.ts";
import { schemasDir } from "../../libs/adapters/registry/repository.ts";

const name = { name: "name", type: "string" };
const inner = (fields: readonly object[]): object => ({
  name: "parts",
  type: { type: "array", items: { type: "record", name: "n.Part", fields } },
});

const cases: readonly {
  readonly what: string;
  readonly before: readonly object[];
  readonly after: readonly object[];
  readonly refused: RegExp | null;
}[] = [
  {
    what: "a field without a default",
    before: [name],
    after: [name, { name: "b", type: "long" }],
    refused: /field b/u,
  },
  { what: "a field without a default taken away", before: [name], after: [], refused: /field name/u },
  { what: "a field of another type", before: [name], after: [{ name: "name", type: "long" }], refused: /field name/u },
  {
    what: "a field that is widened",
    before: [{ name: "n", type: "int" }],
    after: [{ name: "n", type: "long" }],
    refused: /field n/u,
  },
  { what: "a field of an inner record", before: [inner([name])], after: [inner([])], refused: /n\.Part/u },
  {
    what: "a field with a default",
    before: [name],
    after: [name, { name: "b", type: "long", default: 0 }],
    refused: null,
  },
  { what: "other words of documentation", before: [name], after: [{ ...name, doc: "changed" }], refused: null },
];

t.test("every form of every record can read every other", async (t) => {
  t.strictSame(incompatibilities(schemasDir), []);
});

for (const { what, before, after, refused } of cases) {
  void t.test(`${what} is ${refused === null ? "allowed" : "refused, the field named"}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "rollcall-schemas-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const write = (fields: readonly object[]): void =>
      writeFileSync(
        join(folder, "n.Thing.avsc"),
        JSON.stringify({ type: "record", name: "Thing", namespace: "n", fields }),
      );
    write(before);
    pinSchemas(folder, { unreleased: false });
    write(after);
    const found = incompatibilities(folder).join("; ");
    if (refused === null) return void t.equal(found, "");
    t.match(found, refused);
    t.throws(() => pinSchemas(folder, { unreleased: false }), { code: "registry.incompatible" });
    t.ok(pinSchemas(folder, { unreleased: true }), "before a release everything may change");
  });
}

t.test("the second form back counts as well as the last", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-schemas-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const pinned = (...fields: readonly object[]): void => {
    const schema = { type: "record", name: "Thing", namespace: "n", fields };
    writeFileSync(join(folder, "n.Thing.avsc"), JSON.stringify(schema));
    pinSchemas(folder, { unreleased: false });
  };
  pinned(name, { name: "b", type: "string", default: "" });
  pinned(name);
  t.throws(() => pinned(name, { name: "b", type: "long", default: 0 }), { code: "registry.incompatible" });
});
