// The workers of one process: so many districts are worked on at once. It keeps true that each district is at one of them
// at most, and that large work takes at most half of them, so that no district waits until a large one is done.

export type WorkerSettings = {
  /** How many districts are worked on at once. */
  readonly count: number;
  /** Work on a delivery of so many records is large. */
  readonly largeRecords: number;
};

export const defaultWorkers: WorkerSettings = { count: 2, largeRecords: 500_000 };

type AtWork = { readonly isLarge: boolean; readonly ended: Promise<void> };

export class Workers {
  readonly #count: number;
  readonly #atWork = new Map<string, AtWork>();
  #failure: { readonly error: unknown } | null = null;
  #change = new AbortController();

  constructor({ count }: Pick<WorkerSettings, "count">) {
    this.#count = count;
  }

  /** Aborts when a worker next ends that did something or failed: there may be more to do. */
  get change(): AbortSignal {
    if (this.#change.signal.aborted && this.#failure === null) this.#change = new AbortController();
    return this.#change.signal;
  }

  /** Resolves when a worker has nothing to do. @throws what a worker threw. */
  async free(): Promise<void> {
    while (this.#failure === null && this.#atWork.size >= this.#count)
      await Promise.race([...this.#atWork.values()].map(({ ended }) => ended));
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Whether a worker may begin with this district now. */
  takes(district: string, isLarge: boolean): boolean {
    if (this.#atWork.has(district) || this.#atWork.size >= this.#count) return false;
    const large = [...this.#atWork.values()].filter((each) => each.isLarge).length;
    return !isLarge || large < Math.max(1, Math.floor(this.#count / 2));
  }

  /** @param about.work resolves to whether it did something. */
  start(
    district: string,
    { isLarge, work }: { readonly isLarge: boolean; readonly work: () => Promise<boolean> },
  ): void {
    const run = async (): Promise<void> => {
      try {
        if (await work()) this.#change.abort();
      } catch (error) {
        this.#failure ??= { error };
        this.#change.abort();
      }
      this.#atWork.delete(district);
    };
    this.#atWork.set(district, { isLarge, ended: run() });
  }

  /** Resolves when none is at work any more. Throws nothing. */
  async end(): Promise<void> {
    await Promise.all([...this.#atWork.values()].map(({ ended }) => ended));
  }
}
