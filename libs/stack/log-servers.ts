// The two servers on which the log stands, together: the broker and the schema registry.

import { join } from "node:path";

import { startBroker } from "./broker.ts";
import { freePorts, isFree } from "./free-ports.ts";
import type { RunningServer } from "./process.ts";
import { confluentUrl, startRegistry } from "./registry-server.ts";

export type LogServers = {
  readonly broker: RunningServer;
  readonly registry: RunningServer;
  /** For KAFKA_BROKERS and SCHEMA_REGISTRY_URL. */
  readonly brokers: string;
  readonly registryUrl: string;
  stop(): Promise<void>;
};

/**
 * Starts both at once, in folders of their own below one.
 * @param about.isBound whether they end with this process.
 * @throws AppError `stack.start`; then neither runs.
 */
export async function startLogServers(about: {
  readonly folder: string;
  readonly isBound: boolean;
}): Promise<LogServers> {
  const { folder, isBound } = about;
  const [port = 0, controllerPort = 0, registryPort = 0] = await freePorts(3);
  const started = await Promise.allSettled([
    startBroker({ folder: join(folder, "broker"), port, controllerPort, isBound }),
    startRegistry({ folder: join(folder, "registry"), port: registryPort, isBound }),
  ]);
  const [broker, registry] = started;
  if (broker.status === "fulfilled" && registry.status === "fulfilled") return together(broker.value, registry.value);
  const running = started.flatMap((each) => (each.status === "fulfilled" ? [each.value.kill()] : []));
  await Promise.all(running);
  throw started.find((each) => each.status === "rejected")?.reason;
}

function together(broker: RunningServer, registry: RunningServer): LogServers {
  return {
    broker,
    registry,
    brokers: broker.address,
    registryUrl: confluentUrl(registry.address),
    stop: async () => {
      await Promise.all([broker.stop(), registry.stop()]);
    },
  };
}

/** The first of the wanted ports that nobody has, else any that is free. */
export async function portNear(wanted: readonly number[]): Promise<number> {
  for (const port of wanted) if (await isFree(port)) return port;
  const [any = 0] = await freePorts(1);
  return any;
}
