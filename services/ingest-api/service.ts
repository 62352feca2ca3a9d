// ingest-api: pulls each source when it is due, several at once, and tells what people must know of them.
// It keeps true that a source is pulled by one process at a time, that one which is slow or fails keeps no other waiting,
// and that nothing goes on once the signal is aborted.

import { setTimeout as sleep } from "node:timers/promises";

import type { Patience } from "../../libs/adapters/oneroster-api/api.ts";
import { resealCredentials } from "../../libs/adapters/postgres/api-credentials.ts";
import { deleteOldPulls } from "../../libs/adapters/postgres/api-pulls.ts";
import { isAppError } from "../../libs/errors.ts";
import { Rarely } from "../../libs/runtime/rarely.ts";
import { checkUp } from "./checkups.ts";
import {
  allKnown,
  type ApiContext,
  type ApiWork,
  type Broken,
  factsOf,
  type Known,
  type ProxyAccess,
  textOf,
  timeOf,
} from "./context.ts";
import { dueOf, Moments, type Why } from "./due.ts";
import { pullSource } from "./pull.ts";
import { lookAtShares } from "./shares.ts";
import { cleanSpool } from "./spool.ts";
import { tellOnce } from "./told.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const pullsKeptMs = 90 * 24 * hourMs;
/** A pull that takes longer gives up its place, so that a few slow sources keep nobody waiting. */
const slowAfterMs = 5 * minuteMs;
const slowMost = 4;

export type ApiTimes = {
  /** How long to wait between two looks. */
  readonly pollIntervalMs: number;
  /** How many pulls run at once; of those that run long, four times as many at most. Default 4. */
  readonly pullsAtOnce?: number;
  /** How often is told what is told beside pulls. Default a minute. */
  readonly checkUpMs?: number;
  /** How often the proxy is asked who shares, and what is over is removed. Default an hour. */
  readonly rarelyMs?: number;
};

export type ApiOptions = {
  readonly times: ApiTimes;
  /** null: no district shares with us through it. */
  readonly proxy?: ProxyAccess | null;
  /** Whether only what somebody asked for is pulled: beside a command that ends soon. */
  readonly onlyByHand?: boolean;
  readonly patience?: Patience;
  readonly chance?: () => number;
};

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runIngestApi(context: ApiContext, options: ApiOptions, signal: AbortSignal): Promise<void> {
  const { proxy = null, patience, chance = Math.random } = options;
  const stop = new AbortController();
  const work: ApiWork = { ...context, proxy, patience, chance };
  const pulls = new Pulls(work, options, AbortSignal.any([signal, stop.signal]));
  try {
    if (options.onlyByHand === true) await cleanSpool(work);
    else await sealAnew(work);
    while (!signal.aborted) {
      await pulls.look();
      await sleep(options.times.pollIntervalMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    stop.abort();
    await pulls.end();
  }
}

/** So that a former key is needed no more once this has started. */
async function sealAnew({ sql, secretKey, logger }: ApiWork): Promise<void> {
  if (secretKey === null) return;
  const { resealed, unopened } = await resealCredentials(sql, secretKey);
  if (resealed > 0) logger.info({ resealed }, "credentials sealed anew with the key in use");
  if (unopened > 0) logger.error({ unopened }, "credentials that no key opens: enter them again");
}

type Running = { readonly since: number; readonly done: Promise<void> };
type Due = { readonly known: Known; readonly why: Why };

class Pulls {
  readonly #work: ApiWork;
  readonly #options: ApiOptions;
  readonly #signal: AbortSignal;
  readonly #running = new Map<string, Running>();
  readonly #moments = new Moments();
  readonly #broken: unknown[] = [];
  readonly #brokenSettings = new Set<string>();
  readonly #checkUps: Rarely;
  readonly #rarely: Rarely;
  #beside: Promise<void> | null = null;

  constructor(work: ApiWork, options: ApiOptions, signal: AbortSignal) {
    this.#work = work;
    this.#options = options;
    this.#signal = signal;
    this.#checkUps = new Rarely(options.times.checkUpMs ?? minuteMs);
    this.#rarely = new Rarely(options.times.rarelyMs ?? hourMs);
  }

  /** One look at all sources. Pulls go on beside it. */
  async look(): Promise<void> {
    const broken: Broken[] = [];
    const all = await allKnown(this.#work, (each) => broken.push(each));
    await this.#tellBroken(broken);
    if (this.#options.onlyByHand !== true) await this.#lookAround(all);
    for (const { known } of this.#due(all)) {
      if (!this.#isRoom() || this.#signal.aborted) break;
      this.#start(known);
    }
    if (this.#broken.length > 0) throw this.#broken[0];
  }

  /** Waits for what goes on. */
  async end(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ done }) => done));
    await this.#beside;
  }

  /** Those that somebody waits for come first. */
  #due(all: readonly Known[]): readonly Due[] {
    const due = all.flatMap((known) => {
      if (this.#running.has(textOf(known.place))) return [];
      const why = dueOf(factsOf(known), timeOf(this.#work, known), this.#moments.last);
      return why === null || (this.#options.onlyByHand === true && why !== "hand") ? [] : [{ known, why }];
    });
    const order = ({ why, known }: Due): number => (why === "hand" ? -Infinity : (known.state.pulledAt ?? 0));
    return due.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
  }

  #isRoom(): boolean {
    const atOnce = this.#options.times.pullsAtOnce ?? 4;
    const now = performance.now();
    const young = [...this.#running.values()].filter(({ since }) => now - since < slowAfterMs);
    return young.length < atOnce && this.#running.size < atOnce * slowMost;
  }

  #start({ place }: Known): void {
    const key = textOf(place);
    const done = this.#guarded(() => pullSource(this.#work, place, this.#signal)).then(
      () => void this.#running.delete(key),
    );
    this.#running.set(key, { since: performance.now(), done });
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#signal.aborted || isAppError(error)) this.#broken.push(error);
    }
  }

  /** What is no pull. */
  async #lookAround(all: readonly Known[]): Promise<void> {
    if (this.#checkUps.isTime()) await checkUp(this.#work, all, this.#moments);
    if (!this.#rarely.isTime()) return;
    await cleanSpool(this.#work);
    await deleteOldPulls(this.#work.sql, this.#work.clock.now() - pullsKeptMs);
    this.#beside ??= this.#guarded(() => this.#lookAtShares(all)).then(() => void (this.#beside = null));
  }

  async #lookAtShares(all: readonly Known[]): Promise<void> {
    const { proxy, logger } = this.#work;
    if (proxy === null) return;
    try {
      await lookAtShares({ ...this.#work, proxy }, all, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return;
      if (!isAppError(error) || !error.code.startsWith("api.")) throw error;
      // It is asked again in an hour; a source that is not shared any more says so when it is pulled.
      logger.warn({ err: error, remedy: error.remedy }, "the proxy did not say who shares");
    }
  }

  /** Settings that cannot be read keep no other source waiting; people are told of them once. */
  async #tellBroken(broken: readonly Broken[]): Promise<void> {
    for (const { district, id, error } of broken) {
      const place = { district, source: id };
      const key = `${textOf(place)} ${error.message}`;
      if (this.#brokenSettings.has(key)) continue;
      this.#brokenSettings.add(key);
      const { code, message, remedy } = error;
      const since = this.#work.clock.now();
      const notice = { code, severity: "error", message: `${textOf(place)}: ${message}`, remedy, since } as const;
      await tellOnce(this.#work, place, { ...notice, as: message });
    }
  }
}
