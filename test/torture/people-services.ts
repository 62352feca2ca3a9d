// Every service in a process that a test may kill. Arguments: the data folder, the database's URL, and the time that its
// clock shows.

import { openSystem } from "../../libs/cli/system.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { run } from "../../libs/runtime/run.ts";
import { runDiff } from "../../services/diff/service.ts";
import { runRegistration } from "../../services/registration/service.ts";
import { runRosters } from "../../services/rosters/service.ts";

const times = { pollIntervalMs: 200, stoppedPauseMs: 1000 };

if (import.meta.main) {
  const [dataDir = "", databaseUrl = "", now = ""] = process.argv.slice(2);
  const logger = createLogger({ name: "killed", level: "warn" });
  const opened = await openSystem({ dataDir, databaseUrl }, logger);
  const system = { ...opened, clock: { now: () => Number(now) } };
  console.log("ready");
  await run({
    name: "killed",
    logger,
    services: [
      { name: "diff", start: ({ signal }) => runDiff(system, times, signal) },
      { name: "rosters", start: ({ signal }) => runRosters(system, times, signal) },
      { name: "registration", start: ({ signal }) => runRegistration(system, times, signal) },
    ],
  });
}
