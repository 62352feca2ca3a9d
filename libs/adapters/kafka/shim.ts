// The door to kafkajs 2.2.4, which is unmaintained: what we use of its inside, typed, and the repair of what is broken.
// It keeps true that another version is refused at once (the inside is not promised to stay), and that only what was
// measured is used: its connections (TLS, SASL, brokers that come and go) and its admin calls. Its producer and its
// consumer are not; decisions/0010 says why.

import { createRequire } from "node:module";
import { assert } from "../../domain/assert.ts";

const required = "2.2.4";

/** How to reach the brokers and who we are to them. */
export type KafkaConnection = {
  /** host:port of some of them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl?: boolean | object;
  readonly sasl?: { readonly mechanism: string; readonly username: string; readonly password: string };
};

/** A request as kafkajs' connections send it: the body comes encoded, the answer leaves as its bytes. */
type ProtocolRequest<T> = {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<unknown>;
  };
  readonly response: { decode(payload: Buffer): Promise<Buffer>; parse(payload: Buffer): Promise<T> };
};

/** A broker of kafkajs' pool. */
export type Broker = {
  readonly nodeId: number | null;
  readonly connectionPool: { send<T>(request: ProtocolRequest<T>): Promise<T> };
  isConnected(): boolean;
  disconnect(): Promise<void>;
  initProducerId(about: {
    readonly transactionalId: string;
    readonly transactionTimeout: number;
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
};

/** What kafkajs calls a cluster: the pool of connections behind its clients. */
export type Cluster = {
  readonly brokerPool: {
    readonly brokers: Readonly<Record<string, Broker>>;
    findConnectedBroker(): Promise<Broker>;
    findBroker(about: { readonly nodeId: string }): Promise<Broker>;
    refreshMetadata(topics: readonly string[]): Promise<void>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  findGroupCoordinator(about: { readonly groupId: string; readonly coordinatorType: 1 }): Promise<Broker>;
};

/** The part of kafkajs' admin client that we use. */
export type Admin = {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  createTopics(about: {
    readonly timeout?: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly numPartitions: number;
      readonly replicationFactor: number;
      readonly configEntries: readonly { readonly name: string; readonly value: string }[];
    }[];
  }): Promise<boolean>;
  deleteTopics(about: { readonly topics: readonly string[]; readonly timeout?: number }): Promise<void>;
};

type Client = { admin(options: object): Admin };
type ProtocolError = Error & {
  readonly type?: string;
  readonly code?: unknown;
  readonly retriable?: boolean;
  /** Of calls for several topics: what failed of each. */
  readonly errors?: readonly unknown[];
};
type Kafkajs = {
  readonly Kafka: new (options: object) => Client;
  readonly logLevel: { readonly NOTHING: number };
  readonly errorOf: (code: number) => ProtocolError;
};

let loaded: Kafkajs | undefined;

/** kafkajs with its repairs, loaded when it is first needed. */
function kafkajs(): Kafkajs {
  return (loaded ??= load());
}

function load(): Kafkajs {
  const require = createRequire(import.meta.url);
  const { version } = require("kafkajs/package.json") as { readonly version: string };
  assert(version === required, `kafkajs is ${required}, not ${version}: its inside is used`);
  repairTimer(require("kafkajs/src/network/requestQueue") as RequestQueue);
  repairConnect(require("kafkajs/src/network/connection") as Connection);
  repairGreeting(require("kafkajs/src/broker") as Greeting);
  const { Kafka, logLevel } = require("kafkajs") as Pick<Kafkajs, "Kafka" | "logLevel">;
  const { createErrorFromCode } = require("kafkajs/src/protocol/error") as {
    readonly createErrorFromCode: Kafkajs["errorOf"];
  };
  return { Kafka, logLevel, errorOf: createErrorFromCode };
}

type RequestQueue = {
  readonly prototype: { pending: readonly unknown[]; throttledUntil: number; scheduleCheckPendingRequests(): void };
};

/**
 * The queue sets a timer for a time that has passed already, a large negative number, whenever nothing waits; Node says
 * so by a warning. A timer is needed only when a request waits.
 */
function repairTimer(queue: RequestQueue): void {
  const original: (this: RequestQueue["prototype"]) => void = Reflect.get(
    queue.prototype,
    "scheduleCheckPendingRequests",
  );
  queue.prototype.scheduleCheckPendingRequests = function scheduleWhenPending(this: RequestQueue["prototype"]): void {
    if (this.pending.length > 0) original.call(this);
  };
}

type Connection = { readonly prototype: { connect(): Promise<boolean> } };

/** Two requests that find a connection closed would open two sockets, and forget one of them open. */
function repairConnect(connection: Connection): void {
  const original: (this: Connection["prototype"]) => Promise<boolean> = Reflect.get(connection.prototype, "connect");
  const underWay = new WeakMap<object, Promise<boolean>>();
  connection.prototype.connect = function connectOnce(this: Connection["prototype"]): Promise<boolean> {
    const connecting = underWay.get(this) ?? original.call(this).finally(() => underWay.delete(this));
    underWay.set(this, connecting);
    return connecting;
  };
}

type Greeting = { readonly prototype: { connect(): Promise<void>; disconnect(): Promise<void> } };

/**
 * A broker that takes a connection and then does not say what it can do would count as connected, and every later
 * request would fail: what could not be begun is closed, so that the next request begins anew.
 */
function repairGreeting(broker: Greeting): void {
  const original: (this: Greeting["prototype"]) => Promise<void> = Reflect.get(broker.prototype, "connect");
  broker.prototype.connect = async function connectWhole(this: Greeting["prototype"]): Promise<void> {
    try {
      await original.call(this);
    } catch (thrown) {
      await this.disconnect().catch(() => {});
      throw thrown;
    }
  };
}

// kafkajs does not try again by itself: our own loops do, which know what may be sent twice.
const noRetry = { retries: 0, initialRetryTime: 50 };
const requestTimeoutMs = 15_000;

function clientOf({ brokers, clientId, ssl, sasl }: KafkaConnection): Client {
  const { Kafka, logLevel } = kafkajs();
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl }),
    // Every failure reaches the caller as an error; what kafkajs would print has no place in our log.
    logLevel: logLevel.NOTHING,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 5_000,
    retry: noRetry,
  });
}

