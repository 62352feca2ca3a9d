// The one writer of a topic, fenced by the brokers: a session under an id that is fixed per topic, and idempotent batches
// without a transaction. It keeps true that once a newer session's first record is acknowledged nothing of this one is
// accepted, requests that were given up on included; that a batch sent again lands once; and that no request is begun after
// the lease's time by the database's clock.
//
//   open --append acknowledged--> open
//        --newer session, lease lost, topic made again, too old--> closed (log.writer-fenced: open anew from the lease)
//        --no answer until the deadline--> closed (kafka.unreachable: what was sent may or may not be there)

import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { AppError } from "../../errors.ts";
import type { Lease, NewRecord } from "../../ports.ts";
import { kafkaFailure } from "./cluster.ts";
import type { KafkaCluster, ProducerSession } from "./cluster.ts";
import { encodeBatches, nextSequence } from "./record-batch.ts";
import type { EncodedBatch } from "./record-batch.ts";
import { produceTo } from "./requests.ts";
import { failureOf } from "./shim.ts";

/** Batches on the way at once; brokers recognise the last five of a producer when they are sent again. */
const batchesInFlight = 4;
const patienceMs = 60_000;
const longestPauseMs = 1_000;
/** Brokers forget a producer that was silent for a day, and would then take an older one for new. */
const longestLifeMs = 23 * 60 * 60 * 1000;

const fencedTypes = new Set([
  "INVALID_PRODUCER_EPOCH",
  "PRODUCER_FENCED",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_ID_MAPPING",
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "DUPLICATE_SEQUENCE_NUMBER",
]);
const tooLargeTypes = new Set(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
const oldFenceCode = 90;

/** On a topic that others write too, records of theirs may stand between. */
export type Appended = { readonly from: number; readonly to: number };

/** What a session writes to and by what right. */
export type WriterPlace = {
  readonly topic: string;
  /** The topic's name on the brokers. */
  readonly name: string;
  readonly generation: string;
  /** Whether others than our programs write to it: then their records may stand between ours. */
  readonly isShared: boolean;
};

/** A session that writes. Appends are done one after the other, in the order of the calls. */
export class FencedWriter {
  readonly #cluster: KafkaCluster;
  readonly #place: WriterPlace;
  readonly #session: ProducerSession;
  readonly #right: LeaseRight;
  readonly #patienceMs: number;
  readonly #openedAt = Date.now();
  #sequence = 0;
  /** The offset after the last acknowledged record; null before the first. */
  #end: number | null = null;
  #tail: Promise<unknown> = Promise.resolve();
  #closedBy: AppError | undefined;

  constructor(about: {
    readonly cluster: KafkaCluster;
    readonly place: WriterPlace;
    readonly session: ProducerSession;
    readonly right: LeaseRight;
    readonly patienceMs?: number;
  }) {
    this.#cluster = about.cluster;
    this.#place = about.place;
    this.#session = about.session;
    this.#right = about.right;
    this.#patienceMs = about.patienceMs ?? patienceMs;
  }

  get generation(): string {
    return this.#place.generation;
  }

  /** Whether it still may write, as far as is known here. */
  get isOpen(): boolean {
    return this.#closedBy === undefined && Date.now() - this.#openedAt < longestLifeMs;
  }

  /** The lease under which it writes from now on: one that nobody else held since. */
  continueUnder(lease: Lease): void {
    this.#right.replace(lease);
  }

  /** Resolves when the records are acknowledged by all replicas in sync. */
  append(records: readonly NewRecord[]): Promise<Appended> {
    const appended = this.#tail.then(() => this.#append(records));
    this.#tail = appended.catch(() => {});
    return appended;
  }

  async #append(records: readonly NewRecord[]): Promise<Appended> {
    if (this.#closedBy !== undefined) throw this.#fenced(this.#closedBy);
    if (!this.isOpen) throw this.#close(this.#fenced());
    const batches = encodeBatches(records, {
      ...this.#session,
      firstSequence: this.#sequence,
      now: Date.now(),
    });
    try {
      await Promise.all([this.#checkTopic(), this.#right.check()]);
      const appended = await this.#send(batches);
      this.#sequence = nextSequence(this.#sequence, records.length);
      this.#end = appended.to;
      return appended;
    } catch (thrown) {
      throw this.#close(thrown);
    }
  }

  async #checkTopic(): Promise<void> {
    if ((await this.#cluster.place(this.#place.name))?.id !== this.#place.generation) throw this.#fenced();
  }

  /** @returns from the first record to after the last; where there was none to send, the end as it was. */
  async #send(batches: readonly EncodedBatch[]): Promise<Appended> {
    let from: number | null = null;
    let expected = this.#end;
    const deadline = performance.now() + this.#patienceMs;
    let pause = 20;
    for (let sent = 0; sent < batches.length;) {
      await this.#right.check();
      const results = await this.#sendWindow(batches.slice(sent, sent + batchesInFlight));
      for (const result of results) {
        if (typeof result !== "number") break;
        if (expected !== null && !this.#mayFollow(result, expected)) throw this.#fenced();
        from ??= result;
        expected = result + (batches[sent]?.records ?? 0);
        sent++;
        pause = 20;
      }
      const failed = results.find((result) => typeof result !== "number");
      if (failed === undefined) continue;
      await this.#judge(failed, { isFirst: results[0] === failed, isLate: performance.now() > deadline });
      await sleep(pause);
      pause = Math.min(2 * pause, longestPauseMs);
    }
    const to = expected ?? 0;
    return { from: from ?? to, to };
  }

  /** Another producer's record between ours, or a topic that begins anew: we are not the one writer, where we should be. */
  #mayFollow(offset: number, expected: number): boolean {
    return this.#place.isShared ? offset >= expected : offset === expected;
  }

  /** Base offsets, or for each batch that was not acknowledged why. */
  async #sendWindow(batches: readonly EncodedBatch[]): Promise<readonly (number | Failed)[]> {
    const { name } = this.#place;
    return Promise.all(
      batches.map((batch) =>
        this.#cluster.tryLeader(name, produceTo(name, batch.bytes)).catch((thrown: unknown) => ({ thrown })),
      ),
    );
  }

  /** Returns when the same batch may be sent again. */
  async #judge(
    { thrown }: Failed,
    { isFirst, isLate }: { readonly isFirst: boolean; readonly isLate: boolean },
  ): Promise<void> {
    if (thrown instanceof AppError) {
      if (thrown.code === "kafka.unreachable" && !isLate) return;
      throw thrown.code === "log.unknown-topic" ? this.#fenced(thrown) : thrown;
    }
    const type = failureOf(thrown)?.type ?? "";
    const { topic } = this.#place;
    if (tooLargeTypes.has(type)) throw new AppError("log.record-too-large", { cause: thrown, details: { topic } });
    // A later batch of a window is out of order whenever an earlier one failed; the earlier one says why.
    const isFence = fencedTypes.has(type) || isCode(thrown, oldFenceCode);
    if (isFence && (isFirst || type !== "OUT_OF_ORDER_SEQUENCE_NUMBER")) throw this.#fenced(thrown);
    const failure = kafkaFailure(thrown);
    if (isLate || (!failure.retryable && !isFence)) throw failure;
    if (type === "UNKNOWN_TOPIC_OR_PARTITION") await this.#checkTopic();
  }

  #close(thrown: unknown): unknown {
    this.#closedBy = thrown instanceof AppError ? thrown : this.#fenced(thrown);
    return thrown;
  }

  #fenced(cause?: unknown): AppError {
    return this.#right.fenced(this.#place.topic, cause);
  }
}

