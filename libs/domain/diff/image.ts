// What is known of every key of a district while a delivery is compared with what is published:
// one table from key fingerprints to entries, and typed columns beside it. No row is held as an object;
// an entry costs about 36 bytes of columns, 16 of key and 5 to 11 of index, so memory grows linearly with the rows.

import { assert } from "../assert.ts";
import type { Fingerprint } from "../fingerprint.ts";
import { grown, KeyTable, lengthFor } from "../key-table.ts";

/** State of a key in the fold of the roster topic. */
export const published = { none: 0, live: 1, nullOwed: 2 } as const;

/**
 * What a delivery says of a key.
 * unmentioned: nothing. content: the entity is so. absent: the entity is gone. claimed: a rejected row holds the key.
 * withheld: it was missing where absence is suspended. follows: a derived role, which goes the way of its user.
 */
export const desired = { unmentioned: 0, content: 1, absent: 2, claimed: 3, withheld: 4, follows: 5 } as const;

/** What a plan does with a key. */
export const action = { none: 0, create: 1, update: 2, delete: 3, sendNull: 4 } as const;

/**
 * Why an action does not go out by itself. `refused`: a person said no. `doubt`: the delivery names a cause why the source
 * may show less than there is.
 */
export const hold = { none: 0, limit: 1, children: 2, plan: 3, refused: 4, doubt: 5 } as const;

/** Why an entity is deleted. */
export const cause = { none: 0, absent: 1, toBeDeleted: 2, termOver: 3 } as const;

/** State of the exception row that matches a key, if any. `doubted` is held, for the cause that its delivery named. */
export const exception = { none: 0, held: 1, approved: 2, refused: 3, doubted: 4 } as const;

/**
 * What a stored exception says of a key's absence. absent: the sources have declared it absent. withdrawn: they did, and
 * have taken it back without mentioning the key.
 */
export const declared = { nothing: 0, absent: 1, withdrawn: 2 } as const;

/** The last day of a session or class is not known. */
export const unknownDay = 0x7fffffff;

export class Image {
  readonly #keys = new KeyTable();
  #length = 0;
  /** Index of the entity type in `entityTypes`. */
  type = new Uint8Array(0);
  published = new Uint8Array(0);
  desired = new Uint8Array(0);
  action = new Uint8Array(0);
  hold = new Uint8Array(0);
  cause = new Uint8Array(0);
  exception = new Uint8Array(0);
  /** One of `declared`. */
  declaredAbsent = new Uint8Array(0);
  /** 1 for a role that was derived from a row of users. */
  derived = new Uint8Array(0);
  /** Offset of the last roster record of the key. */
  offset = new Float64Array(0);
  /** Day number after the last day of a session or class, in days since 1970-01-01; `unknownDay` where not known. */
  endDay = new Int32Array(0);
  /** Fingerprint of the published content: two words an entry. */
  publishedHash = new Uint32Array(0);
  /** Fingerprint of the desired content: two words an entry. */
  desiredHash = new Uint32Array(0);

  get size(): number {
    return this.#keys.size;
  }

  /** @returns the entry's number, or -1. */
  find(key: Fingerprint): number {
    return this.#keys.find(key);
  }

  /** @returns the entry's number, made if the key is new. */
  entry(key: Fingerprint, type: number): number {
    const before = this.#keys.size;
    const entry = this.#keys.insert(key);
    if (entry === before) {
      if (entry >= this.#length) this.#grow(entry);
      this.type[entry] = type;
      this.endDay[entry] = unknownDay;
    }
    assert(this.type[entry] === type, "a key has one entity type");
    return entry;
  }

  /** The last record of the key, so far, is an upsert with this content. */
  foldUpsert(entry: number, hash: Fingerprint, offset: number): void {
    this.published[entry] = published.live;
    this.publishedHash[entry * 2] = hash[0] ?? 0;
    this.publishedHash[entry * 2 + 1] = hash[1] ?? 0;
    this.offset[entry] = offset;
  }

  /** The last record of the key, so far, is a delete whose null has not been seen. */
  foldDeleted(entry: number, offset: number): void {
    this.published[entry] = published.nullOwed;
    this.offset[entry] = offset;
  }

  /** The last record of the key, so far, is the null. */
  foldNull(entry: number, offset: number): void {
    this.published[entry] = published.none;
    this.offset[entry] = offset;
  }

  /** The delivery holds this content for the key; a later word on the same key overrides it. */
  desireContent(entry: number, hash: Fingerprint): void {
    this.desired[entry] = desired.content;
    this.desiredHash[entry * 2] = hash[0] ?? 0;
    this.desiredHash[entry * 2 + 1] = hash[1] ?? 0;
  }

  /** Whether the delivery holds exactly this content for the key. */
  isDesired(entry: number, hash: Fingerprint): boolean {
    return (
      this.desired[entry] === desired.content &&
      this.desiredHash[entry * 2] === hash[0] &&
      this.desiredHash[entry * 2 + 1] === hash[1]
    );
  }

  /** Whether desired and published content are the same. */
  isUnchanged(entry: number): boolean {
    return (
      this.desiredHash[entry * 2] === this.publishedHash[entry * 2] &&
      this.desiredHash[entry * 2 + 1] === this.publishedHash[entry * 2 + 1]
    );
  }

  #grow(entry: number): void {
    const length = lengthFor(entry, this.#length);
    this.type = grown(this.type, length);
    this.published = grown(this.published, length);
    this.desired = grown(this.desired, length);
    this.action = grown(this.action, length);
    this.hold = grown(this.hold, length);
    this.cause = grown(this.cause, length);
    this.exception = grown(this.exception, length);
    this.declaredAbsent = grown(this.declaredAbsent, length);
    this.derived = grown(this.derived, length);
    this.offset = grown(this.offset, length);
    this.endDay = grown(this.endDay, length);
    this.publishedHash = grown(this.publishedHash, length * 2);
    this.desiredHash = grown(this.desiredHash, length * 2);
    this.#length = length;
  }
}
