// The process of ingest-sftp. Districts can upload also while the log is away: what they drop waits.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runIngestAndDrops } from "./run.ts";
import { serveSftp } from "./sftp.ts";

await runServiceProcess({
  name: "ingest-sftp",
  config: configFromEnv,
  start: (ports, config, { signal, logger }) =>
    runIngestAndDrops({ ...ports, logger }, { times: config, drops: { root: ports.dropsFolder } }, signal),
  onDatabase: ({ sql }, { sftp, settings: { dataDir } }, { logger }) =>
    serveSftp({ sql, logger }, { address: sftp, dataDir }),
});
