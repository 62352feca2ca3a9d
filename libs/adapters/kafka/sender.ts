// Sends the outbox: one sender per topic at a time, by lease, with the topic's fenced writer, in the order of commits.
// It keeps true that what is committed is sent, by whichever process has the lease, in order and without loss. What is sent
// was read under the lease, so that nothing old comes after what another has sent meanwhile. A sender that dies between
// acknowledgement and deletion leaves rows that are sent again: a repeat carries the number of the first.
//
//   idle --rows, lease taken--> sending --no rows for a while--> idle, lease released
//                               sending --refused or unreachable--> failing --pause--> idle

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { AppError, isAppError } from "../../errors.ts";
import type { Lease, NewRecord, StoredRecord } from "../../ports.ts";
import { databaseFailure } from "../postgres/database.ts";
import { holdLease } from "../postgres/leases.ts";
import type { HeldLease } from "../postgres/leases.ts";
import type { AppendListener } from "../postgres/listener.ts";
import { forgetSent, isSent, nextWaiting, outboxHeader, outboxNotice, waitingTopics } from "./outbox.ts";
import type { FencedWriter } from "./writer.ts";

const leaseMs = 15_000;
/** A topic that is idle keeps its lease so long, so that the next record goes out at once. */
const lingerMs = 2_000;
const lookMs = 1_000;

/** Topics that one process drains at once because it looked; those of its own transactions come on top. */
const drainsAtOnce = 4;

/** A topic that this process sends now. */
type Lane = { readonly held: HeldLease; readonly writer: FencedWriter; usedAt: number };
/** What is kept of a lane whose lease was given back: the writer goes on if nobody had the lease in between. */
type Rested = { readonly writer: FencedWriter; readonly epoch: number };
type Waiter = { readonly topic: string; readonly seq: number; readonly resolve: () => void };

export class OutboxSender {
  readonly #sql: Knex;
  readonly #listener: AppendListener;
  readonly #open: (topic: string, lease: Lease) => Promise<FencedWriter>;
  readonly #holder = randomUUID();
  readonly #lanes = new Map<string, Lane>();
  readonly #rested = new Map<string, Rested>();
  readonly #drains = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, AppError>();
  /** Topics of which something was waited for in vain, with its number: nobody waits for them again until that was sent. */
  readonly #slow = new Map<string, number>();
  readonly #waiters = new Set<Waiter>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  /** @param about.open opens the writer of a topic under its lease, without a record of its own. */
  constructor(about: {
    readonly sql: Knex;
    readonly listener: AppendListener;
    readonly open: (topic: string, lease: Lease) => Promise<FencedWriter>;
  }) {
    this.#sql = about.sql;
    this.#listener = about.listener;
    this.#open = about.open;
  }

  /** Takes part in sending from now on, until {@link OutboxSender.close}. Twice is harmless. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Topics that could not be sent when they were last tried, and why. */
  failures(): ReadonlyMap<string, AppError> {
    return this.#failures;
  }

