// What the process of rosters reads from its environment.

import { EnvReader } from "../../libs/runtime/env.ts";
import { type ProcessSettings, readProcess } from "../../libs/runtime/process-settings.ts";

export type Config = ProcessSettings & {
  /** How long a district that stopped is left alone. */
  readonly stoppedPauseMs: number;
};

/** @throws AppError `config.invalid` that names every fault. */
export function configFromEnv(): Config {
  const env = new EnvReader(process.env);
  const config = {
    ...readProcess(env),
    stoppedPauseMs: env.integer("ROLLCALL_STOPPED_PAUSE_MS", { fallback: 30_000, min: 10, max: 3_600_000 }),
  };
  env.finish();
  return config;
}
