// The process of ingest-sftp.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runIngest } from "./service.ts";

await runServiceProcess({
  name: "ingest-sftp",
  config: configFromEnv,
  start: (ports, config, { signal, logger }) => runIngest({ ...ports, logger }, config, signal),
});
