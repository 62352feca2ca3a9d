// Where the HTTP API is served, and what the process of ops reads from its environment.

import { EnvReader } from "../../libs/runtime/env.ts";
import { type ProcessSettings, readProcess } from "../../libs/runtime/process-settings.ts";

export type Address = { readonly host: string; readonly port: number };

export type Config = ProcessSettings & { readonly address: Address };

/** @throws AppError `config.invalid`. */
export function addressFromEnv(): Address {
  const env = new EnvReader(process.env);
  const address = readAddress(env);
  env.finish();
  return address;
}

/** @throws AppError `config.invalid` that names every fault. */
export function configFromEnv(): Config {
  const env = new EnvReader(process.env);
  const config = { ...readProcess(env), address: readAddress(env) };
  env.finish();
  return config;
}

function readAddress(env: EnvReader): Address {
  return {
    host: env.text("ROLLCALL_HTTP_HOST", "127.0.0.1"),
    port: env.integer("ROLLCALL_HTTP_PORT", { fallback: 8640, min: 0, max: 65_535 }),
  };
}
