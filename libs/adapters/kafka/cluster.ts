// The way to the brokers: finds who leads a topic, sends requests there, and comes back after a leader moved or a broker
// was away. It keeps true that only failures which may pass are tried again, and only until a deadline; that what the
// brokers refuse for good is told at once; and that a topic is known by its id, not only by its name.

import { setTimeout as sleep } from "node:timers/promises";
import { AppError, isAppError } from "../../errors.ts";
import { metadataOf, offsetsOf } from "./requests.ts";
import type { OffsetEnd, TopicPlace } from "./requests.ts";
import { failureOf, newAdmin, newCluster, sendTo } from "./shim.ts";
import type { Admin, Broker, Call, Cluster, KafkaConnection } from "./shim.ts";

const firstPauseMs = 20;
const longestPauseMs = 1_000;
const coordinatorOfTransactions = 1;
const transactionTimeoutMs = 30_000;
/** What brokers need at most to hear of each other's news, as a rule. */
const newsMs = 200;
const closeMs = 3_000;
const adminTimeoutMs = 30_000;

/** What the broker lets a fenced writer write as. */
export type ProducerSession = { readonly producerId: bigint; readonly producerEpoch: number };

export class KafkaCluster {
  readonly #connection: KafkaConnection;
  readonly #patienceMs: number;
  readonly #cluster: Cluster;
  readonly #leaders = new Map<string, number>();
  #admin: Promise<Admin> | undefined;
  #refreshing: Promise<void> | undefined;
  #knowsBrokers = false;
  readonly #underWay = new Set<Promise<unknown>>();
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @param options.patienceMs how long a request is tried again before it fails as `kafka.unreachable`. */
  constructor(connection: KafkaConnection, options: { readonly patienceMs?: number } = {}) {
    this.#connection = connection;
    this.#patienceMs = options.patienceMs ?? 20_000;
    this.#cluster = newCluster(connection);
  }

