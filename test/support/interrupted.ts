// A log that stops before the nth append to one topic until the test lets it go on: what a process does whose machine
// froze in the middle of a changeset.

import type { EventLog } from "../../libs/ports.ts";

/** The log itself, but the writer of the topic waits for `meet` before its nth append, counted from 1. */
export function stoppingBefore<Log extends EventLog>(
  log: Log,
  { topic, nth, meet }: { readonly topic: string; readonly nth: number; readonly meet: () => Promise<void> },
): Log {
  let appends = 0;
  return new Proxy(log, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name !== "openWriter") return typeof value === "function" ? value.bind(target) : value;
      return async (...about: Parameters<EventLog["openWriter"]>) => {
        const writer = await target.openWriter(...about);
        if (about[0] !== topic) return writer;
        const append: typeof writer.append = async (records) => {
          appends++;
          if (appends === nth) await meet();
          return writer.append(records);
        };
        return { ...writer, append };
      };
    },
  });
}
