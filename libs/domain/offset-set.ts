// Which offsets of a range a second reading needs: one bit an offset, so that it passes over the others unread.

import { assert } from "./assert.ts";

export class OffsetSet {
  readonly #from: number;
  readonly #bits: Uint8Array;

  /** For offsets `[from, to)`. */
  constructor({ from, to }: { readonly from: number; readonly to: number }) {
    this.#from = from;
    this.#bits = new Uint8Array(Math.ceil((to - from) / 8));
  }

  add(offset: number): void {
    const at = offset - this.#from;
    const byte = Math.floor(at / 8);
    assert(byte >= 0 && byte < this.#bits.length, "an offset lies in the range of its set");
    this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (at % 8));
  }

  has(offset: number): boolean {
    const at = offset - this.#from;
    return ((this.#bits[Math.floor(at / 8)] ?? 0) & (1 << (at % 8))) !== 0;
  }
}
