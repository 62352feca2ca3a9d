// The log on Kafka, behind the same port as the one in PostgreSQL: data topics by the range reader and the fenced writer,
// outputs of services by the outbox.
// It keeps true: what a transaction appended is durable in PostgreSQL with its other effects or not at all, and reaches
// the topic in the order of the commits, by whichever process has the topic's outbox lease. A transaction resolves when
// its records are in the topic; when that takes long (another process has the lease and is slow, no broker answers) it
// resolves without: they are sent later, by any process that has this log open. A reader may see a part of a transaction
// of more than one batch for a moment; records of one batch appear together.
// A topic's generation is Kafka's own id of it, so one that was deleted and made again is another, whoever did it.

import type { Knex } from "knex";
import { AppError } from "../../errors.ts";
import type { EventLog, Lease, LogRange, StoredRecord, TopicExtent, TopicWriter, Transaction } from "../../ports.ts";
import { databaseFailure } from "../postgres/database.ts";
import type { Database } from "../postgres/database.ts";
import { AppendListener } from "../postgres/listener.ts";
import { BufferedTransaction } from "../postgres/log.ts";
import type { Codec } from "../registry/codec.ts";
import { KafkaCluster } from "./cluster.ts";
import { EndWatch } from "./end-watch.ts";
import { addOutboxTopic, assertSendable, putInOutbox, removeOutboxTopic } from "./outbox.ts";
import { readRange } from "./reader.ts";
import { OutboxSender } from "./sender.ts";
import type { KafkaConnection } from "./shim.ts";
import { hasForeignWriters } from "./topic-settings.ts";
import { KafkaTopics } from "./topics.ts";
import { FencedWriter, LeaseRight } from "./writer.ts";

export type KafkaLogOptions = KafkaConnection & {
  /** Migrated: leases, outbox, inbox. */
  readonly database: Database;
  /** Knows rollcall.log.Writer. */
  readonly codec: Codec;
  /** Put before every topic's name on the brokers, for clusters that others use too. */
  readonly prefix?: string;
  /** Copies of each record; 1 on a single broker. */
  readonly replicas?: number;
  /** How long a transaction waits for its records to be in the topic. */
  readonly settleMs?: number;
  /** How long a request is tried again while no broker answers. */
  readonly patienceMs?: number;
  /** How long a range may end beyond the log, or stand still, before it is told to be short. */
  readonly stallMs?: number;
};

/** The log on Kafka, with what only it has. */
export interface KafkaLog extends EventLog {
  /** Takes part in sending what other processes left in the outbox; a process that appends or waits does so anyway. */
  startSending(): void;
  /** Sends what the outbox holds, as far as this process may. */
  flush(): Promise<void>;
  /** Topics whose outbox could not be sent when it was last tried, and why. */
  failures(): ReadonlyMap<string, AppError>;
  /** Makes a topic that is kept by age forget what lies before an offset. */
  deleteBefore(topic: string, offset: number): Promise<void>;
  /** Ends sending and all connections; the database stays open. */
  close(): Promise<void>;
}

const settleMs = 5_000;
const writerKey = '["writer"]';
// Openings of one topic's writer take turns: two at once would fence each other for ever.
const openingLock = 7_265_016;
// Held from looking for a topic to the commit of the outbox that it got.
const newOutboxLock = 7_265_017;

export function kafkaLog(options: KafkaLogOptions): KafkaLog {
  return new BrokerLog(options);
}

class BrokerLog implements KafkaLog {
  readonly description: string;
  readonly #sql: Knex;
  readonly #codec: Codec;
  readonly #cluster: KafkaCluster;
  readonly #topics: KafkaTopics;
  readonly #listener: AppendListener;
  readonly #sender: OutboxSender;
  readonly #ends: EndWatch;
  readonly #settleMs: number;
  readonly #stallMs: number | undefined;

