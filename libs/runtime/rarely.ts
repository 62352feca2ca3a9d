// What a loop does at some of its turns only.

/** Says now and then that it is time, and the first time too. */
export class Rarely {
  readonly #everyMs: number;
  #last = -Infinity;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  isTime(): boolean {
    if (performance.now() - this.#last < this.#everyMs) return false;
    this.#last = performance.now();
    return true;
  }
}
