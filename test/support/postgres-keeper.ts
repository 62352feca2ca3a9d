// Holds the shared test server for as long as a test file uses it, then stops it and removes its files.
// Run by test/support/postgres.ts as a process of its own; when it is killed, the server ends with it.

import { rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { startPostgres } from "../../libs/adapters/postgres/embedded.ts";
import { clusterDir, clusterUrl, inUseLock } from "./postgres.ts";

const checkMs = 500;
const idleMs = 6_000;

const running = await startPostgres({
  dataDir: clusterDir(),
  // Its content is thrown away, so no test has to wait for a disk.
  settings: { fsync: "off", full_page_writes: "off", max_connections: "200", shared_buffers: "64MB" },
});
if (running.owned) {
  const client = new pg.Client({ connectionString: clusterUrl() });
  await client.connect();
  for (let idleSince = Date.now(); ; await sleep(checkMs)) {
    if (!(await tryLock(client))) idleSince = Date.now();
    // The last lock is kept: whoever comes now waits for it, is cut off by the stop, and starts another keeper.
    else if (Date.now() - idleSince >= idleMs) break;
    else await client.query("select pg_advisory_unlock($1)", [inUseLock]);
  }
  client.on("error", () => {});
  const gone = `${dirname(clusterDir())}.gone-${process.pid}`;
  await running.stop();
  await rename(dirname(clusterDir()), gone);
  await rm(gone, { recursive: true, force: true });
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const answer = await client.query<{ readonly got: boolean }>("select pg_try_advisory_lock($1) as got", [inUseLock]);
  return answer.rows[0]?.got === true;
}
