// The one way to log: JSON lines on stderr, so that stdout is left to what a command answers.
// It keeps true that thrown things are logged without the data they may quote. Everything else is a rule for callers:
// the message is a constant, values go into fields, and a field holds ids, places and counts, never a person's data.

import { pino } from "pino";
import { describeError } from "./describe-error.ts";

/** error: someone must act; warn: we recovered; info: what an operator follows; debug: everything else. */
export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

export type Logger = pino.Logger;

/**
 * @param about `name` of the process or service; `level` from which lines are written, info unless given.
 * Child loggers carry the ids: `logger.child({ district, delivery })`.
 */
export function createLogger(about: { readonly name: string; readonly level?: LogLevel }): Logger {
  // Synchronous, because the last line before an exit is the one that is needed.
  const destination = pino.destination({ dest: 2, sync: true });
  // A reader of stderr that went away must not end the work.
  destination.on("error", () => {});
  return pino(
    {
      name: about.name,
      level: about.level ?? "info",
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (thrown: unknown) => describeError(thrown) },
    },
    destination,
  );
}
