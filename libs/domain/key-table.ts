// A table from 128-bit fingerprints to dense entry numbers 0, 1, 2, ... in order of first insertion.
// It stands where a Map keyed by row would: 20 bytes an entry plus 5 to 11 for the index, no objects, no limit at 16.7 million.
// What is known of an entry lives in columns beside the table, indexed by its number.

import { assert } from "./assert.ts";
import type { Fingerprint } from "./fingerprint.ts";

const growth = 1.5;

export class KeyTable {
  #size = 0;
  #words = new Uint32Array(4 * 1024);
  #index = new Uint32Array(2 * 1024);
  #mask = this.#index.length - 1;

  /** How many entries there are; the next new one gets this number. */
  get size(): number {
    return this.#size;
  }

  /** @returns the entry's number, or -1. */
  find(key: Fingerprint): number {
    return (this.#index[this.#place(key)] ?? 0) - 1;
  }

  /** @returns the entry's number; a new entry is one whose number equals the size before the call. */
  insert(key: Fingerprint): number {
    const place = this.#place(key);
    const found = (this.#index[place] ?? 0) - 1;
    if (found !== -1) return found;
    const entry = this.#size++;
    if (entry * 4 === this.#words.length) this.#words = grown(this.#words, Math.ceil(entry * growth) * 4);
    // One by one: `set` of four words costs more than the search.
    for (let i = 0; i < 4; i++) this.#words[entry * 4 + i] = key[i] ?? 0;
    this.#index[place] = entry + 1;
    if (this.#size * 4 > this.#index.length * 3) this.#rehash();
    return entry;
  }

  /** Writes the fingerprint of an entry into `out`. */
  keyOf(entry: number, out: Fingerprint): void {
    assert(entry < this.#size, "entry is in the table");
    for (let i = 0; i < 4; i++) out[i] = this.#words[entry * 4 + i] ?? 0;
  }

  #place(key: Fingerprint): number {
    const k0 = key[0] ?? 0;
    const k1 = key[1] ?? 0;
    const k2 = key[2] ?? 0;
    const k3 = key[3] ?? 0;
    const words = this.#words;
    const index = this.#index;
    const mask = this.#mask;
    for (let place = k0 & mask; ; place = (place + 1) & mask) {
      const entry = (index[place] ?? 0) - 1;
      if (entry === -1) return place;
      const at = entry * 4;
      if (words[at] === k0 && words[at + 1] === k1 && words[at + 2] === k2 && words[at + 3] === k3) return place;
    }
  }

  #rehash(): void {
    const index = new Uint32Array(this.#index.length * 2);
    const mask = index.length - 1;
    for (let entry = 0; entry < this.#size; entry++) {
      let place = (this.#words[entry * 4] ?? 0) & mask;
      while (index[place] !== 0) place = (place + 1) & mask;
      index[place] = entry + 1;
    }
    this.#index = index;
    this.#mask = mask;
  }
}

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** A copy of at least the given length, the rest zero. */
export function grown<T extends Column>(column: T, length: number): T;
export function grown(column: Column, length: number): Column {
  const copy = emptyLike(column, Math.max(length, 1024));
  copy.set(column);
  return copy;
}

function emptyLike(column: Column, length: number): Column {
  if (column instanceof Uint8Array) return new Uint8Array(length);
  if (column instanceof Uint16Array) return new Uint16Array(length);
  if (column instanceof Uint32Array) return new Uint32Array(length);
  return column instanceof Int32Array ? new Int32Array(length) : new Float64Array(length);
}

/** The length to which columns of `length` grow so that `entry` fits; the same rule for all, so that they grow together. */
export function lengthFor(entry: number, length: number): number {
  return entry < length ? length : Math.max(1024, Math.ceil(entry * growth));
}
