// What a process answers when it is asked how it is: GET on any path, in JSON, 200 when it works and 503 with the reason
// when it does not, or when nothing that it writes reaches the log. Codes and topics only: it asks for no token.

import { once } from "node:events";
import { createServer } from "node:http";

import { AppError } from "../errors.ts";
import { isSending } from "./log-state.ts";

export type Health = {
  readonly service: string;
  /** starting: it never worked yet; failing: it stopped working and tries again. */
  readonly state: "starting" | "running" | "failing";
  /** ISO 8601, UTC. */
  readonly since: string;
  /** The code of the error that keeps it from working, and what a person may do. */
  readonly reason: { readonly code: string; readonly remedy: string } | null;
  /** How long the oldest record has waited to be sent to the log, milliseconds. */
  readonly unsentMs: number | null;
  /** Topics to which nothing can be sent just now, and those that others have changed, with the code why. */
  readonly topics: Readonly<Record<string, string>>;
};

export type HealthAddress = { readonly host: string; readonly port: number };

export type ServedHealth = { readonly port: number; close(): Promise<void> };

/** @throws AppError `api.address` when it cannot listen there. */
export async function serveHealth({ host, port }: HealthAddress, health: () => Promise<Health>): Promise<ServedHealth> {
  const server = createServer((_request, response) => {
    void health().then((told) => {
      const isWell = told.state === "running" && isSending({ away: null, topics: told.topics });
      response.writeHead(isWell ? 200 : 503, { "content-type": "application/json" });
      response.end(`${JSON.stringify(told)}\n`);
    });
  });
  try {
    server.listen({ host, port });
    await once(server, "listening");
  } catch (cause) {
    throw new AppError("api.address", { message: `opening the health address on ${host}, port ${port}`, cause });
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
