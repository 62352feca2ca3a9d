// What is kept in memory of the rows of one entity type: a fingerprint of each id, and a few columns of numbers beside.
// It keeps true: 42 bytes a row plus the table's index (5 to 11), no object, no string and no Map keyed by row; so a
// district of ten million rows takes half a gigabyte, and there is no limit at 16.7 million.

import { fingerprint } from "../domain/fingerprint.ts";
import { grown, KeyTable, lengthFor } from "../domain/key-table.ts";

/** What is known of a key; a key may be content and then be claimed. */
export const mark = {
  content: 1,
  deleted: 2,
  /** A refused row has this key, or rows that differ: nothing certain is known of it. */
  claimed: 4,
  /** Content was sent before the key was claimed. */
  overridden: 8,
  /** A user with a row in roles.csv. */
  hasRole: 16,
  /** A user with a role in the primary organisation. */
  hasPrimaryOrg: 32,
  /** A school, or an org of an extension type; a session that is a school year. */
  special: 64,
} as const;

const scratch = new Uint8Array(4096);
const encoder = new TextEncoder();

/** The fingerprint of an id, written into `out`. Longer than 1,365 characters, only what fits counts. */
export function idFingerprint(id: string, out: Uint32Array): void {
  const length = id.length;
  let at = 0;
  if (length <= scratch.length) {
    for (; at < length; at++) {
      const unit = id.charCodeAt(at);
      if (unit > 0x7f) break;
      scratch[at] = unit;
    }
  }
  fingerprint(scratch, 0, at === length ? length : encoder.encodeInto(id, scratch).written, out);
}

/** Two 32-bit words over the cells of a row but one, for telling whether rows of one key differ. */
export class RowHash {
  low = 0;
  high = 0;

  /** @param without index of the cell that does not count, or -1. */
  of(cells: readonly string[], without: number): void {
    let low = 0x811c9dc5;
    let high = 0x2f0b4c47;
    for (let i = 0; i < cells.length; i++) {
      if (i === without) continue;
      const cell = cells[i] ?? "";
      for (let at = 0; at < cell.length; at++) {
        const unit = cell.charCodeAt(at);
        low = Math.imul(low ^ unit, 0x9e3779b1);
        high = Math.imul(high ^ unit, 0x85ebca77);
        high = (high << 13) | (high >>> 19);
      }
      low = Math.imul(low ^ (0x10000 + i), 0x9e3779b1);
      high = Math.imul(high ^ (0x10000 + i), 0x85ebca77);
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
  }
}

export class TypeState {
  readonly keys = new KeyTable();
  /** Per entry: marks, first line, hash of the first row, and one number of the type's own. */
  marks = new Uint8Array(1024);
  lines = new Uint32Array(1024);
  low = new Uint32Array(1024);
  high = new Uint32Array(1024);
  /** users: entry of the primary org plus one. Of other types unused, and not grown. */
  own = new Uint32Array(0);
  readonly #key = new Uint32Array(4);

  /** @returns the entry of an id, or -1. */
  find(id: string): number {
    idFingerprint(id, this.#key);
    return this.keys.find(this.#key);
  }

  /** @returns the entry; it is new when it equals the size of the table before the call. */
  insert(id: string): number {
    idFingerprint(id, this.#key);
    const entry = this.keys.insert(this.#key);
    if (entry >= this.marks.length) {
      const length = lengthFor(entry, this.marks.length);
      this.marks = grown(this.marks, length);
      this.lines = grown(this.lines, length);
      this.low = grown(this.low, length);
      this.high = grown(this.high, length);
    }
    return entry;
  }

  has(entry: number, which: number): boolean {
    return ((this.marks[entry] ?? 0) & which) !== 0;
  }

  set(entry: number, which: number): void {
    this.marks[entry] = (this.marks[entry] ?? 0) | which;
  }

  setOwn(entry: number, value: number): void {
    if (entry >= this.own.length) this.own = grown(this.own, lengthFor(entry, this.own.length));
    this.own[entry] = value;
  }
}

/** References to ids of the same file that were not met yet: fingerprint and line. 20 bytes each. */
export class PendingReferences {
  #size = 0;
  #words = new Uint32Array(5 * 1024);
  readonly #key = new Uint32Array(4);

  add(id: string, line: number): void {
    const at = this.#size++ * 5;
    if (at >= this.#words.length) this.#words = grown(this.#words, at * 2);
    idFingerprint(id, this.#key);
    this.#words.set(this.#key, at);
    this.#words[at + 4] = line;
  }

  /** Tells each reference whose id is in no live row of the state, in the order of their lines. */
  missing(state: TypeState, tell: (line: number) => void): void {
    for (let at = 0; at < this.#size * 5; at += 5) {
      const entry = state.keys.find(this.#words.subarray(at, at + 4));
      if (entry < 0 || isGone(state, entry)) tell(this.#words[at + 4] ?? 0);
    }
  }
}

/** Whether the delivery deletes the key, so that a reference to it dangles. A claimed key may well exist. */
export function isGone(state: TypeState, entry: number): boolean {
  return state.has(entry, mark.deleted) && !state.has(entry, mark.claimed);
}
