// The record batch: what is written comes back, whatever compaction, compression or numbers do to it.

import { gzipSync, zstdCompressSync } from "node:zlib";
import t from "tap";
import {
  decodeBatches,
  encodeBatches,
  largestRecord,
  mostBytes,
  mostRecords,
  nextSequence,
  sequenceOf,
} from "../../../libs/adapters/kafka/record-batch.ts";
import type { DecodedBatch } from "../../../libs/adapters/kafka/record-batch.ts";
import type { NewRecord } from "../../../libs/ports.ts";

const producer = { producerId: 7n, producerEpoch: 3, firstSequence: 0, now: 1_700_000_000_000 };
const all = { from: 0, to: Number.MAX_SAFE_INTEGER };
const record = (key: string, value: string | null = key): NewRecord => ({
  key,
  value: value === null ? null : Buffer.from(value),
});
const encodeOne = (records: readonly NewRecord[]): Buffer => {
  const [batch] = encodeBatches(records, producer);
  return batch?.bytes ?? Buffer.alloc(0);
};

/** The batch as a broker stores it: at an offset, with its append time. */
function stored(
  batch: Buffer,
  { offset, appendedAt }: { readonly offset: number; readonly appendedAt: number },
): Buffer {
  const copy = Buffer.from(batch);
  copy.writeBigInt64BE(BigInt(offset), 0);
  copy.writeInt16BE(copy.readInt16BE(21) | 8, 21);
  copy.writeBigInt64BE(BigInt(appendedAt), 35);
  return copy;
}

/** The batch after compaction took records away: its offsets stay. */
function emptied(batch: Buffer): Buffer {
  const copy = Buffer.from(batch.subarray(0, 61));
  copy.writeInt32BE(copy.length - 12, 8);
  copy.writeInt32BE(0, 57);
  return copy;
}

function compressed(batch: Buffer, codec: number, compress: (bytes: Buffer) => Buffer): Buffer {
  const copy = Buffer.concat([batch.subarray(0, 61), compress(batch.subarray(61))]);
  copy.writeInt32BE(copy.length - 12, 8);
  copy.writeInt16BE(copy.readInt16BE(21) | codec, 21);
  return copy;
}

function decoded(set: Buffer, range = all): readonly DecodedBatch[] {
  return [...decodeBatches(set, range)];
}

t.test("records come back byte for byte, with their offsets and the broker's time", async (t) => {
  const sent = [
    { key: "ключ", value: null, headers: { origin: "users.csv:7", "": "", ключ: "雪" } },
    { key: Buffer.from([0, 255]), value: Buffer.alloc(0) },
    { key: "long", value: Buffer.alloc(70_000, "a") },
    { key: "short", value: Buffer.from("b") },
  ];
  const [batch] = decoded(stored(encodeOne(sent), { offset: 40, appendedAt: 99 }));
  t.same(
    batch?.records.map((one) => [one.offset, one.timestamp, Buffer.from(one.key), one.value && Buffer.from(one.value)]),
    sent.map(({ key, value }, i) => [40 + i, 99, Buffer.from(key), value && Buffer.from(value)]),
  );
  t.same(batch?.records[0]?.headers(), sent[0]?.headers);
  t.equal(batch?.records[0]?.header("origin"), "users.csv:7");
  t.equal(batch?.records[1]?.header("origin"), undefined);
  t.equal(batch?.next, 44);
  t.equal(
    decoded(encodeOne([record("a")]))[0]?.records[0]?.timestamp,
    producer.now,
    "without the broker's, the writer's",
  );
});

t.test("every length of a record is written right, where its own length takes one byte more too", async (t) => {
  const wrong: number[] = [];
  for (let length = 0; length < 20_000; length += length < 200 ? 1 : 97) {
    const [batch] = decoded(encodeOne([{ key: "k", value: Buffer.alloc(length, "v") }, record("after")]));
    if (batch?.records[0]?.value?.length !== length || Buffer.from(batch.records[1]?.key ?? []).toString() !== "after")
      wrong.push(length);
  }
  t.same(wrong, []);
});

