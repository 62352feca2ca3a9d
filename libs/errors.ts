// The register of everything that can go wrong outside our own code: one code, one meaning, one remedy.
// It keeps true that every error of the world has a stable code which operators can look up in docs/errors.md,
// and that no error carries what a person's data could be: details are ids, places and counts.

import { apisErrors } from "./errors/apis.ts";
import { deliveriesErrors } from "./errors/deliveries.ts";
import type { ErrorEntry } from "./errors/entry.ts";
import { machineErrors } from "./errors/machine.ts";
import { peopleErrors } from "./errors/people.ts";

/** All codes, by area; a code is in one area alone. `make docs` writes them to docs/errors.md, sorted. */
export const errorRegister = { ...apisErrors, ...deliveriesErrors, ...machineErrors, ...peopleErrors } as const;

/** A code of the register. */
export type ErrorCode = keyof typeof errorRegister;

/** Ids, places and counts that help to find what failed; never the value of a cell. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * The world failed. Its message is the register's gerund unless a more exact one is given.
 * Whoever holds one may wrap it as the cause of another; only `run()` retries or exits.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** HTTP status. */
  readonly status: number;
  readonly remedy: string;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    about: { readonly message?: string; readonly cause?: unknown; readonly details?: ErrorDetails } = {},
  ) {
    const entry: ErrorEntry = errorRegister[code];
    super(about.message ?? entry.message, about.cause === undefined ? {} : { cause: about.cause });
    this.code = code;
    this.retryable = entry.retryable;
    this.status = entry.status;
    this.remedy = entry.remedy;
    this.details = about.details ?? {};
  }
}

/** Whether an unknown thing that was thrown is an error of the world, with one of these codes if any are named. */
export function isAppError(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is AppError {
  return thrown instanceof AppError && (codes.length === 0 || codes.includes(thrown.code));
}
