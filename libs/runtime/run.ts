// Keeps services running inside a process, and ends the process.
// It keeps true that only here anything is retried or exits, that a first SIGTERM or SIGINT lets the work in hand finish,
// and that a second one, or work that does not finish, ends the process all the same.
//
//   starting ──▶ running ──(all resolved, or a signal)──▶ draining ──▶ exit 0
//                 │  ▲ └──(a bug, or a fault that only another start mends)──▶ draining ──▶ exit 1
//                 ▼  │ pause: doubling, with jitter; a long one where a person must act
//           any other AppError              draining ──(second signal)──▶ exit 128 + its number
//                                           draining ──(too long)──▶ exit 1

import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError, type ErrorCode } from "../errors.ts";
import type { Logger } from "./logger.ts";

/** What a service gets to run with. */
export type RunContext = {
  /** Aborted when the service is to finish the work in hand and resolve. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

/**
 * A service: `start` runs until its signal is aborted, then resolves.
 * A retryable AppError makes it start again from the beginning; anything else it throws ends the process.
 */
export type Service = {
  readonly name: string;
  start(context: RunContext): Promise<void>;
};

/** Milliseconds, all of them. */
export type RunTimes = {
  /** The pause after the first failure; it doubles with each one that follows. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** The pause after an error that a person must mend: what they mend is found without another start. */
  readonly mendingPauseMs: number;
  /** A service that ran this long before it failed starts again with the first pause. */
  readonly steadyAfterMs: number;
  /** How long draining may take; less than the 30 s after which orchestrators kill. */
  readonly drainMs: number;
};

export const defaultTimes: RunTimes = {
  firstPauseMs: 250,
  longestPauseMs: 30_000,
  mendingPauseMs: 60_000,
  steadyAfterMs: 60_000,
  drainMs: 25_000,
};

/**
 * The pause before the next attempt: between half and all of the doubled time, so that processes which failed together
 * do not come back together. `failures` counts from 1; `chance` is in [0, 1).
 */
export function pauseMs(failures: number, times: RunTimes, chance: number): number {
  const full = Math.min(times.longestPauseMs, times.firstPauseMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(full * (0.5 + chance / 2));
}

/**
 * Runs one service until the signal is aborted or it resolves, starting it again after each retryable AppError.
 * @throws whatever else the service throws, also while it drains.
 */
export async function supervise(service: Service, context: RunContext, times: RunTimes = defaultTimes): Promise<void> {
  const { signal } = context;
  const logger = context.logger.child({ service: service.name });
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = performance.now();
    try {
      await service.start({ signal, logger });
      return;
    } catch (thrown) {
      if (!(thrown instanceof AppError) || !thrown.retryable) throw thrown;
      failures = performance.now() - startedAt >= times.steadyAfterMs ? 1 : failures + 1;
      const pause = pauseMs(failures, times, Math.random());
      logger.warn({ err: thrown, failures, pauseMs: pause }, "service failed, starting it again");
      await sleep(pause, undefined, { signal }).catch(ignoreAbort);
    }
  }
}

/** What is wrong with the way this process was started: it is read once, so only another start mends it. */
const faultsOfStart: ReadonlySet<ErrorCode> = new Set([
  "api.address",
  "config.invalid",
  "log.other",
  "registry.unpinned",
  "sftp.address",
]);

/**
 * As {@link supervise}, for a process that is to stay: one record that cannot be read, or an access rule that is missing,
 * stops this service until somebody mends it, and no other.
 */
async function superviseForGood(service: Service, context: RunContext, times: RunTimes): Promise<void> {
  const { signal, logger } = context;
  while (!signal.aborted) {
    try {
      return await supervise(service, context, times);
    } catch (err) {
      if (!(err instanceof AppError) || faultsOfStart.has(err.code) || signal.aborted) throw err;
      const about = { err, service: service.name, remedy: err.remedy, pauseMs: times.mendingPauseMs };
      logger.error(about, "service cannot work until someone acts, it is tried again");
      await sleep(times.mendingPauseMs, undefined, { signal }).catch(ignoreAbort);
    }
  }
}

/**
 * Runs services side by side in this process until all resolve, one fails for good, or a signal arrives; then drains
 * the rest, calls `close`, and exits. Never resolves: exit 0 after a drain, 1 after a failure or when draining takes too
 * long, 128 plus the number of the second signal.
 */
export async function run(about: {
  readonly name: string;
  readonly services: readonly Service[];
  readonly logger: Logger;
  /** Called once, after all services ended: stops what they stood on. */
  readonly close?: () => Promise<void>;
  readonly times?: RunTimes;
}): Promise<never> {
  const { logger, times = defaultTimes } = about;
  const stop = new AbortController();
  const drain = drainOnce(stop, logger, times);
  let exitCode = 0;
  const fail = (err: unknown, service?: string): void => {
    exitCode = 1;
    logger.fatal({ err, service, remedy: err instanceof AppError ? err.remedy : undefined }, "service failed for good");
    drain();
  };
  onSignals(drain, logger, stop.signal);
  process.on("uncaughtException", (err) => {
    logger.fatal({ err }, "a bug: nothing can be trusted any more");
    process.exit(1);
  });
  // Neither a signal handler nor a promise keeps a process alive: services may all be waiting for nothing but the signal.
  setInterval(() => {}, 2 ** 30);
  logger.info({ process: about.name, services: about.services.map((service) => service.name) }, "running");
  await Promise.all(
    about.services.map((service) =>
      superviseForGood(service, { signal: stop.signal, logger }, times).catch((thrown: unknown) => {
        fail(thrown, service.name);
      }),
    ),
  );
  drain();
  await about.close?.().catch(fail);
  logger.info({ process: about.name, exitCode }, "stopped");
  process.exit(exitCode);
}

/** A function that starts draining; from its second call on it does nothing. */
function drainOnce(stop: AbortController, logger: Logger, times: RunTimes): () => void {
  return () => {
    if (stop.signal.aborted) return;
    stop.abort();
    setTimeout(() => {
      logger.fatal({ drainMs: times.drainMs }, "draining took too long");
      process.exit(1);
    }, times.drainMs);
  };
}

function onSignals(drain: () => void, logger: Logger, draining: AbortSignal): void {
  let signals = 0;
  const receive = (name: "SIGTERM" | "SIGINT"): void => {
    signals += 1;
    if (signals > 1) process.exit(128 + constants.signals[name]);
    logger.info({ signal: name, draining: draining.aborted }, "finishing the work in hand, again to stop at once");
    drain();
  };
  process.on("SIGTERM", receive);
  process.on("SIGINT", receive);
}

function ignoreAbort(thrown: unknown): void {
  if (!(thrown instanceof Error) || thrown.name !== "AbortError") throw thrown;
}
