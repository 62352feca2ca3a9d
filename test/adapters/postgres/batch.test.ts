// The layout of a batch: what goes in comes out, within the limits, and damage is noticed.

import t from "tap";
import { decodeBlock, encodeBlocks, encodeKept } from "../../../libs/adapters/postgres/batch.ts";
import type { NewRecord, StoredRecord } from "../../../libs/ports.ts";

/** A small generator with a seed, so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomRecord(next: (below: number) => number): NewRecord {
  const key = next(2) === 0 ? `ключ-${next(1_000)}` : Uint8Array.from({ length: next(40) }, () => next(256));
  const length = next(20) === 0 ? next(200_000) : next(300);
  const value = next(5) === 0 ? null : Uint8Array.from({ length }, () => next(256));
  const headers = Object.fromEntries(Array.from({ length: next(4) }, (_, i) => [`h${i}`, "é".repeat(next(30))]));
  return next(3) === 0 ? { key, value } : { key, value, headers };
}

function plain(record: NewRecord | StoredRecord): object {
  const headers = "header" in record ? record.headers() : (record.headers ?? {});
  return {
    key: Buffer.from(record.key).toString("hex"),
    value: record.value && Buffer.from(record.value).toString("hex"),
    headers,
  };
}

function decodeAll(records: readonly NewRecord[]): readonly StoredRecord[] {
  let first = 0;
  return encodeBlocks(records).flatMap((block) => {
    const decoded = decodeBlock(block.bytes, { first, appendedAt: 5 }, { from: 0, to: Infinity });
    first += block.records;
    return decoded;
  });
}

t.test("whatever is encoded is decoded again, with offsets that count on over the blocks", async (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const next = random(seed);
    const records = Array.from({ length: next(1_500) }, () => randomRecord(next));
    const decoded = decodeAll(records);
    t.same(
      decoded.map((one) => one.offset),
      records.map((_, i) => i),
      `seed ${seed}`,
    );
    t.ok(JSON.stringify(decoded.map(plain)) === JSON.stringify(records.map(plain)), `seed ${seed}`);
  }
});

t.test("a block ends at a thousand records or when it is large", async (t) => {
  const small = Array.from({ length: 2_001 }, (_, i) => ({ key: String(i), value: null }));
  t.same(
    encodeBlocks(small).map((block) => block.records),
    [1_000, 1_000, 1],
  );
  const large = Array.from({ length: 10 }, (_, i) => ({ key: String(i), value: Buffer.alloc(400_000) }));
  t.same(
    encodeBlocks(large).map((block) => block.records),
    [3, 3, 3, 1],
  );
  t.same(encodeBlocks([]), []);
});

t.test("a block that is written again keeps the places of what is left", async (t) => {
  const block = encodeKept(
    [
      { offset: 107, key: "a", value: null },
      { offset: 1_099, key: "b", value: Buffer.from("x") },
    ],
    100,
  );
  const decoded = decodeBlock(block.bytes, { first: 100, appendedAt: 5 }, { from: 0, to: 2_000 });
  t.same(
    decoded.map((one) => [one.offset, one.timestamp]),
    [
      [107, 5],
      [1_099, 5],
    ],
  );
});

t.test("a damaged block is refused", async (t) => {
  const [block] = encodeBlocks(
    Array.from({ length: 100 }, (_, i) => ({ key: `key ${i * i}`, value: Buffer.alloc(50, `${i}`) })),
  );
  const bytes = Buffer.from(block?.bytes ?? []);
  const half = bytes.length >> 1;
  bytes[half] = (bytes[half] ?? 0) ^ 0x55;
  t.throws(() => decodeBlock(bytes, { first: 0, appendedAt: 0 }, { from: 0, to: 100 }));
});
