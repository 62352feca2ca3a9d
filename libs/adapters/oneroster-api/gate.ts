// How many requests may be under way at a source at once. Those that wait start in the order in which they came.
// It keeps true that no more are under way than the source allows at the moment of each start, and that nobody starts
// while it asked to be left alone.

export class Gate {
  readonly #atOnce: () => number;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #restsUntil = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param atOnce asked at each start; less than one counts as one. */
  constructor(atOnce: () => number) {
    this.#atOnce = atOnce;
  }

  /** Does the work when its turn has come. An abort while it waits throws the signal's reason, and nothing was begun. */
  async pass<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
      this.#start();
    }
  }

  /** Nothing starts for so long. */
  rest(ms: number): void {
    this.#restsUntil = Math.max(this.#restsUntil, performance.now() + ms);
  }

  #turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        this.#start();
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(begin);
      this.#start();
    });
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const restMs = this.#restsUntil - performance.now();
    if (restMs > 0) {
      // Waiting for its turn is no reason for a process to live on: whoever waits holds it.
      if (this.#waiting.length > 0) this.#timer = setTimeout(() => this.#start(), restMs);
      return;
    }
    while (this.#waiting.length > 0 && this.#underWay < Math.max(1, this.#atOnce())) {
      this.#underWay += 1;
      this.#waiting.shift()?.();
    }
  }
}