/** kafkajs' pool of connections, not yet connected. */
export function newCluster(connection: KafkaConnection): Cluster {
  const client = clientOf(connection);
  const symbol = Object.getOwnPropertySymbols(client).find((each) => String(each).includes("createCluster"));
  assert(symbol !== undefined, "kafkajs keeps its cluster behind a symbol");
  const make = Reflect.get(client, symbol) as (options: object) => Cluster;
  return make({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, maxInFlightRequests: null });
}

/** kafkajs' admin client, not yet connected. */
export function newAdmin(connection: KafkaConnection): Admin {
  return clientOf(connection).admin({ retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 2_000 } });
}

/** A request of ours to one broker. */
export type Call<T> = {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly body: Buffer;
  readonly read: (payload: Buffer) => T;
};

export function sendTo<T>(broker: Broker, { apiKey, apiVersion, apiName, body, read }: Call<T>): Promise<T> {
  // What kafkajs reads of its own encoders; one of them would copy the body once more.
  const encoded = { buf: body, buffer: body };
  return broker.connectionPool.send({
    request: { apiKey, apiVersion, apiName, encode: () => Promise.resolve(encoded) },
    response: { decode: (payload) => Promise.resolve(payload), parse: (payload) => Promise.resolve(read(payload)) },
  });
}

/** The error that a broker names by a code, as kafkajs would throw it. */
export function brokerError(code: number): Error {
  return kafkajs().errorOf(code);
}

/** What we need to know of an error of the brokers or of the way to them. */
export type KafkaFailure = { readonly type: string; readonly mayPass: boolean };

/** kafkajs wraps what it gave up on, and the first of what failed of several: what it was stands beneath. */
function beneath(error: Error): unknown {
  const { name, errors, cause } = error as ProtocolError;
  if (name === "KafkaJSAggregateError") return errors?.[0];
  return /RetriesExceeded|NonRetriableError$/u.test(name) ? cause : undefined;
}

// What a broker says by a plain Error of which it does not know yet what it can do.
const notGreeted = "Broker not connected";

/** @returns null when the error is not one of kafkajs: then it is a bug of ours. */
export function failureOf(thrown: unknown): KafkaFailure | null {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = beneath(error), depth++) {
    const { name, type, retriable, message } = error as ProtocolError;
    if (beneath(error) instanceof Error) continue;
    if (message === notGreeted) return { type: "NotConnected", mayPass: true };
    if (!name.startsWith("KafkaJS")) return null;
    if (type !== undefined) return { type, mayPass: retriable !== false };
    return { type: name.replace("KafkaJS", ""), mayPass: !/SASL|NotImplemented|UnsupportedMagic/u.test(name) };
  }
  return null;
}
