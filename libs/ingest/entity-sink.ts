// Writes what a set says to entities.<district>, counting and hashing it as it goes, so that the delivery's record can
// name exactly what its range must hold.

import type { Codec, Encoder } from "../adapters/registry/codec.ts";
import type { FindingCode } from "../domain/finding.ts";
import { type EntityKey, entityKey, type SourcedId } from "../domain/ids.ts";
import { type Entity, descriptions } from "../domain/oneroster/entities.ts";
import { type EntityType, entityTypes } from "../domain/oneroster/entity-types.ts";
import { RangeHash } from "../domain/range-hash.ts";
import type { NewRecord, TopicWriter } from "../ports.ts";
import type { DeleteReason, RowPlace, SetSink } from "./judge-file.ts";

const recordsPerAppend = 2000;

export type Counted = {
  readonly content: number;
  readonly absent: number;
  readonly unknown: number;
  readonly hash: string;
};

type Tally = { content: number; absent: number; unknown: number; readonly hash: RangeHash };

export class EntitySink implements SetSink {
  readonly #writer: TopicWriter;
  readonly #encoders = new Map<EntityType, Encoder>();
  readonly #absent: Encoder;
  readonly #unknown: Encoder;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #tallies = new Map<EntityType, Tally>();
  #records: NewRecord[] = [];
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: {
    readonly writer: TopicWriter;
    readonly codec: Codec;
    readonly delivery: string;
    readonly attempt: number;
  }) {
    this.#writer = options.writer;
    for (const type of entityTypes) {
      this.#encoders.set(type, options.codec.encoder(`rollcall.entity.${descriptions[type].record}`));
      this.#tallies.set(type, { content: 0, absent: 0, unknown: 0, hash: new RangeHash() });
    }
    this.#absent = options.codec.encoder("rollcall.entity.Absent");
    this.#unknown = options.codec.encoder("rollcall.entity.Unknown");
    this.#headers = {
      generation: options.writer.generation,
      delivery: options.delivery,
      attempt: String(options.attempt),
    };
  }

  content(entity: Entity, place: RowPlace): void {
    const value = this.#encoders.get(entity.type)?.encode(entity);
    if (value !== undefined)
      this.#put({ type: entity.type, sourcedId: entity.sourcedId, said: "content" }, value, place);
  }

  absent(type: EntityType, sourcedId: SourcedId, reason: DeleteReason, place: RowPlace): void {
    this.#put({ type, sourcedId, said: "absent" }, this.#absent.encode({ reason }), place);
  }

  unknown(type: EntityType, sourcedId: SourcedId, rule: FindingCode, place: RowPlace): void {
    this.#put({ type, sourcedId, said: "unknown" }, this.#unknown.encode({ rule }), place);
  }

  async ready(): Promise<void> {
    if (this.#records.length >= recordsPerAppend) await this.#write();
  }

  /** Writes what is still buffered; durable when it resolves. */
  async flush(): Promise<void> {
    await this.#write();
    await this.#writing;
  }

  /** Begins an append once the one before has ended: the next rows are judged while it is under way. */
  async #write(): Promise<void> {
    if (this.#records.length === 0) return;
    const records = this.#records;
    this.#records = [];
    await this.#writing;
    this.#writing = this.#writer.append(records);
    // Its failure is met by the next write or flush; until then nobody listens.
    this.#writing.catch(() => undefined);
  }

  counted(type: EntityType): Counted {
    const tally = this.#tallies.get(type);
    return { content: 0, absent: 0, unknown: 0, ...tally, hash: String(tally?.hash ?? new RangeHash()) };
  }

  #put(
    about: {
      readonly type: EntityType;
      readonly sourcedId: SourcedId;
      readonly said: "content" | "absent" | "unknown";
    },
    value: Uint8Array,
    { file, line }: RowPlace,
  ): void {
    const text: EntityKey = entityKey(about.type, about.sourcedId);
    const key = Buffer.from(text);
    this.#records.push({ key, value, headers: { ...this.#headers, origin: `${file}:${line}` } });
    const tally = this.#tallies.get(about.type);
    if (tally === undefined) return;
    tally[about.said]++;
    tally.hash.add(key, value);
  }
}
