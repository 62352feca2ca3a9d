// What failed lately and is left alone for a while. Only in memory: after a start everything is tried once more.
// It keeps true that a failure is logged each time, and told to people by a notice once until it passes or changes.

import { type AppError, isAppError } from "../../libs/errors.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import { tellIf } from "../../libs/ingest/notice.ts";

export type Failure = {
  readonly district: string;
  readonly delivery: string | null;
  readonly error: AppError;
};

type Pause = { readonly until: number; readonly since: number; readonly code: string };

export class Failures {
  readonly #context: IngestContext;
  readonly #pauseMs: number;
  readonly #pauses = new Map<string, Pause>();

  constructor(context: IngestContext, pauseMs: number) {
    this.#context = context;
    this.#pauseMs = pauseMs;
  }

  /** Whether the thing of this name failed less than a pause ago. */
  isPaused(name: string): boolean {
    return (this.#pauses.get(name)?.until ?? 0) > this.#context.clock.now();
  }

  /** The thing of this name went well, or came to its end. */
  forget(name: string): void {
    this.#pauses.delete(name);
  }

  /** The thing of this name failed: it is logged, told, and left alone for a pause. */
  async add(name: string, failure: Failure): Promise<void> {
    const now = this.#context.clock.now();
    const { code } = failure.error;
    const before = this.#pauses.get(name);
    const since = before?.since ?? now;
    this.#pauses.set(name, { until: now + this.#pauseMs, since, code });
    const { district, delivery, error } = failure;
    this.#context.logger.error({ district, delivery, err: error, remedy: error.remedy }, "delivery not read");
    if (before?.code !== code) await this.#raise(failure, since);
  }

  async #raise({ district, delivery, error }: Failure, since: number): Promise<void> {
    const { code, remedy } = error;
    const message = delivery === null ? error.message : `${delivery}: ${error.message}`;
    const notice = { district, code, severity: "error", message, remedy, since } as const;
    await tellIf(this.#context, notice, () => Promise.resolve(true));
  }
}

/**
 * What failed of one thing, to be dealt with there; null when there is nothing to deal with: another process has it, or
 * this one ends. @throws what is not about one thing: the database is gone, a bug.
 */
export function failureOf(error: unknown, signal: AbortSignal): AppError | null {
  if (isAppError(error, "lease.lost", "log.writer-fenced", "work.not-waiting")) return null;
  if (signal.aborted && error instanceof Error && error.name === "AbortError") return null;
  if (!isAppError(error) || error.code === "database.unreachable") throw error;
  return error;
}
