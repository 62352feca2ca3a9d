// Reads teacher-rosters.<district> as a product would, and tells when each teacher's first class could be read.

import { setTimeout as sleep } from "node:timers/promises";

import type { System } from "../libs/cli/system.ts";

const patienceMs = 30_000;
const writerKey = '["writer"]';

export class RosterWatch {
  readonly #seen = new Map<string, number>();
  readonly #waiting = new Map<string, (at: number) => void>();
  readonly #stop = new AbortController();

  /** Begins with what is appended from now on. */
  static async open(system: System, topic: string): Promise<RosterWatch> {
    const watch = new RosterWatch();
    const { generation, end } = await system.log.createTopic(topic);
    void watch.#read(system, { topic, generation, from: end });
    return watch;
  }

  /** When a class of the teacher could be read, as `performance.now()` tells it. @throws Error when it does not come. */
  seen(teacher: string): Promise<number> {
    const at = this.#seen.get(teacher);
    if (at !== undefined) return Promise.resolve(at);
    const coming = new Promise<number>((resolve) => this.#waiting.set(teacher, resolve));
    const late = sleep(patienceMs, undefined, { signal: this.#stop.signal, ref: false }).then((): never => {
      throw new Error(`the roster of ${teacher} does not come`);
    });
    late.catch(() => {});
    return Promise.race([coming, late]);
  }

  close(): void {
    this.#stop.abort();
  }

  async #read(
    { log, records }: System,
    position: { readonly topic: string; readonly generation: string; readonly from: number },
  ): Promise<void> {
    const { topic, generation } = position;
    const { signal } = this.#stop;
    let from = position.from;
    while (!signal.aborted) {
      const to = (await log.extent(topic))?.end ?? from;
      if (to === from) await log.waitForAppend([topic], 1000, signal);
      for await (const batch of log.scan({ topic, generation, from, to })) {
        const now = performance.now();
        for (const { key, value } of batch) {
          if (value === null || Buffer.from(key).toString() === writerKey) continue;
          for (const teacher of records.decode("rollcall.teacher.TeacherRoster", value).teachers)
            this.#found(teacher, now);
        }
      }
      from = to;
    }
  }

  #found(teacher: string, at: number): void {
    if (this.#seen.has(teacher)) return;
    this.#seen.set(teacher, at);
    this.#waiting.get(teacher)?.(at);
    this.#waiting.delete(teacher);
  }
}
