// A service that has nothing to ask of its database says all the same that it went away, and that it is back.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { migrate, openDatabase } from "../../libs/adapters/postgres/database.ts";
import { startPostgres } from "../../libs/adapters/postgres/embedded.ts";
import { takeLease } from "../../libs/adapters/postgres/leases.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import { endAtOnce, startTime } from "../../libs/stack/process.ts";
import { start } from "../support/child.ts";
import { spaciousFolder } from "../support/kafka.ts";

t.setTimeout(120_000);
const program = join(import.meta.dirname, "../../services/ops/main.ts");

/** The first answer with this status, as JSON; waits for it. */
async function told(port: number, status: number): Promise<unknown> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null);
    if (answer?.status === status) return answer.json();
    await sleep(50);
  }
}

t.test("ops says that its database is away, though nobody asks it anything", async (t) => {
  const folder = mkdtempSync(join(spaciousFolder(), "rollcall-process-"));
  // The database server's own user may enter it.
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  const postgres = () => startPostgres({ dataDir: join(folder, "postgres") });
  let server = await postgres();
  // Another process has the lease: this one asks for it every few seconds, and need not lose it first.
  const database = openDatabase(server.url);
  await migrate(database);
  await takeLease(database.sql, { name: "up", holder: "another", ttlMs: 600_000 });
  await database.close();
  const end = () => {
    const pid = server.pid ?? 0;
    return endAtOnce({ pid, startedAt: startTime(pid) ?? "" });
  };
  t.teardown(end);
  const [health = 0] = await freePorts(1);
  const ops = start([process.execPath, program], {
    env: { ROLLCALL_DATA: folder, DATABASE_URL: server.url, ROLLCALL_HEALTH_PORT: String(health) },
  });
  t.teardown(() => ops.kill("SIGKILL"));
  t.match(await told(health, 200), { state: "running", reason: null });

  await end();
  t.match(await told(health, 503), { state: "failing", reason: { code: "database.unreachable", remedy: /./u } });
  server = await postgres();
  t.match(await told(health, 200), { state: "running", reason: null });
});
