// The process of rosters.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runRosters } from "./service.ts";

await runServiceProcess({
  name: "rosters",
  config: configFromEnv,
  start: (ports, config, { signal, logger }) => runRosters({ ...ports, logger }, config, signal),
});
