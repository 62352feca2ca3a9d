// Asks a source for pages of one collection, patiently: an answer that is no whole JSON, or no collection, is asked for
// again. It keeps true that only a page, or the source's own word that there is none, reaches who reads.

import { setTimeout as sleep } from "node:timers/promises";

import type { Collection } from "../../domain/api/collections.ts";
import { AppError, type ErrorDetails, isAppError } from "../../errors.ts";
import type { ApiAnswer, OneRosterApi, Patience } from "./api.ts";
import { readEnvelope } from "./envelope.ts";
import { nextLink } from "./link-header.ts";

export type Page = {
  /** Where the answer came from. */
  readonly url: URL;
  readonly text: string;
  readonly items: readonly unknown[];
  /** The property that holds the items; null for a bare array. */
  readonly array: string | null;
  /** X-Total-Count; null where there is none, or one that is no count. */
  readonly total: number | null;
  readonly next: URL | null;
};

/** What paging needs to know of a collection. */
export type Target = {
  readonly collection: Collection;
  /** The collection's address, without parameters. */
  readonly url: URL;
  /** Records to ask for at once. */
  readonly limit: number;
  readonly ignoresLinks: boolean;
};

/** So that no source keeps us for ever. More pages of 100 records than the largest district has. */
const mostRequests = 300_000;

export class Asker {
  readonly target: Target;
  readonly patience: Patience;
  readonly #api: OneRosterApi;
  readonly #signal: AbortSignal;
  #asked = 0;

  constructor(options: {
    readonly api: OneRosterApi;
    readonly target: Target;
    readonly patience: Patience;
    readonly signal: AbortSignal;
  }) {
    this.#api = options.api;
    this.target = options.target;
    this.patience = options.patience;
    this.#signal = options.signal;
  }

  /** The address of the records from an offset on. */
  at(offset: number, limit = this.target.limit): URL {
    const url = new URL(this.target.url);
    url.searchParams.set("limit", String(limit));
    url.searchParams.set("offset", String(offset));
    return url;
  }

  /**
   * @returns null for 404.
   * @throws AppError as {@link OneRosterApi.get}; `api.incomplete` when no answer could be understood.
   */
  async ask(url: URL): Promise<Page | null> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#get(url);
      if (answer.status === 404) return null;
      const read = readEnvelope(answer.text, this.target.collection);
      if (read.outcome === "items") {
        const { headers, text } = answer;
        const link = this.target.ignoresLinks ? undefined : headers.get("link");
        return {
          url: answer.url,
          text,
          items: read.items,
          array: read.array,
          total: countOf(headers.get("x-total-count")),
          next: nextLink(link, answer.url),
        };
      }
      if (tries >= this.patience.tries) throw this.incomplete(`the answer ${read.reason}`);
      await this.pause(tries);
    }
  }

  /** Waits before something is asked for the next time: each time twice as long, as far as patience goes. */
  async pause(times: number): Promise<void> {
    const { firstPauseMs, longestPauseMs } = this.patience;
    await sleep(Math.min(longestPauseMs, firstPauseMs * 2 ** (times - 1)), undefined, { signal: this.#signal });
  }

  incomplete(reason: string, details: ErrorDetails = {}): AppError {
    const { collection } = this.target;
    return new AppError("api.incomplete", {
      message: `reading ${collection}, which was not seen whole: ${reason}`,
      details: { collection, ...details },
    });
  }

  /** As `ask`, where there may be nothing any more: null for 400, too. */
  async askBehind(url: URL): Promise<Page | null> {
    try {
      return await this.ask(url);
    } catch (error) {
      if (isBadRequest(error)) return null;
      throw error;
    }
  }

  async #get(url: URL): Promise<ApiAnswer> {
    this.#asked += 1;
    if (this.#asked > mostRequests) throw this.incomplete(`it has no end after ${mostRequests} requests`);
    return await abortable(this.#signal, () => this.#api.get(url));
  }
}

export function isBadRequest(error: unknown): boolean {
  return isAppError(error, "api.answer") && error.details["status"] === 400;
}

/** Ends the wait at once when the signal is aborted; whoever owns the connection ends what is under way. */
async function abortable<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([start(), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function countOf(header: string | undefined): number | null {
  const text = header?.trim() ?? "";
  return /^\d{1,12}$/u.test(text) ? Number(text) : null;
}
