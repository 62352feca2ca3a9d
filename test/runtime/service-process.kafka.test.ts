// A service as a process of its own: it waits for what is down, says what it waits for, and goes on by itself.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { registerSchemas } from "../../libs/adapters/registry/confluent.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import { confluentUrl, startRegistry } from "../../libs/stack/registry-server.ts";
import { finish, start } from "../support/child.ts";
import { kafkaBrokers, ownBroker, spaciousFolder, skipWholeSystems } from "../support/kafka.ts";
import { freshDatabase } from "../support/postgres.ts";
import { startBroker } from "../../libs/stack/broker.ts";

t.setTimeout(240_000);

const root = join(import.meta.dirname, "..", "..");
const limitMs = 90_000;

type Told = { readonly status: number; readonly state?: string; readonly reason?: { readonly code: string } | null };

async function healthAt(port: number): Promise<Told> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    const told: Omit<Told, "status"> = JSON.parse(await answer.text());
    return { status: answer.status, ...told };
  } catch {
    return { status: 0 };
  }
}

/** Waits until the health answer is as wanted; returns the last one if it never is. */
async function untilHealth(port: number, isWanted: (told: Told) => boolean): Promise<Told> {
  for (const deadline = Date.now() + limitMs; ; await sleep(100)) {
    const told = await healthAt(port);
    if (isWanted(told) || Date.now() > deadline) return told;
  }
}

t.test(
  "registry down, then empty, then there; broker killed and back: told each time, and mended without us",
  { skip: skipWholeSystems },
  async (t) => {
    const broker = await ownBroker(t);
    if (broker === null) return;
    const folder = mkdtempSync(join(spaciousFolder(), "rollcall-process-"));
    t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const [health = 0, registryPort = 0] = await freePorts(2);
    const url = confluentUrl(`127.0.0.1:${registryPort}`);
    const diff = start(["node", join(root, "services/diff/main.ts")], {
      env: {
        PATH: process.env["PATH"],
        ROLLCALL_DATA: folder,
        DATABASE_URL: (await freshDatabase(t)).url,
        KAFKA_BROKERS: broker.server.address,
        SCHEMA_REGISTRY_URL: url,
        ROLLCALL_HEALTH_PORT: String(health),
      },
    });
    t.teardown(() => diff.kill("SIGKILL"));

    const down = await untilHealth(health, ({ reason }) => reason?.code === "registry.unreachable");
    t.match(down, { status: 503, state: "starting", reason: { code: "registry.unreachable" } });
    const registry = await startRegistry({ folder: join(folder, "registry"), port: registryPort, isBound: true });
    t.teardown(() => registry.kill());
    const empty = await untilHealth(health, ({ reason }) => reason?.code === "registry.unregistered");
    t.match(empty, { status: 503, reason: { code: "registry.unregistered" } });
    await registerSchemas({ url });
    t.match(await untilHealth(health, ({ status }) => status === 200), { status: 200, state: "running", reason: null });

    await registry.kill();
    t.match(await healthAt(health), { status: 200 }, "a registry is not needed for what is known");
    await broker.server.kill();
    const without = await untilHealth(health, ({ status }) => status === 503);
    t.match(without, { status: 503, state: "failing", reason: { code: "kafka.unreachable" } });
    const again = await startRegistry({ folder: join(folder, "registry"), port: registryPort, isBound: true });
    t.teardown(() => again.kill());
    const back = await startBroker(broker.settings);
    t.teardown(() => back.kill());
    t.match(await untilHealth(health, ({ status }) => status === 200), { status: 200, state: "running", reason: null });

    diff.kill("SIGTERM");
    t.match(await diff.ended, { code: 0 }, "it drains and ends");
  },
);

t.test("a process that is configured wrongly says everything that is wrong and ends with 2", async (t) => {
  if ((await kafkaBrokers(t)) === null) return;
  const env = { PATH: process.env["PATH"], KAFKA_BROKERS: "127.0.0.1:1", ROLLCALL_HEALTH_PORT: "x" };
  const { code, stderr } = await finish(["node", join(root, "services/ops/main.ts")], { env });
  t.equal(code, 2);
  for (const name of ["DATABASE_URL", "SCHEMA_REGISTRY_URL", "ROLLCALL_HEALTH_PORT"]) t.match(stderr, name);
});
