// The process of ingest-api.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runIngestApi } from "./service.ts";

await runServiceProcess({
  name: "ingest-api",
  config: configFromEnv,
  start: (ports, { proxy, ...times }, { signal, logger }) =>
    runIngestApi({ ...ports, logger }, { times, proxy }, signal),
});