  /** Resolves when a topic is sent up to a number, when it is known that it cannot be now, or after the time. */
  async settled(topic: string, seq: number, timeoutMs: number): Promise<void> {
    this.start();
    const deadline = performance.now() + (this.#slow.has(topic) ? 0 : timeoutMs);
    const sent = new AbortController();
    const waiter: Waiter = { topic, seq, resolve: () => sent.abort() };
    this.#waiters.add(waiter);
    try {
      for (let pause = 20; ; pause = Math.min(2 * pause, 200)) {
        void this.#drain(topic);
        await sleep(pause, undefined, { signal: sent.signal }).catch(() => {});
        if (sent.signal.aborted || this.#stop.signal.aborted) return;
        // Who has the lease elsewhere sends it there.
        if (await this.#isSentElsewhere(topic, seq)) return void this.#slow.delete(topic);
        if (performance.now() >= deadline) return void this.#slow.set(topic, seq);
      }
    } finally {
      this.#waiters.delete(waiter);
    }
  }

  /** What is committed stays so when the database cannot be asked: then nobody waits. */
  async #isSentElsewhere(topic: string, seq: number): Promise<boolean> {
    try {
      return await isSent(this.#sql, topic, seq);
    } catch (thrown) {
      if (isAppError(databaseFailure(thrown))) return true;
      throw thrown;
    }
  }

  /** Sends what there is and can be sent by this process, then resolves. */
  async flush(): Promise<void> {
    await this.#drainAll(await waitingTopics(this.#sql));
  }

  /** Finishes what is under way and gives the leases back. Twice is harmless. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#drains.values());
    for (const topic of this.#lanes.keys()) await this.#rest(topic);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const waiting = await waitingTopics(this.#sql);
        await this.#drainAll(waiting);
        // What is gone with its topic, or was sent elsewhere, fails no more.
        for (const topic of [...this.#failures.keys(), ...this.#slow.keys()])
          if (!waiting.includes(topic)) this.#recover(topic);
        // Of a busy topic something waits at every look.
        for (const [topic, seq] of this.#slow) if (await isSent(this.#sql, topic, seq)) this.#slow.delete(topic);
        for (const [topic, lane] of this.#lanes)
          if (performance.now() - lane.usedAt > lingerMs && !this.#drains.has(topic)) await this.#rest(topic);
      } catch (thrown) {
        // The database is away: whoever needs it says so, and it is asked again after a while.
        if (!isAppError(databaseFailure(thrown))) throw thrown;
      }
      await this.#listener.wait([outboxNotice], lookMs, signal);
    }
  }

  async #drainAll(topics: readonly string[]): Promise<void> {
    const left = [...topics];
    const work = async (): Promise<void> => {
      for (let topic = left.shift(); topic !== undefined; topic = left.shift()) await this.#drain(topic);
    };
    await Promise.all(Array.from({ length: drainsAtOnce }, work));
  }

  /** Sends the topic's rows unless that is under way. */
  #drain(topic: string): Promise<void> {
    const under = this.#drains.get(topic);
    if (under !== undefined) return under;
    const drain = this.#drainOnce(topic)
      .catch((thrown: unknown) => this.#fail(topic, thrown))
      .finally(() => this.#drains.delete(topic));
    this.#drains.set(topic, drain);
    return drain;
  }

  async #drainOnce(topic: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (await isSent(this.#sql, topic)) return;
      const lane = await this.#lane(topic);
      // Read under the lease: what was read before it, another may have sent and forgotten since.
      const waiting = lane === null ? null : await nextWaiting(this.#sql, topic);
      if (waiting === null || lane === null) return;
      await lane.writer.append(waiting.records.map((record) => outgoing(record, lane.writer.generation)));
      await forgetSent(this.#sql, { topic, seqs: waiting.seqs, lease: lane.held.lease });
      lane.usedAt = performance.now();
      this.#recover(topic);
      for (const waiter of this.#waiters) if (waiter.topic === topic && waiter.seq <= waiting.last) waiter.resolve();
    }
  }

  /** The right and the means to send a topic; null when another process has them. */
  async #lane(topic: string): Promise<Lane | null> {
    const known = this.#lanes.get(topic);
    if (known?.writer.isOpen === true && !known.held.signal.aborted) return known;
    await this.#rest(topic);
    const held = await holdLease(this.#sql, { name: `outbox.${topic}`, holder: this.#holder, ttlMs: leaseMs });
    if (held === null) return null;
    try {
      const lane = { held, writer: await this.#writer(topic, held.lease), usedAt: performance.now() };
      this.#lanes.set(topic, lane);
      return lane;
    } catch (thrown) {
      await held.release();
      throw thrown;
    }
  }

  async #writer(topic: string, lease: Lease): Promise<FencedWriter> {
    const rested = this.#rested.get(topic);
    this.#rested.delete(topic);
    if (rested === undefined || rested.epoch + 1 !== lease.epoch || !rested.writer.isOpen)
      return this.#open(topic, lease);
    rested.writer.continueUnder(lease);
    return rested.writer;
  }

  async #rest(topic: string): Promise<void> {
    const lane = this.#lanes.get(topic);
    if (lane === undefined) return;
    this.#lanes.delete(topic);
    if (lane.writer.isOpen) this.#rested.set(topic, { writer: lane.writer, epoch: lane.held.lease.epoch });
    // If it cannot be given back now, it lapses.
    await lane.held.release().catch(() => {});
  }

  #recover(topic: string): void {
    this.#failures.delete(topic);
    this.#slow.delete(topic);
  }

  async #fail(topic: string, thrown: unknown): Promise<void> {
    const failure = databaseFailure(thrown);
    if (!(failure instanceof AppError)) throw thrown;
    await this.#rest(topic);
    this.#failures.set(topic, failure);
    // Until all that waits was sent.
    this.#slow.set(topic, Number.MAX_SAFE_INTEGER);
  }
}

/** The record as it is sent, with the number by which a repeat is told and the topic's generation. */
function outgoing(record: StoredRecord, generation: string): NewRecord {
  return {
    key: record.key,
    value: record.value,
    headers: { generation, ...record.headers(), [outboxHeader]: String(record.offset) },
  };
}
