// The hash of a range: the same for the same records in any order, another for any other records.

import { strict as assert } from "node:assert";

import t from "tap";

import { RangeHash } from "../../libs/domain/range-hash.ts";
import { forSeeds } from "../support/seeded.ts";

type Entry = readonly [string, string | null];

function hash(entries: readonly Entry[]): string {
  const sum = new RangeHash();
  for (const [key, value] of entries) sum.add(Buffer.from(key), value === null ? null : Buffer.from(value));
  assert.equal(sum.count, entries.length);
  return sum.toString();
}

t.test("nothing has the hash zero, and a hash is sixteen hex digits", async (t) => {
  t.equal(hash([]), "0000000000000000");
  t.match(hash([["a", "b"]]), /^[0-9a-f]{16}$/u);
  t.equal(hash([["a", null]]), hash([["a", ""]]), "null counts as empty");
});

t.test("the order of records does not matter; one lost, doubled, altered or swapped is noticed", async (t) => {
  forSeeds(t, { runs: 300, size: 40 }, (random) => {
    const entries = Array.from({ length: random.size + 1 }, (_, i): Entry => [
      `key ${i}`,
      `value ${random.below(1000)} ${i}`,
    ]);
    const whole = hash(entries);
    assert.equal(hash(random.shuffled(entries)), whole);
    const [first = ["", ""], second = ["", ""], ...rest] = random.shuffled(entries);
    const others: readonly (readonly Entry[])[] = [
      [second, ...rest],
      [first, first, second, ...rest],
      [first, first, ...rest],
      [[first[0], `${first[1] ?? ""}!`], second, ...rest],
      [[`${first[0]}!`, first[1]], second, ...rest],
      [[first[0], second[1]], [second[0], first[1]], ...rest],
      [[first[0], null], second, ...rest],
    ];
    for (const other of others) assert.notEqual(hash(other), whole);
  });
});

t.test("sums carry from the low half to the high half", async (t) => {
  const many = Array.from({ length: 10_000 }, (_, i): Entry => [`k${i}`, `v${i}`]);
  let [low, high] = [0n, 0n];
  for (const entry of many) {
    const one = BigInt(`0x${hash([entry])}`);
    low += one & 0xffff_ffffn;
    high += one >> 32n;
  }
  const sum = BigInt.asUintN(64, (high << 32n) + low);
  t.equal(hash(many), sum.toString(16).padStart(16, "0"));
});
