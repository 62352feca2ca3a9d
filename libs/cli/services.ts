// The services in this process: what `rollcall up` runs, and what a command runs beside itself when no `up` does.

import { runDiff } from "../../services/diff/service.ts";
import { runIngest } from "../../services/ingest-sftp/service.ts";
import type { Service } from "../runtime/run.ts";
import { supervise } from "../runtime/run.ts";
import { keepHouse } from "./housekeeping.ts";
import type { System } from "./system.ts";

const pollIntervalMs = 1000;
const stoppedPauseMs = 30_000;
const unreadAfterMs = 20_000;

/** Every service, in the order of the pipeline. */
export function services(system: System): readonly Service[] {
  return [
    {
      name: "ingest-sftp",
      start: ({ signal, logger }) => runIngest({ ...system, logger }, { pollIntervalMs, unreadAfterMs }, signal),
    },
    {
      name: "diff",
      start: ({ signal, logger }) => runDiff({ ...system, logger }, { pollIntervalMs, stoppedPauseMs }, signal),
    },
    { name: "housekeeping", start: ({ signal }) => keepHouse(system, signal) },
  ];
}

/** Runs work with the services beside it, unless they run in another process; stops them when the work is done. */
export async function withServices<T>(system: System, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const { signal } = stop;
  const running = system.isUp ? [] : services(system);
  const supervised = running.map((service) => supervise(service, { signal, logger: system.logger }));
  try {
    return await Promise.race([work(signal), ...supervised.map((service) => service.then(neverEndsByItself))]);
  } finally {
    stop.abort();
    await Promise.allSettled(supervised);
  }
}

function neverEndsByItself(): Promise<never> {
  return new Promise(() => {});
}
