// `rollcall up`: all services in one process.

import { Command } from "commander";

import { createLogger } from "../runtime/logger.ts";
import { run } from "../runtime/run.ts";
import { writeOut } from "../runtime/output.ts";
import { services } from "./services.ts";
import { holdUp, openSystem, settingsFromEnv } from "./system.ts";

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
  const held = await holdUp(system);
  const running = services(system);
  const about = {
    log: system.log.description,
    database: system.databaseDescription,
    services: running.map((service) => service.name),
  };
  await writeOut(
    options.json === true
      ? `${JSON.stringify(about)}\n`
      : `rollcall is up: ${about.log}, on ${about.database}\nservices: ${about.services.join(", ")}; Ctrl-C stops them\n`,
  );
  await run({
    name: "up",
    services: running,
    logger,
    close: async () => {
      await held.release();
      await system.close();
    },
  });
}
