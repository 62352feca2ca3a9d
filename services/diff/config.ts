// What the process of diff reads from its environment.

import { EnvReader } from "../../libs/runtime/env.ts";
import { type ProcessSettings, readProcess } from "../../libs/runtime/process-settings.ts";
import { defaultWorkers, type WorkerSettings } from "./workers.ts";

export type Config = ProcessSettings & {
  /** How long a district that stopped is left alone. */
  readonly stoppedPauseMs: number;
  readonly workers: WorkerSettings;
};

/** @throws AppError `config.invalid` that names every fault. */
export function configFromEnv(): Config {
  const env = new EnvReader(process.env);
  const config = {
    ...readProcess(env),
    stoppedPauseMs: env.integer("ROLLCALL_STOPPED_PAUSE_MS", { fallback: 30_000, min: 10, max: 3_600_000 }),
    workers: {
      count: env.integer("ROLLCALL_WORKERS", { fallback: defaultWorkers.count, min: 1, max: 64 }),
      largeRecords: env.integer("ROLLCALL_LARGE_RECORDS", {
        fallback: defaultWorkers.largeRecords,
        min: 1,
        max: 1_000_000_000,
      }),
    },
  };
  env.finish();
  return config;
}
