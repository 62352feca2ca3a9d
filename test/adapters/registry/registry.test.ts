// The registry of the repository and the codec: nobody changes the wire by accident, and old records stay readable.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { openCodec } from "../../../libs/adapters/registry/codec.ts";
import { pinSchemas } from "../../../libs/adapters/registry/pin.ts";
import {
  changedRecords,
  pinnedFile,
  readPins,
  readSources,
  repositoryRegistry,
  schemasDir,
} from "../../../libs/adapters/registry/repository.ts";
import { canonicalForm, crc64, inlined, isSchema, sha256 } from "../../../libs/adapters/registry/schema-text.ts";
import { isAppError } from "../../../libs/errors.ts";
import type { Teardown } from "../../support/teardown.ts";

const howToGoOn =
  "A schema of the wire was changed. If that is meant: `node libs/adapters/registry/pin.ts` gives the new form a new id " +
  "and keeps the old one readable (`--unreleased` keeps the id, only while no log holds such a record). Commit schemas/.";

t.test("every schema is what its newest id says", async (t) => {
  t.strictSame(changedRecords(readSources(schemasDir), readPins(schemasDir)), [], howToGoOn);
});

t.test("every pinned form has the fingerprints of its id", async (t) => {
  for (const pin of readPins(schemasDir)) {
    const form: unknown = JSON.parse(readFileSync(join(schemasDir, pinnedFile(pin)), "utf8"));
    if (!isSchema(form)) throw new Error(`${pin.name} is no schema`);
    t.strictSame([crc64(form), sha256(form)], [pin.crc64, pin.sha256], `${pin.id} ${pin.name}: ${howToGoOn}`);
  }
});

t.test("the fingerprint of the wire is CRC-64-AVRO of the parsing canonical form", async (t) => {
  // From the test vectors of Apache Avro's Java implementation.
  t.equal(crc64("null"), "63dd24e7cc258f8a");
  t.equal(crc64("int"), "7275d51a3f395c8f");
  const form = canonicalForm({
    type: "record",
    name: "A",
    namespace: "n",
    doc: "x",
    fields: [{ name: "b", doc: "y", default: "", type: { type: "string" } }],
  });
  t.equal(form, '{"name":"n.A","type":"record","fields":[{"name":"b","type":"string"}]}');
});

t.test("a reference is written out where it is first used and named after that", async (t) => {
  const inner = { type: "record", name: "Inner", namespace: "n", fields: [] };
  const outer = {
    type: "record",
    name: "Outer",
    namespace: "n",
    fields: [
      { name: "a", type: ["null", "n.Inner"] },
      { name: "b", type: "Inner" },
    ],
  };
  const form = inlined(
    "n.Outer",
    new Map([
      ["n.Inner", inner],
      ["n.Outer", outer],
    ]),
  );
  t.strictSame(form["fields"], [
    { name: "a", type: ["null", inner] },
    { name: "b", type: "n.Inner" },
  ]);
});

/** A folder with one schema, pinned as id 1. */
function folderWith(t: Teardown, fields: readonly object[]): string {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-schemas-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  change(folder, fields);
  pinSchemas(folder, { unreleased: false });
  return folder;
}

function change(folder: string, fields: readonly object[]): void {
  writeFileSync(
    join(folder, "n.Thing.avsc"),
    JSON.stringify({ type: "record", name: "Thing", namespace: "n", fields }),
  );
}

const name = { name: "name", type: "string" };
const count = { name: "count", type: "long", default: 7 };

t.test("a changed schema is refused until it is pinned, and then has a new id", async (t) => {
  const folder = folderWith(t, [name]);
  change(folder, [name, count]);
  t.throws(() => repositoryRegistry(folder), { code: "registry.unpinned", details: { records: ["n.Thing"] } });
  pinSchemas(folder, { unreleased: false });
  const registry = repositoryRegistry(folder);
  t.equal(await registry.idOf("n.Thing"), 2);
  t.match(await registry.schemaOf(1), { fields: [name] });
  t.strictSame(pinSchemas(folder, { unreleased: false }), [], "pinning again changes nothing");
});

