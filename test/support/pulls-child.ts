// A process of ingest-api, to be killed in the middle of a pull.

import { writeSync } from "node:fs";

import { openSystem } from "../../libs/cli/system.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { parseSecretKey } from "../../libs/adapters/sealed.ts";
import { runIngestApi } from "../../services/ingest-api/service.ts";
import { hasty } from "./oneroster-pulls.ts";
import { secretKeyText } from "./system.ts";

const [databaseUrl = "", dataDir = ""] = process.argv.slice(2);
const secretKey = parseSecretKey(secretKeyText);
const system = await openSystem({ dataDir, databaseUrl, secretKey }, createLogger({ name: "pulls" }));
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
writeSync(1, "running\n");
await runIngestApi(system, { times: { pollIntervalMs: 20 }, patience: hasty }, stop.signal);
await system.close();
writeSync(1, "done\n");
