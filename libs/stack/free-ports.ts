// Ports that are free now, for servers whose place nobody has to know beforehand.

import { once } from "node:events";
import { createServer } from "node:net";
import type { Server } from "node:net";

/** Different ports, free when they were asked for: whoever takes one soon gets it. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listening(0)));
  const ports = servers.map(portOf);
  for (const server of servers) server.close();
  return ports;
}

/** Whether nobody listens on a port of this machine. */
export async function isFree(port: number): Promise<boolean> {
  try {
    (await listening(port)).close();
    return true;
  } catch {
    return false;
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer().listen({ host: "127.0.0.1", port });
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
