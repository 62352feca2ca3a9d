// `rollcall up`: all services in one process.

import { once } from "node:events";

import { Command } from "commander";

import { type SftpAddress, sftpAddressFromEnv } from "../../services/ingest-sftp/config.ts";
import type { ServedSftp } from "../../services/ingest-sftp/sftp.ts";
import { type Address, addressFromEnv } from "../../services/ops/config.ts";
import type { ServedApi } from "../../services/ops/service.ts";
import type { HeldLease } from "../adapters/postgres/leases.ts";
import { announceApi, withdrawApi } from "../runtime/api-place.ts";
import { createLogger } from "../runtime/logger.ts";
import { run, type Service } from "../runtime/run.ts";
import { writeOut } from "../runtime/output.ts";
import { serveHere } from "./api.ts";
import { services } from "./services.ts";
import { holdUp, openSystem, settingsFromEnv, type System } from "./system.ts";

export function upVerb(): Command {
  return new Command("up")
    .description("run all services in this process until SIGTERM or Ctrl-C")
    .option("--json", "say what runs in JSON, as docs/cli.md describes")
    .addHelpText("after", "\nExample:\n  $ rollcall up")
    .action(up);
}

async function up(options: { readonly json?: boolean }): Promise<void> {
  const logger = createLogger({ name: "rollcall" });
  const system = await openSystem(settingsFromEnv(), logger);
  const { running, held } = await begin(system, options).catch(async (error: unknown) => {
    // What is open keeps the process alive: a second `up` would say that it is refused and stay.
    await system.close();
    throw error;
  });
  await run({
    name: "up",
    services: running,
    logger,
    close: async () => {
      try {
        await held.release();
      } finally {
        await system.close();
      }
    },
  });
}

/** Takes the place of the one `up` of this database, and says so. @throws AppError `data.busy`, `api.address`, `sftp.address`. */
async function begin(
  system: System,
  { json }: { readonly json?: boolean },
): Promise<{ readonly running: readonly Service[]; readonly held: HeldLease }> {
  const addresses = { api: addressFromEnv(), sftp: sftpAddressFromEnv() };
  const { dataDir } = settingsFromEnv();
  const held = await holdUp(system);
  const { api, sftp } = await serve(system, { ...addresses, dataDir }).catch(async (error: unknown) => {
    await held.release();
    throw error;
  });
  await announceApi(dataDir, api);
  const running = [...services(system), servedSftp(sftp), served(api, dataDir)];
  const about = {
    log: system.log.description,
    database: system.databaseDescription,
    services: running.map((service) => service.name),
    api: api.url,
    sftp: `${addresses.sftp.host}:${sftp.port}`,
  };
  await writeOut(
    json === true
      ? `${JSON.stringify(about)}\n`
      : `rollcall is up: ${about.log}, on ${about.database}\nservices: ${about.services.join(", ")}; Ctrl-C stops them\nAPI: ${about.api}, described at ${about.api}/openapi.json\nSFTP: ${about.sftp}\n`,
  );
  return { running, held };
}

/** Both, or none of them. */
async function serve(
  system: System,
  at: { readonly api: Address; readonly sftp: SftpAddress; readonly dataDir: string },
): Promise<{ readonly api: ServedApi; readonly sftp: ServedSftp }> {
  const { serveSftp } = await import("../../services/ingest-sftp/sftp.ts");
  const api = await serveHere(system, at.api);
  try {
    return { api, sftp: await serveSftp(system, { address: at.sftp, dataDir: at.dataDir }) };
  } catch (error) {
    await api.close();
    throw error;
  }
}

/** The SFTP server, served already, until the signal. */
function servedSftp(sftp: ServedSftp): Service {
  return {
    name: "sftp",
    start: async ({ signal }) => {
      if (!signal.aborted) await once(signal, "abort");
      await sftp.close();
    },
  };
}

/** The API, served already so that its address could be said, until the signal. */
function served(api: ServedApi, dataDir: string): Service {
  return {
    name: "ops",
    start: async ({ signal }) => {
      if (!signal.aborted) await once(signal, "abort");
      await withdrawApi(dataDir);
      await api.close();
    },
  };
}
