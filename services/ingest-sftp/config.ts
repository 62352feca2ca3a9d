// Where the SFTP server listens, and what the process of ingest-sftp reads from its environment.

import { EnvReader } from "../../libs/runtime/env.ts";
import { type ProcessSettings, readProcess } from "../../libs/runtime/process-settings.ts";

export type SftpAddress = {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** How districts reach it, `host` or `host:port`. */
  readonly published: string;
};

export type Config = ProcessSettings & {
  /** A delivery that was received less long ago is still in the hands of who received it. */
  readonly unreadAfterMs: number;
  readonly sftp: SftpAddress;
};

/** @throws AppError `config.invalid`. */
export function sftpAddressFromEnv(): SftpAddress {
  const env = new EnvReader(process.env);
  const address = readAddress(env);
  env.finish();
  return address;
}

/** @throws AppError `config.invalid` that names every fault. */
export function configFromEnv(): Config {
  const env = new EnvReader(process.env);
  const config = {
    ...readProcess(env),
    unreadAfterMs: env.integer("ROLLCALL_UNREAD_AFTER_MS", { fallback: 20_000, min: 10, max: 3_600_000 }),
    sftp: readAddress(env),
  };
  env.finish();
  return config;
}

function readAddress(env: EnvReader): SftpAddress {
  const host = env.text("ROLLCALL_SFTP_HOST", "127.0.0.1");
  const port = env.integer("ROLLCALL_SFTP_PORT", { fallback: 2222, min: 0, max: 65_535 });
  return { host, port, published: env.text("ROLLCALL_SFTP_PUBLIC", `${host}:${port}`) };
}
