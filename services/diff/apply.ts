// Writes a changeset: upserts parents first, then deletes children first, each delete followed by its null, then the marker.
// It can be begun again at any point: what the log already holds is not written twice, because the plan was made against it.

import { type ChangeCodec, type ChangeHead, contentFingerprint } from "../../libs/adapters/registry/change-codec.ts";
import type { RecordEncoder } from "../../libs/adapters/registry/record-codec.ts";
import { action, cause, hold, type Image, published } from "../../libs/domain/diff/image.ts";
import { deletesInOrder } from "../../libs/domain/diff/order.ts";
import { changedFields } from "../../libs/domain/diff/references.ts";
import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { typeOfKey } from "../../libs/domain/ids.ts";
import { type EntityType, entityTypes, isEntityType } from "../../libs/domain/oneroster/entity-types.ts";
import { RangeHash } from "../../libs/domain/range-hash.ts";
import type { Clock, EventLog, NewRecord, TopicWriter } from "../../libs/ports.ts";
import type { Count, Delivery } from "../../libs/records.ts";
import { type Comparison, desires } from "./compare.ts";

const recordsPerAppend = 1000;
export const markerKey = JSON.stringify(["changeset"]);

export type Application = {
  readonly log: EventLog;
  readonly codec: ChangeCodec;
  readonly encode: RecordEncoder;
  readonly writer: TopicWriter;
  readonly clock: Clock;
};

/** The changeset as its row says it. `from` is where the last range ended. */
export type Begun = { readonly number: number; readonly from: number };

export type Applied = { readonly to: number; readonly counts: readonly Count[]; readonly hash: string };

/**
 * Writes all that the comparison plans and does not hold, and the marker.
 * @returns the range's end, and counts and hash as read back from the log.
 */
export async function applyChangeset(
  application: Application,
  {
    comparison,
    delivery,
    topics,
    begun,
  }: {
    readonly comparison: Comparison;
    readonly delivery: Delivery;
    readonly topics: { readonly entities: string; readonly roster: string };
    readonly begun: Begun;
  },
): Promise<Applied> {
  const at = application.clock.now();
  const out = new ChangeOutput(application, comparison.image, { delivery, number: begun.number, at });
  await writeUpserts(application, { comparison, delivery, entities: topics.entities, out });
  await writeDeletes(application.codec, comparison, out);
  await out.flush();
  const { writer, encode } = application;
  const audit = await auditRange(application, { image: comparison.image, roster: topics.roster, from: begun.from });
  const marker = { number: begun.number, from: begun.from, delivery: delivery.delivery, ...audit, at };
  const value = encode("rollcall.roster.Changeset", marker);
  const { to } = await writer.append([{ key: markerKey, value, headers: { generation: writer.generation } }]);
  return { to, ...audit };
}

/** Buffers changes of one changeset and appends them a thousand at a time, keeping the image's last offsets true. */
class ChangeOutput {
  readonly #application: Application;
  readonly #image: Image;
  readonly #common: { readonly changeset: number; readonly at: number; readonly sources: readonly string[] };
  readonly #headers: Readonly<Record<string, string>>;
  #records: NewRecord[] = [];
  #entries: number[] = [];
  #appending: Promise<void> = Promise.resolve();

  constructor(
    application: Application,
    image: Image,
    { delivery, number, at }: { readonly delivery: Delivery; readonly number: number; readonly at: number },
  ) {
    this.#application = application;
    this.#image = image;
    this.#common = { changeset: number, at, sources: [delivery.source] };
    this.#headers = { generation: application.writer.generation, delivery: delivery.delivery };
  }

