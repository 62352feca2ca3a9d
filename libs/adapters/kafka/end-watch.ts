// Waiting for what others write: asks the brokers now and then for the ends of topics that not only we write to.
// It keeps true that an append which came while nobody waited ends the next wait for the same topics at once, and that a
// broker which does not answer ends no wait early: it is a hint, never a promise.

import { setTimeout as sleep } from "node:timers/promises";
import { isAppError } from "../../errors.ts";
import type { KafkaTopics } from "./topics.ts";

const lookMs = 400;

export class EndWatch {
  readonly #topics: KafkaTopics;
  /** The ends when a wait for the same topics last ended. */
  readonly #seen = new Map<string, ReadonlyMap<string, number>>();

  constructor(topics: KafkaTopics) {
    this.#topics = topics;
  }

  /** Resolves when an end has moved since the last wait for these topics, after the time, or when aborted. */
  async wait(topics: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    const name = topics.join("\n");
    while (!signal.aborted && performance.now() < deadline) {
      const ends = await this.#ends(topics);
      const seen = this.#seen.get(name);
      if (ends !== null) this.#seen.set(name, ends);
      if (ends !== null && seen !== undefined && hasMoved(seen, ends)) return;
      const left = Math.max(0, deadline - performance.now());
      await sleep(Math.min(lookMs, left), undefined, { signal }).catch(() => {});
    }
  }

  async #ends(topics: readonly string[]): Promise<ReadonlyMap<string, number> | null> {
    try {
      return await this.#topics.ends(topics);
    } catch (thrown) {
      if (isAppError(thrown)) return null;
      throw thrown;
    }
  }
}

/** Whether an end is another one; a topic that was made again may have a smaller one. */
function hasMoved(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): boolean {
  return [...now].some(([topic, end]) => before.get(topic) !== end);
}