  /**
   * The topic as it is now; null when there is none of that name.
   * @throws AppError `topics.changed` when it has other partitions beside the one that is read and written.
   */
  async place(topic: string): Promise<TopicPlace | null> {
    const place = (await this.#placeOnce(topic)) ?? (await this.#placeElsewhere(topic));
    if (place === null) this.#leaders.delete(topic);
    else this.#leaders.set(topic, place.leader);
    if (place !== null && place.partitions !== 1) {
      const message = `the topic ${topic} has ${place.partitions} partitions and not 1: what stands in the others would be lost`;
      throw new AppError("topics.changed", { message, details: { topic } });
    }
    return place;
  }

  /** Asks the leader, who knows its topic best; where none is known, or it does not answer, any broker. */
  #placeOnce(topic: string): Promise<TopicPlace | null> {
    let leader = this.#leaders.get(topic);
    return this.#retrying(async () => {
      const asked = leader;
      leader = undefined;
      const broker =
        asked === undefined
          ? await this.#alone(() => this.#cluster.brokerPool.findConnectedBroker())
          : await this.#broker(asked, topic);
      return sendTo(broker, metadataOf(topic));
    });
  }

  /** Of several brokers one may not have heard of a topic that was just made. */
  async #placeElsewhere(topic: string): Promise<TopicPlace | null> {
    if (Object.keys(this.#cluster.brokerPool.brokers).length < 2) return null;
    await sleep(newsMs);
    return this.#placeOnce(topic);
  }

  /** An end of each topic; of those that there are. */
  async offsets(topics: readonly string[], end: OffsetEnd): Promise<ReadonlyMap<string, number>> {
    const all = new Map<string, number>();
    for (const group of await this.#byLeader(topics)) {
      const [first] = group;
      if (first === undefined) continue;
      for (const [topic, offset] of await this.toLeader(first, offsetsOf(group, end))) all.set(topic, offset);
    }
    return all;
  }

  async #byLeader(topics: readonly string[]): Promise<readonly (readonly string[])[]> {
    const groups = new Map<number, string[]>();
    for (const topic of topics) {
      const leader = this.#leaders.get(topic) ?? (await this.place(topic))?.leader;
      if (leader === undefined) continue;
      const group = groups.get(leader) ?? [];
      group.push(topic);
      groups.set(leader, group);
    }
    return [...groups.values()];
  }

  /**
   * Sends to the topic's leader until it answers.
   * @param isFinal which answers are the caller's business and thrown on as they are.
   * @throws AppError `log.unknown-topic`, `kafka.unreachable`, `kafka.refused`.
   */
  toLeader<T>(topic: string, call: Call<T>, isFinal: (thrown: unknown) => boolean = () => false): Promise<T> {
    return retrying(() => this.tryLeader(topic, call), this.#patienceMs, isFinal);
  }

  /** Sends to the topic's leader once; on failure its place is asked for anew the next time. */
  async tryLeader<T>(topic: string, call: Call<T>): Promise<T> {
    try {
      return await this.#attempt(async () => sendTo(await this.#leader(topic), call));
    } catch (thrown) {
      this.#leaders.delete(topic);
      throw thrown;
    }
  }

  /** The broker that leads the topic, connected. */
  async #leader(topic: string): Promise<Broker> {
    const nodeId = this.#leaders.get(topic) ?? (await this.place(topic))?.leader;
    if (nodeId === undefined) throw new AppError("log.unknown-topic", { details: { topic } });
    return this.#broker(nodeId, topic);
  }

  async #broker(nodeId: number, topic: string): Promise<Broker> {
    const { brokerPool } = this.#cluster;
    if (!this.#knowsBrokers) await this.#refresh(topic);
    try {
      return await brokerPool.findBroker({ nodeId: String(nodeId) });
    } catch {
      await this.#refresh(topic);
      return brokerPool.findBroker({ nodeId: String(nodeId) });
    }
  }

  /** Learns the brokers anew; the topic keeps kafkajs from asking for all there are. */
  async #refresh(topic: string): Promise<void> {
    this.#refreshing ??= this.#alone(() => this.#cluster.brokerPool.refreshMetadata([topic])).finally(
      () => (this.#refreshing = undefined),
    );
    await this.#refreshing;
    this.#knowsBrokers = true;
  }

  /** One after the other: two that find no broker connected would each connect to one, and forget one of them open. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Begins a session as the one writer of this id: every earlier session is refused from its next record on. */
  initProducer(transactionalId: string, topic: string): Promise<ProducerSession> {
    return this.#retrying(async () => {
      if (!this.#knowsBrokers) await this.#refresh(topic);
      try {
        const coordinator = await this.#alone(() =>
          this.#cluster.findGroupCoordinator({
            groupId: transactionalId,
            coordinatorType: coordinatorOfTransactions,
          }),
        );
        const session = await coordinator.initProducerId({ transactionalId, transactionTimeout: transactionTimeoutMs });
        return { producerId: BigInt(session.producerId), producerEpoch: session.producerEpoch };
      } catch (thrown) {
        await this.#refresh(topic).catch(() => {});
        throw thrown;
      }
    });
  }

  /** Runs an administrative call, tried again while it may succeed. */
  async administer<T>(work: (admin: Admin, timeoutMs: number) => Promise<T>): Promise<T> {
    return this.#retrying(async () => {
      this.#admin ??= connected(newAdmin(this.#connection));
      try {
        return await work(await this.#admin, adminTimeoutMs);
      } catch (thrown) {
        await this.#closeAdmin();
        throw thrown;
      }
    });
  }

  #retrying<T>(work: () => Promise<T>): Promise<T> {
    return retrying(() => this.#attempt(work), this.#patienceMs);
  }

  /** Once closed nothing is attempted: a late attempt would connect again, and stay. */
  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new AppError("kafka.unreachable", { details: { type: "closed" } });
    const attempt = work();
    this.#underWay.add(attempt);
    try {
      return await attempt;
    } finally {
      this.#underWay.delete(attempt);
    }
  }

  /** Lets what is under way finish and ends all connections. Twice is harmless. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // A broker that does not answer keeps nobody from leaving.
    await Promise.race([Promise.allSettled(this.#underWay), sleep(closeMs, undefined, { ref: false })]);
    await this.#closeAdmin();
    await Promise.race([this.#cluster.disconnect().catch(() => {}), sleep(closeMs, undefined, { ref: false })]);
  }

  async #closeAdmin(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    await admin?.then((open) => open.disconnect()).catch(() => {});
  }
}

async function connected(admin: Admin): Promise<Admin> {
  await admin.connect();
  return admin;
}

/**
 * Runs the work until it succeeds, with growing pauses.
 * @throws AppError `kafka.unreachable` when it still fails after the time, `kafka.refused` when trying again is no use.
 */
export async function retrying<T>(
  work: () => Promise<T>,
  patienceMs: number,
  isFinal: (thrown: unknown) => boolean = () => false,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, longestPauseMs)) {
    try {
      return await work();
    } catch (thrown) {
      if (isAppError(thrown) || isFinal(thrown)) throw thrown;
      const failure = kafkaFailure(thrown);
      if (!failure.retryable || performance.now() > deadline) throw failure;
      await sleep(pause);
    }
  }
}

/** An error of kafkajs or the brokers as an AppError; a bug of ours is thrown on as it is. */
export function kafkaFailure(thrown: unknown): AppError {
  const failure = failureOf(thrown);
  if (failure === null) throw thrown;
  return new AppError(failure.mayPass ? "kafka.unreachable" : "kafka.refused", {
    cause: thrown,
    details: { type: failure.type },
  });
}
