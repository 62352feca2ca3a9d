// `rollcall up`: all services in one process.

import { Command } from "commander";

import type { HeldLease } from "../adapters/postgres/leases.ts";
import { createLogger } from "../runtime/logger.ts";
import { run, type Service } from "../runtime/run.ts";
import { writeOut } from "../runtime/output.ts";
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

/** Takes the place of the one `up` of this database, and says so. @throws AppError `data.busy`. */
async function begin(
  system: System,
  { json }: { readonly json?: boolean },
): Promise<{ readonly running: readonly Service[]; readonly held: HeldLease }> {
  const held = await holdUp(system);
  const running = services(system);
  const about = {
    log: system.log.description,
    database: system.databaseDescription,
    services: running.map((service) => service.name),
  };
  await writeOut(
    json === true
      ? `${JSON.stringify(about)}\n`
      : `rollcall is up: ${about.log}, on ${about.database}\nservices: ${about.services.join(", ")}; Ctrl-C stops them\n`,
  );
  return { running, held };
}
