// The process of registration.

import { runServiceProcess } from "../../libs/runtime/service-process.ts";
import { configFromEnv } from "./config.ts";
import { runRegistration } from "./service.ts";

await runServiceProcess({
  name: "registration",
  config: configFromEnv,
  start: (ports, config, { signal, logger }) => runRegistration({ ...ports, logger }, config, signal),
});
