// Fingerprints are stored: they must be what MurmurHash3 x86_128 says, and stay so.

import { strict as assert } from "node:assert";

import t from "tap";

import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { forSeeds } from "../support/seeded.ts";

function hex(text: string | Uint8Array): string {
  const bytes = Buffer.from(text);
  const out = new Uint32Array(4);
  fingerprint(bytes, 0, bytes.length, out);
  return [...out].map((word) => word.toString(16).padStart(8, "0")).join("");
}

t.test("known texts have the fingerprints that other implementations give", async (t) => {
  t.equal(hex(""), "00000000000000000000000000000000");
  t.equal(hex("The quick brown fox jumps over the lazy dog"), "2f1583c3ecee2c675d7bf66ce5e91d2c");
  t.equal(hex("I will not buy this record, it is scratched."), "a0a9683b25ac5e40d9af2895890dddf5");
});

t.test("texts of every length of the last block differ from each other and from their neighbours", async (t) => {
  const seen = new Set<string>();
  for (let length = 0; length <= 64; length++) {
    seen.add(hex("\0".repeat(length)));
    for (let at = 0; at < length; at++) seen.add(hex(`${"\0".repeat(at)}\u0001${"\0".repeat(length - at - 1)}`));
  }
  t.equal(seen.size, 65 + (64 * 65) / 2);
});

t.test("only the bytes between start and end count", async (t) => {
  forSeeds(t, { runs: 200, size: 70 }, (random) => {
    const bytes = Uint8Array.from({ length: random.size }, () => random.below(256));
    const around = Uint8Array.from({ length: random.size + 40 }, () => random.below(256));
    const start = random.below(40);
    around.set(bytes, start);
    const out = new Uint32Array(4);
    fingerprint(around, start, start + bytes.length, out);
    assert.equal([...out].map((word) => word.toString(16).padStart(8, "0")).join(""), hex(bytes));
  });
});
