// Changes are put together from bytes: what is written so must be what Avro says, for every type and any values.

import { strict as assert } from "node:assert";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import t from "tap";

import { ChangeCodec, type ChangeHead, contentFingerprint } from "../../../libs/adapters/registry/change-codec.ts";
import { openCodec } from "../../../libs/adapters/registry/codec.ts";
import { pinSchemas } from "../../../libs/adapters/registry/pin.ts";
import { repositoryRegistry, schemasDir } from "../../../libs/adapters/registry/repository.ts";
import { descriptionOf, type Entity } from "../../../libs/domain/oneroster/entities.ts";
import { type EntityType, entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";
import { randomEntity, touched } from "../../domain/diff/random-entities.ts";
import { forSeeds, type Random } from "../../support/seeded.ts";
import type { Teardown } from "../../support/teardown.ts";

const registry = repositoryRegistry();
const codec = await openCodec(registry);
const changes = await ChangeCodec.open(registry);

function nameOf(type: EntityType): string {
  return `rollcall.entity.${descriptionOf(type).record}`;
}

function someEntity(random: Random, type: EntityType): Entity {
  return randomEntity(random, { type, sourcedId: `${type}-${random.below(9)}` }, (to) => [`${to}-1`, `${to}-2`]);
}

function framed(entity: Entity): Uint8Array {
  return codec.encoder(nameOf(entity.type)).encode(entity);
}

function contentOf(entity: Entity): Uint8Array {
  return framed(entity).subarray(5);
}

/** The fields of an entity's record: its type is the name of the record and not one of them. */
function recordOf({ type: _type, ...fields }: Entity): object {
  return fields;
}

function someHead(random: Random, op: string): ChangeHead {
  return {
    op,
    changeset: random.pick([1, 127, 2 ** 31, 2 ** 52]),
    at: random.pick([0, -1, 1_760_000_000_000]),
    cause: random.pick([null, "absent", ""]),
    sources: random.some(["sftp", "api", "ü"], 0.5),
    changed: random.some(["givenName", "familyName", "x".repeat(300)], 0.5),
  };
}

/** A value compared without the classes that the decoder makes. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

const trials = { runs: 60, size: 4 };

t.test("a change that was put together is decoded by its whole schema to what went in", async (t) => {
  forSeeds(t, trials, (random) => {
    for (const type of entityTypes) {
      const entity = someEntity(random, type);
      const [upsert, deleted] = [someHead(random, "updated"), someHead(random, "deleted")];
      const name = `rollcall.roster.${descriptionOf(type).record}Change`;
      assert.deepEqual(plain(codec.decode(changes.encodeUpsert(type, upsert, contentOf(entity)))), {
        name,
        value: plain({ ...upsert, before: null, after: recordOf(entity) }),
      });
      assert.deepEqual(plain(codec.decode(changes.encodeDeleted(type, deleted, contentOf(entity)))), {
        name,
        value: plain({ ...deleted, before: recordOf(entity), after: null }),
      });
    }
  });
});

t.test("a change that was put together is the same, byte for byte, as Avro writes it", async (t) => {
  forSeeds(t, trials, (random) => {
    for (const type of entityTypes) {
      const entity = someEntity(random, type);
      const head = someHead(random, "created");
      const encoder = codec.encoder(`rollcall.roster.${descriptionOf(type).record}Change`);
      const upsert = encoder.encode({ ...head, before: null, after: entity });
      const deleted = encoder.encode({ ...head, before: entity, after: null });
      assert(changes.encodeUpsert(type, head, contentOf(entity)).equals(upsert));
      assert(changes.encodeDeleted(type, head, contentOf(entity)).equals(deleted));
    }
  });
});

t.test("head and content are read back out of a change, and an entity out of its content", async (t) => {
  forSeeds(t, trials, (random) => {
    for (const type of entityTypes) {
      const entity = someEntity(random, type);
      const head = someHead(random, "deleted");
      for (const value of [
        changes.encodeUpsert(type, head, contentOf(entity)),
        changes.encodeDeleted(type, head, contentOf(entity)),
      ]) {
        const change = changes.changeOf(value);
        assert(change !== null && change.type === type);
        assert.deepEqual(changes.changeAt(type, { value, offset: 0 }), change);
        const other = type === "org" ? "user" : "org";
        assert.throws(() => changes.changeAt(other, { value, offset: 0 }), { code: "registry.undecodable" });
        assert.deepEqual(plain(change.head), head);
        assert.deepEqual(Buffer.from(change.content), Buffer.from(contentOf(entity)));
        assert.deepEqual(plain(changes.decodeEntity(type, change.content)), plain(entity));
      }
    }
  });
});

const plainHead: ChangeHead = { op: "created", changeset: 1, at: 2, cause: null, sources: [], changed: [] };

t.test("a head may be longer than the memory that was set aside for it", async (t) => {
  const head = { ...plainHead, changed: Array.from({ length: 30_000 }, (_, index) => `field ${index}`) };
  const value = changes.encodeUpsert("org", head, Uint8Array.of(0));
  const change = changes.changeOf(value);
  t.strictSame(change?.head.changed.length, 30_000);
  t.equal(changes.encodeUpsert("org", plainHead, Uint8Array.of(0)).length < 100, true);
});

function hashOf(content: Uint8Array): string {
  const out = new Uint32Array(4);
  contentFingerprint(content, out);
  return out.join(" ");
}

t.test("the fingerprint of content ignores dateLastModified, whatever its length, and nothing else", async (t) => {
  const times = [null, 0, 1, -1, 63, -64, 64, -65, 8191, 8192, 2 ** 31, -(2 ** 40), 1_760_000_000_000, 2 ** 52];
  forSeeds(t, trials, (random) => {
    for (const type of entityTypes) {
      const entity = someEntity(random, type);
      const hashes = new Set(times.map((time) => hashOf(contentOf(touched(entity, time)))));
      assert.equal(hashes.size, 1);
      const other = someEntity(random, type);
      const same = JSON.stringify(touched(entity, null)) === JSON.stringify(touched(other, null));
      assert.equal(hashes.has(hashOf(contentOf(other))), same);
      const bytes = Buffer.from(contentOf(touched(entity, null)));
      for (let at = 1; at < bytes.length; at++) {
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        assert(!hashes.has(hashOf(bytes)), `byte ${at} counts`);
        bytes.set(contentOf(touched(entity, null)));
      }
    }
  });
});

t.test("what stands where an entity does not is read with its reason, and other records are no desires", async (t) => {
  const absent = codec.encoder("rollcall.entity.Absent").encode({ reason: "tobedeleted" });
  const unknown = codec.encoder("rollcall.entity.Unknown").encode({ rule: "value.enum" });
  t.strictSame(changes.desireOf(absent), { state: "absent", reason: "tobedeleted" });
  t.strictSame(changes.desireOf(unknown), { state: "unknown", rule: "value.enum" });
  const marker = codec.encoder("rollcall.log.Writer").encode({ generation: "g", epoch: 1, at: 2 });
  t.equal(changes.changeOf(marker), null);
  t.throws(() => changes.changeAt("org", { value: marker, offset: 7 }), {
    code: "registry.undecodable",
    message: /7/u,
  });
  t.throws(() => changes.desireOf(marker), { code: "registry.unknown-schema" });
  t.throws(() => changes.changeOf(Buffer.from([1, 0, 0, 0, 1, 0])), { code: "registry.undecodable" });
  t.throws(() => changes.changeOf(Buffer.from([0, 0])), { code: "registry.undecodable" });
  t.throws(() => changes.desireOf(Buffer.from([0, 0, 0, 99, 99])), { code: "registry.unknown-schema" });
});

/** The project's schemas, with one field more in every entity and in what stands for one. */
function newerRegistry(t: Teardown): ReturnType<typeof repositoryRegistry> {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-schemas-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  cpSync(schemasDir, folder, { recursive: true });
  const more = { name: "nickname", type: ["null", "string"], default: null };
  for (const name of [...entityTypes.map(nameOf), "rollcall.entity.Absent", "rollcall.entity.Unknown"]) {
    const path = join(folder, `${name}.avsc`);
    const schema: { readonly fields: readonly object[] } = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...schema, fields: [...schema.fields, more] }));
  }
  pinSchemas(folder, { unreleased: false });
  return repositoryRegistry(folder);
}

