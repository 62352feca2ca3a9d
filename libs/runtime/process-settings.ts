// What each process of one service reads from its environment, beside what is its own.

import type { EnvReader } from "./env.ts";
import type { HealthAddress } from "./health.ts";
import { readSettings, type Settings } from "./settings.ts";

export type ProcessSettings = {
  readonly settings: Settings & { readonly databaseUrl: string };
  readonly health: HealthAddress;
  /** How long to wait for something new before looking all the same. */
  readonly pollIntervalMs: number;
};

/** Reads them all; what is wrong is told by `env.finish()`. Other processes share the database: it has to be named. */
export function readProcess(env: EnvReader): ProcessSettings {
  return {
    settings: { ...readSettings(env), databaseUrl: env.text("DATABASE_URL") },
    health: {
      host: env.text("ROLLCALL_HEALTH_HOST", "127.0.0.1"),
      port: env.integer("ROLLCALL_HEALTH_PORT", { fallback: 8641, min: 0, max: 65_535 }),
    },
    pollIntervalMs: env.integer("ROLLCALL_POLL_INTERVAL_MS", { fallback: 1000, min: 10, max: 60_000 }),
  };
}
