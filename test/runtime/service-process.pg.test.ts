// A service that has nothing to ask of its database says all the same that it went away, and that it is back. What needs
// the database alone goes on while the log is away.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { connect } from "node:net";
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
import { freshDatabase } from "../support/postgres.ts";

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

/** What a server says first to whoever connects; waits until it listens. */
async function greeting(port: number): Promise<string> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    try {
      const [said]: unknown[] = await once(socket, "data");
      return String(said);
    } catch {
      await sleep(50);
    } finally {
      socket.destroy();
    }
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

t.test("districts can upload while the log is away", async (t) => {
  const folder = mkdtempSync(join(spaciousFolder(), "rollcall-process-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  const [health = 0, sftp = 0] = await freePorts(2);
  const ingest = start([process.execPath, join(import.meta.dirname, "../../services/ingest-sftp/main.ts")], {
    env: {
      ROLLCALL_DATA: folder,
      DATABASE_URL: (await freshDatabase(t)).url,
      // Nothing listens there.
      KAFKA_BROKERS: "127.0.0.1:1",
      SCHEMA_REGISTRY_URL: "http://127.0.0.1:1",
      ROLLCALL_HEALTH_PORT: String(health),
      ROLLCALL_SFTP_PORT: String(sftp),
    },
  });
  t.teardown(() => ingest.kill("SIGKILL"));
  t.match(await told(health, 503), { service: "ingest-sftp" });
  t.match(await greeting(sftp), /^SSH-2\.0-/u);
  await sleep(1_500);
  t.match(await told(health, 503), { reason: { code: /^(?:kafka|registry)\.unreachable$/u } });
  t.match(await greeting(sftp), /^SSH-2\.0-/u, "and the server stays");
  ingest.kill("SIGTERM");
  t.match(await ingest.ended, { code: 0 });
});
