// The process of ops: the HTTP API, and beside it the housekeeping of the database.

import { once } from "node:events";

import { announceApi, withdrawApi } from "../../libs/runtime/api-place.ts";
import { keepHouse } from "../../libs/runtime/housekeeping.ts";
import type { Ports } from "../../libs/runtime/open.ts";
import type { RunContext } from "../../libs/runtime/run.ts";
import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { type Config, configFromEnv } from "./config.ts";
import { serveApi } from "./service.ts";

await runServiceProcess({ name: "ops", config: configFromEnv, start });

async function start(ports: Ports, { address, settings }: Config, { signal, logger }: RunContext): Promise<void> {
  const api = await serveApi({ ...ports, logger, serviceNames: ["ops", "housekeeping"] }, address);
  try {
    await announceApi(settings.dataDir, api);
    logger.info({ url: api.url }, "serving the API");
    await Promise.all([keepHouse(ports, signal), signal.aborted ? undefined : once(signal, "abort")]);
  } finally {
    await withdrawApi(settings.dataDir);
    await api.close();
  }
}