t.test("what was written before a field was added equals what is written after", async (t) => {
  const newer = newerRegistry(t);
  const [newCodec, newChanges] = [await openCodec(newer), await ChangeCodec.open(newer)];
  for (const type of entityTypes) {
    t.not(await newer.idOf(nameOf(type)), await registry.idOf(nameOf(type)), `${type} has a new id`);
    const entities: Entity[] = [];
    forSeeds(t, { runs: 5, size: 3 }, (random) => void entities.push(someEntity(random, type)));
    for (const entity of entities) {
      const content = newCodec
        .encoder(nameOf(type))
        .encode({ ...entity, nickname: null })
        .subarray(5);
      const desire = newChanges.desireOf(framed(entity));
      assert(desire.state === "content");
      t.ok(Buffer.from(desire.content).equals(content), "as delivered");
      for (const old of [
        changes.encodeUpsert(type, plainHead, contentOf(entity)),
        changes.encodeDeleted(type, plainHead, contentOf(entity)),
      ]) {
        const change = newChanges.changeOf(old);
        t.ok(change !== null && Buffer.from(change.content).equals(content), "as published");
        t.equal(hashOf(change?.content ?? new Uint8Array(0)), hashOf(content));
      }
    }
  }
});

t.test("an older record that stands where an entity does not is still read", async (t) => {
  const newChanges = await ChangeCodec.open(newerRegistry(t));
  const absent = codec.encoder("rollcall.entity.Absent").encode({ reason: "tobedeleted" });
  const unknown = codec.encoder("rollcall.entity.Unknown").encode({ rule: "value.enum" });
  t.strictSame(newChanges.desireOf(absent), { state: "absent", reason: "tobedeleted" });
  t.strictSame(newChanges.desireOf(unknown), { state: "unknown", rule: "value.enum" });
});
