// Randomness that can be repeated: a property is tried with many seeds, and a failure names its seed and the smallest
// size at which that seed still fails. `SEED=7` tries one seed alone, `TORTURE=1` twenty times as many.

type Check = { pass(message: string): unknown; fail(message: string): unknown };

/** Numbers that follow from a seed. `size` says how large things may become that are made with them. */
export class Random {
  #state: number;
  readonly size: number;

  constructor(seed: number, size: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) | 0;
    this.size = size;
    // Neighbouring seeds begin alike: what they have in common is thrown away.
    for (let i = 0; i < 4; i++) this.next();
  }

  /** From 0 up to but not including 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to but not including `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Each of the list with the given chance, in its order. */
  some<T>(list: readonly T[], share: number): readonly T[] {
    return list.filter(() => this.chance(share));
  }

  shuffled<T>(list: readonly T[]): readonly T[] {
    const ranks = new Map(list.map((item) => [item, this.next()]));
    return list.toSorted((a, b) => (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0));
  }
}

/**
 * Tries a property, which throws where it does not hold.
 * @param options.size the largest size that is tried; runs grow up to it.
 */
export function forSeeds(
  t: Check,
  options: { readonly runs: number; readonly size: number },
  property: (random: Random) => void,
): void {
  const one = Number(process.env["SEED"] ?? 0);
  const runs = options.runs * (process.env["TORTURE"] === "1" ? 20 : 1);
  for (let seed = one || 1; seed <= (one || runs); seed++) {
    const size = one > 0 ? options.size : 1 + ((seed - 1) % options.size);
    if (failure(property, seed, size) === null) continue;
    t.fail(smallest(property, seed, size));
    return;
  }
  t.pass(`${one > 0 ? 1 : runs} seeds`);
}

function failure(property: (random: Random) => void, seed: number, size: number): string | null {
  try {
    property(new Random(seed, size));
    return null;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function smallest(property: (random: Random) => void, seed: number, size: number): string {
  for (let smaller = 1; smaller <= size; smaller++) {
    const text = failure(property, seed, smaller);
    if (text !== null) return `SEED=${seed}, size ${smaller}: ${text}`;
  }
  return `SEED=${seed}, size ${size}: failed once and not again`;
}