  head(op: string, why: string | null, changed: readonly string[] = []): ChangeHead {
    return { ...this.#common, op, cause: why, changed };
  }

  async write(
    entry: number,
    record: { readonly key: string | Uint8Array; readonly value: Uint8Array | null; readonly origin?: string },
  ): Promise<void> {
    const headers = record.origin === undefined ? this.#headers : { ...this.#headers, origin: record.origin };
    this.#records.push({ key: record.key, value: record.value, headers });
    this.#entries.push(entry);
    if (this.#records.length >= recordsPerAppend) await this.#append();
  }

  /** Writes what is still buffered; durable when it resolves. */
  async flush(): Promise<void> {
    await this.#append();
    await this.#appending;
  }

  /** Begins an append once the one before has ended: the next changes are made while it is under way. */
  async #append(): Promise<void> {
    if (this.#records.length === 0) return;
    const records = this.#records;
    const entries = this.#entries;
    this.#records = [];
    this.#entries = [];
    await this.#appending;
    this.#appending = this.#application.writer.append(records).then(({ from }) => {
      entries.forEach((entry, index) => (this.#image.offset[entry] = from + index));
    });
    // Its failure is met by the next append or flush; until then nobody listens.
    this.#appending.catch(() => undefined);
  }
}

async function writeUpserts(
  { log, codec }: Application,
  {
    comparison: { image, before, changed },
    delivery,
    entities,
    out,
  }: {
    readonly comparison: Comparison;
    readonly delivery: Delivery;
    readonly entities: string;
    readonly out: ChangeOutput;
  },
): Promise<void> {
  if (!image.action.includes(action.create) && !image.action.includes(action.update)) return;
  const key = new Uint32Array(4);
  const hash = new Uint32Array(4);
  for await (const batch of desires({ log, codec }, { delivery, entities, only: changed })) {
    for (const { record, desire } of batch) {
      if (desire.state !== "content") continue;
      fingerprint(record.key, 0, record.key.length, key);
      const entry = image.find(key);
      const planned = image.action[entry];
      if ((planned !== action.create && planned !== action.update) || image.hold[entry] !== hold.none) continue;
      contentFingerprint(desire.content, hash);
      if (!image.isDesired(entry, hash)) continue;
      const head =
        planned === action.create
          ? out.head("created", null)
          : out.head(
              "updated",
              null,
              changedFields(before.entity(entry), codec.decodeEntity(desire.type, desire.content)),
            );
      const origin = record.header("origin");
      await out.write(entry, {
        key: Buffer.from(record.key),
        value: codec.encodeUpsert(desire.type, head, desire.content),
        ...(origin === undefined ? {} : { origin }),
      });
      image.action[entry] = action.none;
    }
  }
}

const causeNames: Readonly<Record<number, string>> = {
  [cause.absent]: "absent",
  [cause.toBeDeleted]: "tobedeleted",
  [cause.termOver]: "term-over",
};

async function writeDeletes(codec: ChangeCodec, { image, before }: Comparison, out: ChangeOutput): Promise<void> {
  for (const entry of deletesInOrder(image, before)) {
    const { key, type, content } = before.read(entry);
    if (image.published[entry] === published.live) {
      const head = out.head("deleted", causeNames[image.cause[entry] ?? 0] ?? null);
      const origin = before.origin(entry);
      const value = codec.encodeDeleted(type, head, content);
      await out.write(entry, { key, value, ...(origin === undefined ? {} : { origin }) });
    }
    await out.write(entry, { key, value: null });
  }
}

/** Reads the changeset's range back: counts of all its changes, and the hash over the last record of each key. */
async function auditRange(
  { log, codec, writer }: Application,
  { image, roster, from }: { readonly image: Image; readonly roster: string; readonly from: number },
): Promise<{ readonly counts: readonly Count[]; readonly hash: string }> {
  const extent = await log.extent(roster);
  const to = extent?.end ?? from;
  const counts = new Map<string, number>();
  const hash = new RangeHash();
  const key = new Uint32Array(4);
  for await (const batch of log.scan({ topic: roster, generation: writer.generation, from, to })) {
    for (const record of batch) {
      const type = typeOfKey(record.key);
      if (type === null || !isEntityType(type)) continue;
      fingerprint(record.key, 0, record.key.length, key);
      if (image.offset[image.find(key)] === record.offset) hash.add(record.key, record.value);
      const { value, offset } = record;
      if (value === null) continue;
      const change = codec.changeAt(type, { value, offset });
      const name = `${type} ${change.head.op}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return { counts: countsInOrder(counts), hash: hash.toString() };
}

const ops = ["created", "updated", "deleted"] as const;

function countsInOrder(counts: ReadonlyMap<string, number>): readonly Count[] {
  return entityTypes.flatMap((type: EntityType) =>
    ops.flatMap((op) => {
      const count = counts.get(`${type} ${op}`);
      return count === undefined ? [] : [{ type, op, count }];
    }),
  );
}
