// The few requests that we send ourselves, in versions which every broker from 3.1 to 4.3 knows. Each is for partition 0
// of one topic or of several, since our topics have one partition.
// It keeps true that an answer which names an error is thrown as kafkajs would throw it, never taken for an empty one.

import { ByteReader, ByteWriter } from "./bytes.ts";
import { brokerError } from "./shim.ts";
import type { Call } from "./shim.ts";

const apiKeys = { produce: 0, fetch: 1, listOffsets: 2, metadata: 3, deleteRecords: 21 } as const;
const unknownTopic = 3;
const noTopicId = Buffer.alloc(16);

/** Where a topic's partition 0 is led, and which topic of that name it is: Kafka's own id, which is never used twice. */
export type TopicPlace = { readonly id: string; readonly leader: number; readonly partitions: number };

/** Asks any broker for a topic; null when there is none of that name. Version 12: the first with ids in both directions. */
export function metadataOf(topic: string): Call<TopicPlace | null> {
  const body = new ByteWriter();
  // No tags in the header; one topic by name; do not create it; no tags.
  body.unsigned(0).unsigned(2).raw(noTopicId).compactText(topic).unsigned(0).int8(0).int8(0).unsigned(0);
  return { apiKey: apiKeys.metadata, apiVersion: 12, apiName: "Metadata", body: body.take(), read: readMetadata };
}

function readMetadata(payload: Buffer): TopicPlace | null {
  const answer = new ByteReader(payload);
  skipTags(answer);
  answer.int32();
  for (let brokers = answer.unsigned(); brokers > 1; brokers--) {
    answer.int32();
    answer.compactText();
    answer.int32();
    answer.compactText();
    skipTags(answer);
  }
  answer.compactText();
  answer.int32();
  if (answer.unsigned() < 2) return null;
  const error = answer.int16();
  if (error === unknownTopic) return null;
  if (error !== 0) throw brokerError(error);
  answer.compactText();
  const id = Buffer.from(answer.slice(16)).toString("base64url");
  answer.int8();
  const partitions = answer.unsigned() - 1;
  for (let left = partitions; left > 0; left--) {
    const partitionError = answer.int16();
    const partition = answer.int32();
    const leader = answer.int32();
    answer.int32();
    for (let lists = 0; lists < 3; lists++) for (let ids = answer.unsigned(); ids > 1; ids--) answer.int32();
    skipTags(answer);
    if (partition !== 0) continue;
    if (partitionError !== 0 || leader < 0) throw brokerError(partitionError === 0 ? 5 : partitionError);
    return { id, leader, partitions };
  }
  throw brokerError(5);
}

function skipTags(answer: ByteReader): void {
  for (let tags = answer.unsigned(); tags > 0; tags--) {
    answer.unsigned();
    answer.slice(answer.unsigned());
  }
}

/** The first offset that is kept, or the one after the last that a reader may see. */
export type OffsetEnd = "start" | "end";

/** Asks the leader of the topics for an end of each. */
export function offsetsOf(topics: readonly string[], end: OffsetEnd): Call<ReadonlyMap<string, number>> {
  const body = new ByteWriter();
  body.int32(-1).int8(0).int32(topics.length);
  for (const topic of topics)
    body
      .text(topic)
      .int32(1)
      .int32(0)
      .int64(end === "start" ? -2 : -1);
  return { apiKey: apiKeys.listOffsets, apiVersion: 2, apiName: "ListOffsets", body: body.take(), read: readOffsets };
}

function readOffsets(payload: Buffer): ReadonlyMap<string, number> {
  const answer = new ByteReader(payload);
  answer.int32();
  const offsets = new Map<string, number>();
  eachPartition(answer, (topic) => {
    const error = answer.int16();
    answer.int64();
    const offset = answer.int64();
    if (error !== 0) throw brokerError(error);
    offsets.set(topic, offset);
  });
  return offsets;
}

export type Fetched = { readonly highWatermark: number; readonly set: Buffer };

/** Asks the leader for record batches from an offset on; at least one whole batch, however large, if there is any. */
export function fetchFrom(
  topic: string,
  { offset, maxBytes, maxWaitMs }: { readonly offset: number; readonly maxBytes: number; readonly maxWaitMs: number },
): Call<Fetched> {
  const body = new ByteWriter();
  body.int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(0);
  body.int32(1).text(topic).int32(1).int32(0).int64(offset).int32(maxBytes);
  return { apiKey: apiKeys.fetch, apiVersion: 4, apiName: "Fetch", body: body.take(), read: readFetched };
}

function readFetched(payload: Buffer): Fetched {
  const answer = new ByteReader(payload);
  answer.int32();
  let fetched: Fetched | undefined;
  eachPartition(answer, () => {
    const error = answer.int16();
    const highWatermark = answer.int64();
    answer.int64();
    for (let aborted = answer.int32(); aborted > 0; aborted--) answer.slice(16);
    const length = answer.int32();
    const set = answer.slice(Math.max(0, length));
    if (error !== 0) throw brokerError(error);
    fetched = { highWatermark, set };
  });
  if (fetched === undefined) throw brokerError(-1);
  return fetched;
}

/** Sends one batch to the leader, acknowledged by all replicas in sync; the answer is the offset of its first record. */
export function produceTo(topic: string, batch: Buffer): Call<number> {
  const body = new ByteWriter(batch.length + topic.length * 3 + 64);
  // No transaction, all replicas, their time to answer.
  body.int16(-1).int16(-1).int32(10_000).int32(1).text(topic).int32(1).int32(0).int32(batch.length).raw(batch);
  return { apiKey: apiKeys.produce, apiVersion: 3, apiName: "Produce", body: body.take(), read: readProduced };
}

function readProduced(payload: Buffer): number {
  const answer = new ByteReader(payload);
  let base: number | undefined;
  eachPartition(answer, () => {
    const error = answer.int16();
    const offset = answer.int64();
    answer.int64();
    if (error !== 0) throw brokerError(error);
    base = offset;
  });
  // An answer without the partition, or without an offset, acknowledges nothing.
  if (base === undefined || base < 0) throw brokerError(-1);
  return base;
}

/** Makes the leader forget what lies before an offset; the answer is the first that is kept. */
export function deleteBefore(topic: string, offset: number): Call<number> {
  const body = new ByteWriter();
  body.int32(1).text(topic).int32(1).int32(0).int64(offset).int32(10_000);
  const read = (payload: Buffer): number => {
    const answer = new ByteReader(payload);
    answer.int32();
    let start = 0;
    eachPartition(answer, () => {
      start = answer.int64();
      const error = answer.int16();
      if (error !== 0) throw brokerError(error);
    });
    return start;
  };
  return { apiKey: apiKeys.deleteRecords, apiVersion: 1, apiName: "DeleteRecords", body: body.take(), read };
}

/** Calls back at the fields of each partition of each topic; the index was read. */
function eachPartition(answer: ByteReader, read: (topic: string) => void): void {
  for (let topics = answer.int32(); topics > 0; topics--) {
    const topic = answer.text();
    for (let partitions = answer.int32(); partitions > 0; partitions--) {
      answer.int32();
      read(topic);
    }
  }
}
