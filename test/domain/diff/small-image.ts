// An image written down by hand: entries by name, in the order of their first mention, and what each refers to.

import { desired, Image } from "../../../libs/domain/diff/image.ts";
import type { BeforeImages } from "../../../libs/domain/diff/plan.ts";
import { fingerprint, type Fingerprint } from "../../../libs/domain/fingerprint.ts";
import { type EntityType, entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";

export type State = "none" | "live" | "nullOwed";
export type Wish = keyof typeof desired;

export function words(a: number, b = 0): Fingerprint {
  return Uint32Array.of(a, b, 0, 0);
}

export class SmallImage implements BeforeImages {
  readonly image = new Image();
  readonly #entries = new Map<string, number>();
  readonly #parents = new Map<number, readonly number[]>();
  readonly #owners = new Map<number, number>();

  /** Adds a key; `same` says whether desired and published content are equal. */
  add(type: EntityType, name: string, was: State, is: Wish, same = true): number {
    const bytes = Buffer.from(`${type} ${name}`);
    const key = words(0);
    fingerprint(bytes, 0, bytes.length, key);
    const entry = this.image.entry(key, entityTypes.indexOf(type));
    if (was === "live") this.image.foldUpsert(entry, words(1, 2), entry);
    if (was === "nullOwed") this.image.foldDeleted(entry, entry);
    if (is === "content") this.image.desireContent(entry, same ? words(1, 2) : words(3, 4));
    else this.image.desired[entry] = desired[is];
    this.#entries.set(name, entry);
    return entry;
  }

  /** Adds many of one kind, named by their number. */
  addMany(count: number, type: EntityType, was: State, is: Wish): void {
    for (let i = 0; i < count; i++) this.add(type, `${was} ${is} ${i}`, was, is);
  }

  refer(child: number, ...parents: readonly number[]): void {
    this.#parents.set(child, parents);
  }

  own(role: number, user: number): void {
    this.#owners.set(role, user);
  }

  owner(entry: number): number {
    return this.#owners.get(entry) ?? -1;
  }

  parents(entry: number): readonly number[] {
    return this.#parents.get(entry) ?? [];
  }
}