t.test("batches stay within their limits, and sequences count records", async (t) => {
  const many = Array.from({ length: 2_500 }, (_, i) => record(String(i)));
  const batches = encodeBatches(many, { ...producer, firstSequence: 5 });
  t.same(
    batches.map(({ records }) => records),
    [mostRecords, mostRecords, 500],
  );
  t.same(batches.map(sequenceOf), [5, 1_005, 2_005]);
  const wide = Array.from({ length: 10 }, (_, i) => ({ key: String(i), value: Buffer.alloc(100_000) }));
  const wideBatches = encodeBatches(wide, producer);
  t.ok(wideBatches.every(({ bytes }) => bytes.length <= mostBytes));
  t.equal(
    wideBatches.reduce((sum, { records }) => sum + records, 0),
    10,
  );
  t.equal(encodeBatches([], producer).length, 0);
  t.equal(nextSequence(2 ** 31 - 1, 1), 0, "sequences begin again");
});

t.test(
  "a record above the limit is refused before anything is sent, one within it has a batch of its own",
  async (t) => {
    const large = { key: "large", value: Buffer.alloc(largestRecord - 100) };
    t.same(
      encodeBatches([record("a"), large, record("b")], producer).map(({ records }) => records),
      [1, 1, 1],
    );
    t.throws(() => encodeBatches([record("a"), { key: "huge", value: Buffer.alloc(largestRecord) }], producer), {
      code: "log.record-too-large",
      details: { index: 1 },
    });
  },
);

t.test(
  "fault D: a batch that compaction emptied, or whose last records it took, still leads past itself",
  async (t) => {
    const whole = stored(encodeOne([record("a"), record("b"), record("c")]), { offset: 10, appendedAt: 0 });
    t.match(decoded(emptied(whole)), [{ next: 13, records: [] }]);
    const onlyFirst = Buffer.from(whole);
    onlyFirst.writeInt32BE(1, 57);
    const [batch] = decoded(
      Buffer.concat([onlyFirst, stored(encodeOne([record("d")]), { offset: 13, appendedAt: 0 })]),
    );
    t.match(batch, { next: 13 });
    t.equal(batch?.records.length, 1);
  },
);

t.test("fault J: a hundred and fifty thousand records in one batch of another producer are read", async (t) => {
  const count = 150_000;
  const [one] = [encodeOne([record("a", null)])];
  const single = one.subarray(61);
  // Every record says that its offset is the first one's: what counts here is that so many are read.
  const set = Buffer.concat([one.subarray(0, 61), ...Array.from({ length: count }, () => single)]);
  set.writeInt32BE(set.length - 12, 8);
  set.writeInt32BE(count, 57);
  t.equal(decoded(set)[0]?.records.length, count);
});

t.test("fault K: a record holds slices, and nothing is copied until somebody does", async (t) => {
  const set = encodeOne([record("a", "value")]);
  const value = decoded(set)[0]?.records[0]?.value;
  t.equal(value?.buffer, set.buffer);
});

t.test("what was cut off by the fetch is left for the next one, and a range cuts its ends", async (t) => {
  const first = stored(encodeOne([record("a"), record("b")]), { offset: 0, appendedAt: 0 });
  const second = stored(encodeOne([record("c"), record("d")]), { offset: 2, appendedAt: 0 });
  const set = Buffer.concat([first, second]);
  for (const cut of [0, 11, 60, first.length - 1]) t.same(decoded(set.subarray(0, cut)), []);
  t.equal(decoded(set.subarray(0, set.length - 1)).length, 1);
  t.same(
    decoded(set, { from: 1, to: 3 }).flatMap(({ records }) => records.map(({ offset }) => offset)),
    [1, 2],
  );
});

t.test("gzip and zstd are read, other compressions and old formats are an error and never silence", async (t) => {
  const batch = encodeOne([record("a"), record("b")]);
  t.equal(decoded(compressed(batch, 1, gzipSync))[0]?.records.length, 2);
  t.equal(decoded(compressed(batch, 4, zstdCompressSync))[0]?.records.length, 2);
  t.throws(() => decoded(compressed(batch, 2, (bytes) => bytes)), { code: "registry.undecodable" });
  const old = Buffer.from(batch);
  old[16] = 1;
  t.throws(() => decoded(old), { code: "registry.undecodable" });
});

t.test("control batches of other producers' transactions are passed over", async (t) => {
  const control = Buffer.from(encodeOne([record("a")]));
  control.writeInt16BE(0x20, 21);
  t.match(decoded(control), [{ next: 1, records: [] }]);
});
