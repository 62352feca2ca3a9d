// What follows when the status of a person and product changes. Every pair is written down; the compiler sees to it.
//
//   none ──▶ waiting ◀──▶ refused
//     ▲         │            │
//     │         ▼            ▼
//     └────── granted ◀──────┘     any to any: facts come in any order

import type { Status } from "./reasons.ts";

/** A status, or none: nothing is said about the product. */
export type StoredStatus = Status | "none";

export type Effect = {
  /** What goes to registrations.<district>: the whole state, its end, or nothing. */
  readonly record: "state" | "null" | "nothing";
  /** Whether the person's classes may appear or vanish by it. */
  readonly roster: "due" | "same";
};

const told: Effect = { record: "state", roster: "same" };
const opened: Effect = { record: "state", roster: "due" };
const closed: Effect = { record: "state", roster: "due" };
const ended: Effect = { record: "null", roster: "same" };
const endedOpen: Effect = { record: "null", roster: "due" };
const nothing: Effect = { record: "nothing", roster: "same" };

/** By the status before and the status after. */
export const effects = {
  none: { none: nothing, waiting: told, refused: told, granted: opened },
  waiting: { none: ended, waiting: told, refused: told, granted: opened },
  refused: { none: ended, waiting: told, refused: told, granted: opened },
  granted: { none: endedOpen, waiting: closed, refused: closed, granted: told },
} as const satisfies Readonly<Record<StoredStatus, Readonly<Record<StoredStatus, Effect>>>>;
