// What a pull that failed says of its source: a state, with a sentence, and whether trying soon may help.
// It keeps true that no failure is more than a state: nothing is delivered by it, and nothing deleted.

import type { ApiStateName } from "../../libs/adapters/postgres/api-states.ts";
import { databaseFailure } from "../../libs/adapters/postgres/database.ts";
import { AppError, type ErrorCode, isAppError } from "../../libs/errors.ts";

export type Failing = {
  /** null: it says nothing of the source; ours is the fault, or an operator's wish. */
  readonly state: ApiStateName | null;
  /** Whether it is tried again soon. Else a person must act, and it is tried at the next moment of its schedule. */
  readonly isTriedSoon: boolean;
  /** `now`: people are told at once; `patience`: once it failed for long; `never`: an operator did it. */
  readonly told: "now" | "patience" | "never";
};

const mend = { isTriedSoon: false, told: "now" } as const;
const wait = { isTriedSoon: true, told: "patience" } as const;
const byOperator = { state: null, isTriedSoon: false, told: "never" } as const;

const failings: Readonly<Partial<Record<ErrorCode, Failing>>> = {
  "api.unauthorised": { state: "unauthorised", ...mend },
  "api.forbidden": { state: "forbidden", ...mend },
  "api.share": { state: "unshared", ...mend },
  "api.expired": { state: "expired", ...mend },
  "api.redirected": { state: "unreachable", ...mend },
  "api.unreachable": { state: "unreachable", ...wait },
  "api.incomplete": { state: "incomplete", ...wait },
  "api.answer": { state: "incomplete", ...wait },
  "api.credentials-missing": { ...byOperator, state: "untested" },
  "source.disabled": byOperator,
  "source.unknown": byOperator,
  "district.unknown": byOperator,
};

/** What follows from the error that ended a pull. (A053, A054, E029) */
export function failingOf({ code, retryable }: AppError): Failing {
  return failings[code] ?? { state: null, isTriedSoon: retryable, told: "now" };
}

/**
 * What was thrown at work on one source. The database concerns all; what else is no error of the world is a fault of ours
 * that this source's answers brought to light: it ends no other source's pull.
 */
export function failureOf(thrown: unknown): AppError {
  const failure = databaseFailure(thrown);
  if (isAppError(failure)) return failure;
  return new AppError("api.answer", { message: "a fault of Rollcall ended the pull, see its log", cause: thrown });
}

const dayMs = 24 * 60 * 60_000;
const patienceFailures = 3;

/** Whether what may pass by itself has lasted long enough to be told. Epoch milliseconds. */
export function isPatienceOver(about: {
  readonly failures: number;
  /** Since when it fails. */
  readonly since: number;
  readonly now: number;
}): boolean {
  return about.failures >= patienceFailures || about.now - about.since > dayMs;
}
