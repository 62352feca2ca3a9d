// Who failed to sign in, how often, of late. It keeps true that guessing gets slow and then stops,
// and that it remembers a bounded number of names, however many are tried.

export type ThrottleLimits = {
  readonly windowMs: number;
  /** So many failures have no consequence; each one more doubles the delay. */
  readonly freeFailures: number;
  /** From so many on, nothing is tried until the window has passed. */
  readonly mostFailures: number;
  readonly mostNames: number;
};

const firstDelayMs = 250;
const longestDelayMs = 8000;

export class Throttle {
  readonly #limits: ThrottleLimits;
  readonly #now: () => number;
  /** In the order in which their windows began. */
  readonly #failures = new Map<string, { readonly since: number; count: number }>();

  /** @param now milliseconds that only grow. */
  constructor(limits: ThrottleLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** For how long the next attempt must wait; null: it is refused. */
  delayMs(name: string): number | null {
    const count = this.#count(name);
    const { freeFailures, mostFailures } = this.#limits;
    if (count >= mostFailures) return null;
    if (count <= freeFailures) return 0;
    return Math.min(firstDelayMs * 2 ** (count - freeFailures - 1), longestDelayMs);
  }

  /** @returns how many there are now. */
  failed(name: string): number {
    const count = this.#count(name) + 1;
    const entry = this.#failures.get(name);
    if (entry !== undefined) entry.count = count;
    else this.#failures.set(name, { since: this.#now(), count });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > this.#limits.mostNames && oldest !== undefined) this.#failures.delete(oldest);
    return count;
  }

  succeeded(name: string): void {
    this.#failures.delete(name);
  }

  #count(name: string): number {
    const entry = this.#failures.get(name);
    if (entry === undefined) return 0;
    if (this.#now() - entry.since < this.#limits.windowMs) return entry.count;
    this.#failures.delete(name);
    return 0;
  }
}
