// The process of diff.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runDiff } from "./service.ts";

await runServiceProcess({
  name: "diff",
  config: configFromEnv,
  start: (ports, config, { signal, logger }) => runDiff({ ...ports, logger }, config, signal),
});
