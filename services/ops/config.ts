// Where the HTTP API is served.

import { EnvReader } from "../../libs/runtime/env.ts";

export type Address = { readonly host: string; readonly port: number };

/** @throws AppError `config.invalid`. */
export function addressFromEnv(): Address {
  const env = new EnvReader(process.env);
  const address = {
    host: env.text("ROLLCALL_HTTP_HOST", "127.0.0.1"),
    port: env.integer("ROLLCALL_HTTP_PORT", { fallback: 8640, min: 0, max: 65_535 }),
  };
  env.finish();
  return address;
}
