// What the tests of following work with: a publisher that writes changesets as diff does and knows what they come to, and
// a store in memory that keeps to the promises which a product's store must keep.

import { setTimeout as sleep } from "node:timers/promises";

import { ChangeCodec, type ChangeHead } from "../../libs/adapters/registry/change-codec.ts";
import { openCodec, type Codec } from "../../libs/adapters/registry/codec.ts";
import { recordCodec } from "../../libs/adapters/registry/record-codec.ts";
import { type DistrictId, entityKey } from "../../libs/domain/ids.ts";
import type { EventLog, NewRecord, SchemaRegistry } from "../../libs/ports.ts";
import type { EntityChange } from "../../libs/subscriber/feeds.ts";
import type { Batch, Store } from "../../libs/subscriber/follow.ts";
import type { Position } from "../../libs/subscriber/rules.ts";
import { districtTopic } from "../../libs/topics.ts";
import { randomEntity } from "../domain/diff/random-entities.ts";
import { Random } from "../support/seeded.ts";
import { districtNamed } from "../support/system.ts";

export const springfield: DistrictId = districtNamed("springfield");
export const topic = districtTopic("roster", springfield);

/** Users by name: a new state of each, or none. */
export type Wish = Readonly<Record<string, "upsert" | "delete">>;

export class Publisher {
  readonly #log: EventLog;
  readonly #codec: Codec;
  readonly #changes: ChangeCodec;
  readonly #random = new Random(7, 100);
  /** What the topic says now, by key. */
  readonly held = new Map<string, string>();
  #number = 0;

  private constructor(log: EventLog, codec: Codec, changes: ChangeCodec) {
    this.#log = log;
    this.#codec = codec;
    this.#changes = changes;
  }

  static async open(log: EventLog, registry: SchemaRegistry): Promise<Publisher> {
    return new Publisher(log, await openCodec(registry), await ChangeCodec.open(registry));
  }

  /** One changeset and its marker. @returns its number. */
  async publish(wish: Wish, op = "updated"): Promise<number> {
    const number = ++this.#number;
    const records = Object.entries(wish).flatMap(([name, what]) => this.#recordsOf(name, what, op));
    const marker = { number, from: 0, delivery: "springfield.files.1", counts: [], hash: "0", at: 0 };
    const value = recordCodec(this.#codec).encode("rollcall.roster.Changeset", marker);
    await this.append([...records, { key: '["changeset"]', value }]);
    return number;
  }

  append(records: readonly NewRecord[]): Promise<void> {
    return this.#log.transaction(async (tx) => tx.append(topic, records));
  }

  #recordsOf(name: string, what: "upsert" | "delete", op: string): readonly NewRecord[] {
    const key = entityKey("user", name);
    const entity = randomEntity(this.#random, { type: "user", sourcedId: name }, (to) => [`${to}-1`]);
    const content = this.#codec.encoder("rollcall.entity.User").encode(entity).subarray(5);
    const head: ChangeHead = { op, changeset: this.#number, at: 0, cause: null, sources: ["files"], changed: [] };
    if (what === "upsert") {
      this.held.set(key, textOf(entity));
      return [
        { key, value: this.#changes.encodeUpsert("user", head, content), headers: { origin: `users.csv:${name}` } },
      ];
    }
    this.held.delete(key);
    const value = this.#changes.encodeDeleted("user", { ...head, op: "deleted" }, content);
    return [
      { key, value },
      { key, value: null },
    ];
  }
}

/** A value as text, the same whatever class decoded it. */
export function textOf(value: unknown): string {
  const sorted = (_: string, each: unknown): unknown =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each;
  return JSON.stringify(value, sorted);
}

type Row = { readonly round: number; readonly text: string };

/** Keeps entities by key; a sweep removes those of other rounds. */
export class MemoryStore implements Store<EntityChange> {
  readonly rows = new Map<string, Row>();
  /** Everything that was applied, in order. */
  readonly batches: Batch<EntityChange>[] = [];
  position: Position | null = null;
  /** How many batches are still applied before one fails. */
  batchesLeft = Number.POSITIVE_INFINITY;

  async load(): Promise<Position | null> {
    return this.position;
  }

  async apply(batch: Batch<EntityChange>): Promise<void> {
    await sleep(0);
    if (this.batchesLeft-- <= 0) throw new Error("the store is away");
    for (const { type, sourcedId, entity } of batch.items) {
      const key = entityKey(type, sourcedId);
      if (entity === null) this.rows.delete(key);
      else this.rows.set(key, { round: batch.position.round, text: textOf(entity) });
    }
    this.position = batch.position;
    this.batches.push(batch);
  }

  async sweep(position: Position): Promise<void> {
    for (const [key, { round }] of this.rows) if (round !== position.round) this.rows.delete(key);
    this.position = position;
  }

  /** Numbers of the changesets that were read to their ends. */
  get changesets(): readonly number[] {
    return this.batches.flatMap(({ changeset }) => changeset ?? []);
  }

  get lines(): readonly string[] {
    return linesOf([...this.rows].map(([key, { text }]) => [key, text]));
  }
}

export function linesOf(held: Iterable<readonly [string, string]>): readonly string[] {
  return [...held].map(([key, text]) => `${key}=${text}`).toSorted();
}
