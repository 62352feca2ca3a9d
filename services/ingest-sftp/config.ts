// What the process of ingest-sftp reads from its environment.

import { EnvReader } from "../../libs/runtime/env.ts";
import { type ProcessSettings, readProcess } from "../../libs/runtime/process-settings.ts";

export type Config = ProcessSettings & {
  /** A delivery that was received less long ago is still in the hands of who received it. */
  readonly unreadAfterMs: number;
};

/** @throws AppError `config.invalid` that names every fault. */
export function configFromEnv(): Config {
  const env = new EnvReader(process.env);
  const config = {
    ...readProcess(env),
    unreadAfterMs: env.integer("ROLLCALL_UNREAD_AFTER_MS", { fallback: 20_000, min: 10, max: 3_600_000 }),
  };
  env.finish();
  return config;
}