type Failed = { readonly thrown: unknown };

function isCode(thrown: unknown, code: number): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}

/** A lease as a writer looks at it: asked of the database whenever its known time is over. */
export class LeaseRight {
  readonly #sql: Knex;
  #lease: Lease;
  #until = -Infinity;

  constructor(sql: Knex, lease: Lease) {
    this.#sql = sql;
    this.#lease = lease;
  }

  replace(lease: Lease): void {
    this.#lease = lease;
    this.#until = -Infinity;
  }

  /** Asks only when the time that is known is over. @throws AppError `log.writer-fenced` when the lease is lost. */
  async check(): Promise<void> {
    if (performance.now() >= this.#until) await this.ask(this.#sql);
  }

  /** Asks over a connection that is at hand. @throws AppError `log.writer-fenced` when the lease is lost. */
  async ask(sql: Knex): Promise<void> {
    const askedAt = performance.now();
    const { name, holder, epoch } = this.#lease;
    const { rows } = await sql.raw<{ readonly rows: readonly { readonly left: number }[] }>(
      `select (extract(epoch from expires_at - clock_timestamp()) * 1000)::bigint as left from leases
       where name = ? and holder = ? and epoch = ? and expires_at > clock_timestamp()`,
      [name, holder, epoch],
    );
    const [row] = rows;
    if (row === undefined) throw this.fenced(name);
    this.#until = askedAt + row.left;
  }

  fenced(topic: string, cause?: unknown): AppError {
    const details = { topic, lease: this.#lease.name, epoch: this.#lease.epoch };
    return new AppError("log.writer-fenced", cause === undefined ? { details } : { cause, details });
  }
}
