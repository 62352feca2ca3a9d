// The table of keys: what a Map would say, for keys that meet in the index and for many more than it was made for.

import { strict as assert } from "node:assert";

import t from "tap";

import { grown, KeyTable, lengthFor } from "../../libs/domain/key-table.ts";
import { forSeeds } from "../support/seeded.ts";

t.test("the table says what a Map would, also when keys differ in one word alone", async (t) => {
  forSeeds(t, { runs: 40, size: 8 }, (random) => {
    const table = new KeyTable();
    const map = new Map<string, number>();
    for (let step = 0; step < 400 * random.size; step++) {
      // Few values: the first word, by which the index is entered, is often the same.
      const key = Uint32Array.from({ length: 4 }, () =>
        random.pick([0, 1, 2 ** 32 - 1, 2 ** 31, 4096, random.below(9)]),
      );
      const name = key.join(" ");
      assert.equal(table.find(key), map.get(name) ?? -1);
      if (random.chance(0.6)) continue;
      const entry = map.get(name) ?? map.size;
      assert.equal(table.insert(key), entry, "entries are numbered in the order of their first insertion");
      map.set(name, entry);
      assert.equal(table.size, map.size);
    }
    const out = new Uint32Array(4);
    for (const [name, entry] of map) {
      table.keyOf(entry, out);
      assert.equal(out.join(" "), name);
    }
  });
});

t.test("a hundred thousand keys are found, and others are not", async (t) => {
  const table = new KeyTable();
  const key = (number: number): Uint32Array => Uint32Array.of(Math.imul(number, 0x9e3779b1), number, 0, 7);
  for (let number = 0; number < 100_000; number++) table.insert(key(number));
  let wrong = 0;
  for (let number = 0; number < 100_000; number++) if (table.find(key(number)) !== number) wrong++;
  for (let number = 100_000; number < 110_000; number++) if (table.find(key(number)) !== -1) wrong++;
  t.equal(wrong, 0);
  t.equal(table.size, 100_000);
  t.throws(() => table.keyOf(100_000, new Uint32Array(4)), /assertion failed/u);
});

t.test("the caller's array is copied: using it again changes no entry", async (t) => {
  const table = new KeyTable();
  const key = Uint32Array.of(1, 2, 3, 4);
  table.insert(key);
  key[3] = 5;
  t.equal(table.find(key), -1);
  t.equal(table.find(Uint32Array.of(1, 2, 3, 4)), 0);
});

t.test("columns keep their type and content when they grow, and grow together", async (t) => {
  const bytes = grown(Uint8Array.of(1, 2), 3);
  t.ok(bytes instanceof Uint8Array);
  t.strictSame([...bytes.subarray(0, 4)], [1, 2, 0, 0]);
  t.ok(grown(Float64Array.of(0.5), 4000).length >= 4000);
  t.equal(lengthFor(5, 10), 10);
  for (const entry of [0, 1023, 1024, 5000]) t.ok(lengthFor(entry, entry) > entry);
});
