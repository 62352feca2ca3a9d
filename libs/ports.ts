// What the services need of the world. Each method promises what holds when it resolves, is called twice, or throws.
// Adapters stand in libs/adapters, one folder per outside system.

import type { Readable } from "node:stream";

import type { Knex } from "knex";

import type { DeliveryId, DistrictId } from "./domain/ids.ts";

/** A record to be written. A null value is a tombstone. Header values are short: ids and places, never a person's data. */
export type NewRecord = {
  readonly key: string | Uint8Array;
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A record as read. `key` and `value` may be slices of a larger buffer: copy what outlives the batch. */
export interface StoredRecord {
  readonly offset: number;
  /** When the log appended it: epoch milliseconds of the log's clock, never of a source. */
  readonly timestamp: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  header(name: string): string | undefined;
  /** All headers, decoded anew by each call. */
  headers(): Readonly<Record<string, string>>;
}

/** Positions of one topic (one partition). `generation` differs after a topic was deleted and made again. */
export type TopicExtent = {
  readonly generation: string;
  /** The first offset that can still be read. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
};

/** Offsets `[from, to)` of one generation of a topic. */
export type LogRange = {
  readonly topic: string;
  readonly generation: string;
  readonly from: number;
  readonly to: number;
};

/** The right to write a district's topics: a row in PostgreSQL, timed by the database, whose epoch only grows. */
export type Lease = {
  readonly name: string;
  readonly holder: string;
  readonly epoch: number;
};

/** A PostgreSQL transaction whose appended records become visible with its other effects, or not at all. */
export interface Transaction {
  readonly sql: Knex.Transaction;
  /**
   * Buffers records; they are written last, topic by topic in the order of their names, when the transaction commits.
   * Records of one topic keep their order. Nothing is visible, and no offset is taken, if the transaction rolls back.
   */
  append(topic: string, records: readonly NewRecord[]): void;
}

/** The one writer of a data topic, fenced: once a newer writer has opened, nothing of this one is accepted. */
export interface TopicWriter {
  readonly generation: string;
  /** Offset of the `["writer"]` record that opened this writer: fold up to it, not before it. */
  readonly barrier: number;
  /**
   * Resolves when the records are durable and readable, in order and without a gap of this writer's own.
   * @throws AppError `log.writer-fenced` when a newer writer exists or the lease is lost: nothing was written.
   */
  append(records: readonly NewRecord[]): Promise<{ readonly from: number; readonly to: number }>;
}

export interface EventLog {
  /** Which log this is, in words for an operator. */
  readonly description: string;
  /** Makes the topic unless it exists; called twice it changes nothing. */
  createTopic(topic: string): Promise<TopicExtent>;
  /** @returns null when there is no such topic. */
  extent(topic: string): Promise<TopicExtent | null>;
  /** Removes the topic and all its records, if it exists; a topic of that name made later has another generation. */
  deleteTopic(topic: string): Promise<void>;
  /**
   * Yields every record of the range in offset order, in batches.
   * Compaction may have left gaps; the end of the range is reached all the same.
   * @throws AppError `log.generation` when the topic is of another generation or gone, `log.range-expired` when records
   * before its start were asked for, `log.range-short` when the log ends below `to`: never fewer records without an error.
   */
  scan(range: LogRange): AsyncIterable<readonly StoredRecord[]>;
  /**
   * Runs the work and commits it together with what it appended.
   * @throws what the work throws, after rolling back everything.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Opens the writer of a data topic for the holder of a lease, and fences all earlier ones. */
  openWriter(topic: string, lease: Lease): Promise<TopicWriter>;
  /** Resolves when something may have been appended to one of the topics, or after the time; a hint, never a promise. */
  waitForAppend(topics: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** Ids of Avro schemas as the Confluent wire format carries them. */
export interface SchemaRegistry {
  /** The id of the current schema of a record, by its full name. @throws AppError `registry.unknown-schema`. */
  idOf(recordName: string): Promise<number>;
  /** The schema with this id, as parsed JSON. @throws AppError `registry.unknown-schema`. */
  schemaOf(id: number): Promise<unknown>;
  /** Every id that is known now, older forms of a record included. */
  ids(): Promise<readonly number[]>;
}

/** Wall-clock time, epoch milliseconds. */
export interface Clock {
  now(): number;
}

/** A file in landing, named by what it holds. */
export type LandedFile = { readonly name: string; readonly sha256: string; readonly bytes: number };

/** The durable copy of everything that was delivered, by content hash, and the documents about it. */
export interface Landing {
  /**
   * Stores a stream; resolves when it is durable. The same content twice is stored once.
   * @throws AppError `landing.io`; nothing half-written is ever found under a hash.
   */
  put(name: string, content: AsyncIterable<Uint8Array>): Promise<LandedFile>;
  /** @throws AppError `landing.io` when there is no such content. */
  open(sha256: string): Readable;
  /** Stores a document beside a delivery, replacing one of the same name; durable when it resolves. */
  putDocument(delivery: DeliveryId, name: string, text: string): Promise<void>;
  /** @returns null when there is no such document. */
  document(delivery: DeliveryId, name: string): Promise<string | null>;
  /** Whether there is content with this hash. */
  has(sha256: string): Promise<boolean>;
  /** The hashes of everything that is there, in parts. */
  contents(): AsyncIterable<readonly string[]>;
  /** Deletes content. Twice changes nothing. @throws AppError `landing.io`. */
  deleteContent(sha256: string): Promise<void>;
  /** Deletes the documents of all deliveries of a district. Twice changes nothing. @throws AppError `landing.io`. */
  deleteDocuments(district: DistrictId): Promise<void>;
  /** Deletes the documents of one delivery. Twice changes nothing. @throws AppError `landing.io`. */
  deleteDocumentsOf(delivery: DeliveryId): Promise<void>;
  /** Deletes what was being stored longer ago than the age and never came to its end. @throws AppError `landing.io`. */
  deleteUnfinished(ageMs: number): Promise<void>;
}
