// The registry adapter on a real server: registered from one place, under a rule that is really kept, with ids that last.

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";

import { ChangeCodec } from "../../../libs/adapters/registry/change-codec.ts";
import { openCodec } from "../../../libs/adapters/registry/codec.ts";
import { confluentRegistry, registerSchemas, registryState } from "../../../libs/adapters/registry/confluent.ts";
import { pinSchemas } from "../../../libs/adapters/registry/pin.ts";
import { pinnedFile, readPins, schemasDir } from "../../../libs/adapters/registry/repository.ts";
import { crc64, isSchema } from "../../../libs/adapters/registry/schema-text.ts";
import { freePorts } from "../../../libs/stack/free-ports.ts";
import { confluentUrl, startRegistry } from "../../../libs/stack/registry-server.ts";
import { registryUrl } from "../../support/kafka.ts";
import type { Teardown } from "../../support/teardown.ts";

const name = { name: "name", type: "string" };
const count = { name: "count", type: "long", default: 7 };

/** A folder with one record in a namespace of its own, since the server is shared. */
function ownSchemas(t: Teardown): {
  readonly folder: string;
  readonly record: string;
  readonly pin: (fields: readonly object[], options?: { readonly unreleased: boolean }) => void;
} {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-schemas-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const namespace = `n${randomBytes(4).toString("hex")}`;
  const record = `${namespace}.Thing`;
  const pin = (fields: readonly object[], options = { unreleased: false }): void => {
    const schema = { type: "record", name: "Thing", namespace, fields };
    writeFileSync(join(folder, `${record}.avsc`), JSON.stringify(schema));
    pinSchemas(folder, options);
  };
  return { folder, record, pin };
}

t.test("nothing is registered by the way, and everything by one call that may be repeated", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  const { folder, record, pin } = ownSchemas(t);
  pin([name]);
  const registry = confluentRegistry({ url }, folder);
  await t.rejects(registry.idOf(record), { code: "registry.unregistered", retryable: true });
  t.strictSame(await registry.ids(), []);
  const before = await registryState({ url }, folder);
  t.strictSame(before, { forms: [{ name: record, pin: 1, id: null }], unguarded: [record] });
  const after = await registerSchemas({ url }, folder);
  const id = await registry.idOf(record);
  t.strictSame(after, { forms: [{ name: record, pin: 1, id }], unguarded: [] });
  t.strictSame(await registerSchemas({ url }, folder), after, "again changes nothing");
  t.strictSame(await registry.ids(), [id]);
});

t.test("a record of the oldest form is decoded, and a writer keeps to the form that it knows", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  const { folder, record, pin } = ownSchemas(t);
  pin([name]);
  await registerSchemas({ url }, folder);
  const older = confluentRegistry({ url }, folder);
  const bytes = (await openCodec(older)).encoder(record).encode({ name: "one" });
  pin([name, count]);
  await registerSchemas({ url }, folder);
  const newer = confluentRegistry({ url }, folder);
  t.not(await newer.idOf(record), await older.idOf(record));
  t.strictSame(await newer.ids(), [await older.idOf(record), await newer.idOf(record)]);
  t.same((await openCodec(newer)).decode(bytes), { name: record, value: { name: "one", count: 7 } });
});

t.test("the server itself refuses an incompatible form and names the field", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  const { folder, pin } = ownSchemas(t);
  pin([name]);
  await registerSchemas({ url }, folder);
  // Past our own check, as an installation of another version could.
  pin([name, { name: "added", type: "string" }], { unreleased: true });
  await t.rejects(registerSchemas({ url }, folder), { code: "registry.incompatible", message: /added/u });
});

t.test("a subject that somebody freed of its rule is put under it again", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  const { folder, record, pin } = ownSchemas(t);
  pin([name]);
  await registerSchemas({ url }, folder);
  const headers = { "content-type": "application/json" };
  await fetch(`${url}/config/${record}`, { method: "PUT", headers, body: `{"compatibility":"NONE"}` });
  t.strictSame((await registryState({ url }, folder)).unguarded, [record]);
  t.strictSame((await registerSchemas({ url }, folder)).unguarded, []);
});

t.test("all schemas of the project come back as they were pinned, and their codecs work with other ids", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  const own = ownSchemas(t);
  own.pin([name]);
  // Takes an id first, so that the server's differ from the pinned ones.
  await registerSchemas({ url }, own.folder);
  await registerSchemas({ url });
  const registry = confluentRegistry({ url });
  const pins = readPins(schemasDir);
  let differing = 0;
  for (const pin of pins) {
    const id = await registry.idOf(pin.name);
    if (id !== pin.id) differing++;
    const schema = await registry.schemaOf(id);
    if (!isSchema(schema)) throw new Error(`${pin.name} is no schema`);
    const newest = pins.findLast((each) => each.name === pin.name);
    t.equal(crc64(schema), newest?.crc64, pin.name);
  }
  t.ok(differing > 0, "the ids are the server's own");
  const codec = await openCodec(registry);
  const value = { generation: "g", epoch: 3, at: 1_700_000_000_000 };
  t.same(codec.decode(codec.encoder("rollcall.log.Writer").encode(value)), { name: "rollcall.log.Writer", value });
  const changes = await ChangeCodec.open(registry);
  const absent = codec.encoder("rollcall.entity.Absent").encode({ reason: "why" });
  t.match(changes.desireOf(absent), { state: "absent" });
});

t.test("several who register at the same time do not fail by each other", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  const { folder, pin } = ownSchemas(t);
  pin([name]);
  pin([name, count]);
  const all = await Promise.all([1, 2, 3].map(() => registerSchemas({ url }, folder)));
  t.strictSame(all[0], all[1]);
  t.match(all[2], { unguarded: [] });
});

t.test("ids survive the end of the server, also when it is killed", async (t) => {
  if ((await registryUrl(t)) === null) return;
  const folder = mkdtempSync(join(tmpdir(), "rollcall-registry-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const [port = 0] = await freePorts(1);
  const schemas = ownSchemas(t);
  schemas.pin([name]);
  schemas.pin([name, count]);
  const first = await startRegistry({ folder, port, isBound: true });
  const server = { url: confluentUrl(first.address) };
  const before = await registerSchemas(server, schemas.folder);
  await first.kill();
  const kept = confluentRegistry(server, schemas.folder);
  await t.rejects(kept.idOf(schemas.record), { code: "registry.unreachable", retryable: true });
  const second = await startRegistry({ folder, port, isBound: true });
  t.teardown(() => second.kill());
  t.strictSame(await registryState(server, schemas.folder), before);
  t.equal(await kept.idOf(schemas.record), before.forms.at(-1)?.id, "what failed is asked again");
  const known = await kept.schemaOf(before.forms.at(-1)?.id ?? 0);
  await second.kill();
  t.equal(await kept.schemaOf(before.forms.at(-1)?.id ?? 0), known, "what is known is not asked for again");
});

t.test("the pinned text is sent as it is, so that every server has the same documentation", async (t) => {
  const url = await registryUrl(t);
  if (url === null) return;
  await registerSchemas({ url });
  const pin = readPins(schemasDir).at(-1);
  if (pin === undefined) return t.fail("there are pins");
  const answer = await confluentRegistry({ url }).schemaOf(await confluentRegistry({ url }).idOf(pin.name));
  t.same(answer, JSON.parse(readFileSync(join(schemasDir, pinnedFile(pin)), "utf8")));
});
