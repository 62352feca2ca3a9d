// Assertions: what they catch is a bug of ours, never bad input, and it must crash.

/** Closes a switch over a union: a member that was forgotten is a compile error here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}

/** @throws Error naming what did not hold. */
export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`assertion failed: ${what}`);
}