  constructor({ database, codec, prefix = "", replicas = 1, ...options }: KafkaLogOptions) {
    this.description = `Kafka at ${options.brokers.join(", ")}`;
    this.#sql = database.sql;
    this.#codec = codec;
    this.#settleMs = options.settleMs ?? settleMs;
    this.#stallMs = options.stallMs;
    this.#cluster = new KafkaCluster(
      options,
      options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs },
    );
    this.#topics = new KafkaTopics(this.#cluster, { prefix, replicas });
    this.#listener = new AppendListener(database.url);
    this.#ends = new EndWatch(this.#topics);
    this.#sender = new OutboxSender({
      sql: this.#sql,
      listener: this.#listener,
      open: async (topic, lease) => (await this.#session(topic, lease, this.#sql)).writer,
    });
  }

  async createTopic(topic: string): Promise<TopicExtent> {
    const extent = await this.#topics.create(topic);
    await this.#transact((sql) => this.#giveOutbox(sql, topic));
    return extent;
  }

  extent(topic: string): Promise<TopicExtent | null> {
    return this.#topics.extent(topic);
  }

  async deleteTopic(topic: string): Promise<void> {
    await removeOutboxTopic(this.#sql, topic);
    await this.#topics.delete(topic);
    // Who saw the topic just before may have given it an outbox again; from here on nobody sees it.
    await this.#transact(async (sql) => {
      await sql.raw("select pg_advisory_xact_lock(?, hashtext(?))", [newOutboxLock, topic]);
      const isMadeAgain = (await this.#cluster.place(this.#topics.nameOf(topic))) !== null;
      if (!isMadeAgain) await removeOutboxTopic(sql, topic);
    });
  }

  scan(range: LogRange): AsyncIterable<readonly StoredRecord[]> {
    const stall = this.#stallMs === undefined ? {} : { stallMs: this.#stallMs };
    return readRange(this.#cluster, { ...range, ...stall, name: this.#topics.nameOf(range.topic) });
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const sent = new Map<string, number>();
    const result = await this.#transact(async (sql) => {
      const buffered = new BufferedTransaction(sql);
      const worked = await work(buffered);
      for (const [topic, records] of buffered.close()) {
        if (records.length === 0) continue;
        assertSendable(records);
        const last = (await putInOutbox(sql, topic, records)) ?? (await this.#putInNewOutbox(sql, topic, records));
        sent.set(topic, last);
      }
      return worked;
    });
    await Promise.all([...sent].map(([topic, last]) => this.#sender.settled(topic, last, this.#settleMs)));
    return result;
  }

  /** A topic that was made by others has no outbox yet. */
  async #putInNewOutbox(
    sql: Knex.Transaction,
    ...[topic, records]: readonly [string, Parameters<typeof assertSendable>[0]]
  ): Promise<number> {
    const last = (await this.#giveOutbox(sql, topic)) ? await putInOutbox(sql, topic, records) : null;
    if (last === null) throw new AppError("log.unknown-topic", { details: { topic } });
    return last;
  }

  /** @returns false when there is no such topic. It cannot lose its outbox again before the transaction has ended. */
  async #giveOutbox(sql: Knex.Transaction, topic: string): Promise<boolean> {
    await sql.raw("select pg_advisory_xact_lock_shared(?, hashtext(?))", [newOutboxLock, topic]);
    if ((await this.#cluster.place(this.#topics.nameOf(topic))) === null) return false;
    await addOutboxTopic(sql, topic);
    return true;
  }

  async #transact<T>(work: (sql: Knex.Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.#sql.transaction(work);
    } catch (cause) {
      throw databaseFailure(cause);
    }
  }

  async openWriter(topic: string, lease: Lease): Promise<TopicWriter> {
    const opened = await this.#transact(async (turn) => {
      await turn.raw("select pg_advisory_xact_lock(?, hashtext(?))", [openingLock, topic]);
      const { writer, right } = await this.#session(topic, lease, turn);
      const { generation } = writer;
      const value = this.#codec
        .encoder("rollcall.log.Writer")
        .encode({ generation, epoch: lease.epoch, at: Date.now() });
      const { from } = await writer.append([{ key: writerKey, value, headers: { generation } }]);
      // That record is acknowledged, so no earlier writer gets in; if the lease went meanwhile, neither do we.
      await right.ask(turn);
      return { writer, barrier: from };
    });
    const { writer, barrier } = opened;
    return { generation: writer.generation, barrier, append: (records) => writer.append(records) };
  }

  /**
   * A writer in a new session, by a lease that is held.
   * @param sql a connection that the caller has: openings that each held one and waited for another would wait for ever.
   */
  async #session(
    topic: string,
    lease: Lease,
    sql: Knex,
  ): Promise<{ readonly writer: FencedWriter; readonly right: LeaseRight }> {
    const name = this.#topics.nameOf(topic);
    const right = new LeaseRight(this.#sql, lease);
    await right.ask(sql);
    const place = await this.#cluster.place(name);
    if (place === null) throw new AppError("log.unknown-topic", { details: { topic } });
    const session = await this.#cluster.initProducer(name, name);
    const at = { topic, name, generation: place.id, isShared: hasForeignWriters(topic) };
    return { writer: new FencedWriter({ cluster: this.#cluster, place: at, session, right }), right };
  }

  async waitForAppend(topics: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    this.#sender.start();
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const foreign = topics.filter(hasForeignWriters);
    const waits = [this.#listener.wait(topics, timeoutMs, either)];
    if (foreign.length > 0) waits.push(this.#ends.wait(foreign, timeoutMs, either));
    await Promise.race(waits);
    over.abort();
    await Promise.all(waits);
  }

  startSending(): void {
    this.#sender.start();
  }

  flush(): Promise<void> {
    return this.#sender.flush();
  }

  failures(): ReadonlyMap<string, AppError> {
    return this.#sender.failures();
  }

  deleteBefore(topic: string, offset: number): Promise<void> {
    return this.#topics.deleteBefore(topic, offset);
  }

  async close(): Promise<void> {
    await this.#sender.close();
    await this.#listener.close();
    await this.#cluster.close();
  }
}
