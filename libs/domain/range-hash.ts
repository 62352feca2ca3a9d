// A hash over a set of records that does not depend on their order: the sum, modulo 2^64, of a fingerprint of each.
// Writer and reader of a range compare it, so that a range with one record too few, too many or altered is noticed.

import { fingerprint } from "./fingerprint.ts";

const of = new Uint32Array(4);

export class RangeHash {
  #low = 0;
  #high = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds one record; a null value counts as an empty one. */
  add(key: Uint8Array, value: Uint8Array | null): void {
    fingerprint(key, 0, key.length, of);
    const [keyLow = 0, keyHigh = 0] = of;
    if (value === null) of.fill(0);
    else fingerprint(value, 0, value.length, of);
    // The odd factors keep key and value from cancelling each other out.
    const low = (Math.imul(keyLow, 0x9e3779b1) ^ (of[0] ?? 0)) >>> 0;
    const high = (Math.imul(keyHigh, 0x85ebca6b) ^ (of[1] ?? 0)) >>> 0;
    const sum = this.#low + low;
    this.#low = sum >>> 0;
    this.#high = (this.#high + high + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    this.#count++;
  }

  /** 16 hex digits. */
  toString(): string {
    return this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0");
  }
}
