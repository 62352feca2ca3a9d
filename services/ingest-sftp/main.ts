// The process of ingest-sftp.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runIngestAndDrops } from "./run.ts";
import { serveSftp } from "./sftp.ts";

await runServiceProcess({
  name: "ingest-sftp",
  config: configFromEnv,
  start: async (ports, config, { signal, logger }) => {
    const context = { ...ports, logger };
    const served = await serveSftp(context, { address: config.sftp, dataDir: config.settings.dataDir });
    try {
      await runIngestAndDrops(context, { times: config, drops: { root: ports.dropsFolder } }, signal);
    } finally {
      await served.close();
    }
  },
});
