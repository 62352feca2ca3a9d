// `rollcall up`: all services in one process.

import { once } from "node:events";

import { Command } from "commander";

import { addressFromEnv } from "../../services/ops/config.ts";
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

/** Takes the place of the one `up` of this database, and says so. @throws AppError `data.busy`, `api.address`. */
async function begin(
  system: System,
  { json }: { readonly json?: boolean },
): Promise<{ readonly running: readonly Service[]; readonly held: HeldLease }> {
  const address = addressFromEnv();
  const held = await holdUp(system);
  const api = await serveHere(system, address).catch(async (error: unknown) => {
    await held.release();
    throw error;
  });
  const { dataDir } = settingsFromEnv();
  await announceApi(dataDir, api);
  const running = [...services(system), served(api, dataDir)];
  const about = {
    log: system.log.description,
    database: system.databaseDescription,
    services: running.map((service) => service.name),
    api: api.url,
  };
  await writeOut(
    json === true
      ? `${JSON.stringify(about)}\n`
      : `rollcall is up: ${about.log}, on ${about.database}\nservices: ${about.services.join(", ")}; Ctrl-C stops them\nAPI: ${about.api}, described at ${about.api}/openapi.json\n`,
  );
  return { running, held };
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
