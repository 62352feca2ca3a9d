// How many sources are pulled at once, our key for the proxy where districts share with us, and what else the process of
// ingest-api reads from its environment.

import { profileOf } from "../../libs/domain/api/profiles.ts";
import { EnvReader } from "../../libs/runtime/env.ts";
import { type ProcessSettings, readProcess } from "../../libs/runtime/process-settings.ts";
import type { ProxyAccess } from "./context.ts";

export type PullSettings = {
  readonly pullsAtOnce: number;
  /** null: no district shares with us through it. */
  readonly proxy: ProxyAccess | null;
};

export type Config = ProcessSettings & PullSettings;

/** For commands and `rollcall up`. @throws AppError `config.invalid`. */
export function pullsFromEnv(): PullSettings {
  const env = new EnvReader(process.env);
  const settings = readPulls(env);
  env.finish();
  return settings;
}

/** @throws AppError `config.invalid` that names every fault. */
export function configFromEnv(): Config {
  const env = new EnvReader(process.env);
  const config = { ...readProcess(env), ...readPulls(env) };
  env.finish();
  return config;
}

function readPulls(env: EnvReader): PullSettings {
  const key = env.optional("ROLLCALL_CLASSLINK_KEY");
  const url = env.text("ROLLCALL_CLASSLINK_URL", profileOf("classlink")?.proxyUrl ?? "");
  const { protocol, hostname } = URL.parse(url) ?? { protocol: "", hostname: "" };
  const isHere = protocol === "http:" && ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  if (protocol !== "https:" && !isHere) env.refuse("ROLLCALL_CLASSLINK_URL must be a URL of https");
  return {
    pullsAtOnce: env.integer("ROLLCALL_PULLS_AT_ONCE", { fallback: 4, min: 1, max: 100 }),
    proxy: key === null ? null : { url: url.replace(/\/+$/u, ""), key },
  };
}
