// What is compared of items to tell whether pages fit together: their ids in their order, as small figures.

import { idFingerprint } from "../../ingest/type-state.ts";
import { sourcedIdOf } from "./envelope.ts";

/** No id begins so. */
export const nameless = "\u0000";

/** What is compared of an item: its id, or all of it where it has none. */
export function keyOf(item: unknown): string {
  const id = sourcedIdOf(item);
  if (id !== null) return id;
  try {
    return nameless + JSON.stringify(item);
  } catch {
    // Nested deeper than the stack allows: one such item is as good as another.
    return nameless;
  }
}

export function printOf(items: readonly unknown[]): string {
  const print = new Print();
  const key = new Uint32Array(4);
  for (const item of items) {
    idFingerprint(keyOf(item), key);
    print.add(key);
  }
  return print.text;
}

/** A figure over fingerprints in their order. */
export class Print {
  readonly #words = new Uint32Array(4);
  #count = 0;

  add(key: Uint32Array): void {
    this.#count += 1;
    for (let i = 0; i < 4; i++) {
      const word = (this.#words[i] ?? 0) ^ (key[i] ?? 0);
      this.#words[i] = Math.imul((word << 13) | (word >>> 19), 0x9e3779b1) + i;
    }
  }

  get text(): string {
    return `${this.#count}:${this.#words.join(".")}`;
  }
}
