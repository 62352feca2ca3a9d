// Waiting for appends without asking all the time: one connection per log listens to what commits announce.
// It keeps true that waiting is bounded, and that an append which was announced while the waiter was busy ends its next
// wait at once. Announcements may be lost with the connection: they are hints, and every wait has an end.

import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

/** The channel on which each commit announces the topics it appended to. */
export const appendChannel = "rollcall_log";

const retryMs = 250;

type Waiter = { readonly topics: ReadonlySet<string>; readonly wake: () => void };

export class AppendListener {
  readonly #url: string;
  readonly #waiters = new Set<Waiter>();
  /** How many announcements there were when a topic was last announced. */
  readonly #announced = new Map<string, number>();
  /** How many there were when a wait for the same topics last ended. */
  readonly #seen = new Map<string, number>();
  #count = 0;
  #client: Promise<pg.Client> | undefined;
  #closed = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Resolves when one of the topics was announced since the last wait for them, after the time, or when aborted. */
  async wait(topics: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed) return;
    const name = topics.join("\n");
    if (!(await this.#listens())) {
      // Without a listener the caller looks by itself, often enough.
      await sleep(Math.min(timeoutMs, retryMs), undefined, { signal }).catch(() => {});
      return;
    }
    if (!this.#isNew(name, topics)) await this.#announcement(new Set(topics), timeoutMs, signal);
    this.#seen.set(name, this.#count);
  }

  /** Ends the connection and all waits. Twice is harmless. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    this.#wakeAll();
    await client?.then((open) => open.end()).catch(() => {});
  }

  #isNew(name: string, topics: readonly string[]): boolean {
    const seen = this.#seen.get(name);
    // The first wait cannot know what came before it.
    return seen === undefined || topics.some((topic) => (this.#announced.get(topic) ?? 0) > seen);
  }

  #announcement(topics: ReadonlySet<string>, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter = { topics, wake };
      const timer = setTimeout(wake, timeoutMs);
      signal.addEventListener("abort", wake);
      this.#waiters.add(waiter);
      if (signal.aborted || this.#closed) wake();
    });
  }

  async #listens(): Promise<boolean> {
    this.#client ??= this.#connect();
    try {
      await this.#client;
      return true;
    } catch {
      this.#client = undefined;
      return false;
    }
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "rollcall listener",
      keepAlive: true,
    });
    client.on("notification", ({ payload }) => this.#announce(payload ?? ""));
    client.on("error", () => this.#lose());
    client.on("end", () => this.#lose());
    await client.connect();
    await client.query(`listen ${appendChannel}`);
    return client;
  }

  #announce(topic: string): void {
    this.#announced.set(topic, ++this.#count);
    for (const waiter of this.#waiters) if (waiter.topics.has(topic)) waiter.wake();
  }

  /** What is announced until the next connection stands is lost: so everyone looks now, and once more then. */
  #lose(): void {
    this.#client = undefined;
    this.#seen.clear();
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const waiter of this.#waiters) waiter.wake();
  }
}