t.test("documentation may change without a new id, a default may not", async (t) => {
  const folder = folderWith(t, [count]);
  change(folder, [{ ...count, doc: "how many" }]);
  t.ok(repositoryRegistry(folder));
  change(folder, [{ ...count, default: 8 }]);
  t.throws(() => repositoryRegistry(folder), { code: "registry.unpinned" });
});

t.test("before a release a changed schema may keep its id", async (t) => {
  const folder = folderWith(t, [name]);
  change(folder, [count]);
  pinSchemas(folder, { unreleased: true });
  t.equal(await repositoryRegistry(folder).idOf("n.Thing"), 1);
});

t.test("a record written under an older schema is read in the current one", async (t) => {
  const folder = folderWith(t, [name]);
  const bytes = (await openCodec(repositoryRegistry(folder))).encoder("n.Thing").encode({ name: "one" });
  change(folder, [name, count]);
  pinSchemas(folder, { unreleased: false });
  const codec = await openCodec(repositoryRegistry(folder));
  t.same(codec.decode(bytes), { name: "n.Thing", value: { name: "one", count: 7 } });
});

t.test("the frame is a zero, the id in four big-endian bytes, and Avro", async (t) => {
  const codec = await openCodec(repositoryRegistry(folderWith(t, [name])));
  t.equal(Buffer.from(codec.encoder("n.Thing").encode({ name: "ab" })).toString("hex"), "0000000001046162");
});

t.test("views into the slab stay as they are while more is encoded, whatever the sizes", async (t) => {
  const codec = await openCodec(repositoryRegistry(folderWith(t, [name])));
  const encoder = codec.encoder("n.Thing");
  const lengths = [
    1,
    200_000,
    70_000,
    262_139,
    262_140,
    0,
    600_000,
    3,
    ...Array.from({ length: 300 }, (_, i) => i * 13),
  ];
  const views = lengths.map((length) => encoder.encode({ name: "x".repeat(length) }));
  const read = views.map((view) => codec.decode(view).value);
  t.ok(read.every((value, i) => JSON.stringify(value) === JSON.stringify({ name: "x".repeat(lengths[i] ?? 0) })));
});

t.test(
  "bytes that are not what they say are undecodable for good, and the message repeats nothing of them",
  async (t) => {
    const codec = await openCodec(repositoryRegistry(folderWith(t, [name])));
    const good = Buffer.from(codec.encoder("n.Thing").encode({ name: "Secret" }));
    const broken = [
      Buffer.alloc(0),
      good.subarray(0, 4),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.from([0])]),
      Buffer.from([1, ...good.subarray(1)]),
    ];
    for (const bytes of broken) {
      try {
        codec.decode(bytes);
        t.fail("decoded");
      } catch (thrown) {
        t.ok(isAppError(thrown, "registry.undecodable") && !thrown.retryable);
        t.notMatch(String(thrown), /ecre/u);
      }
    }
    t.throws(() => codec.decode(Buffer.from([0, 0, 0, 0, 99])), { code: "registry.unknown-schema" });
    t.throws(() => codec.encoder("n.Other"), { code: "registry.unknown-schema" });
  },
);

t.test("a value that does not fit names the field and not the value", async (t) => {
  const codec = await openCodec(repositoryRegistry(folderWith(t, [name])));
  t.throws(() => codec.encoder("n.Thing").encode({ name: 4711 }), /n\.Thing \(name\)/u);
  try {
    codec.encoder("n.Thing").encode({ name: 4711 });
  } catch (thrown) {
    t.notMatch(String(thrown), /4711/u);
  }
});

t.test("the project's own schemas compile and can be decoded", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-schemas-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  cpSync(schemasDir, folder, { recursive: true });
  const codec = await openCodec(repositoryRegistry(folder));
  const value = { generation: "g", epoch: 3, at: 1_700_000_000_000 };
  t.same(codec.decode(codec.encoder("rollcall.log.Writer").encode(value)), { name: "rollcall.log.Writer", value });
});
