// Small servers of HTTP on loopback for one test: they answer as a function says, and remember what was asked.

import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createSecureServer } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

import type { Teardown } from "./teardown.ts";

export type Asked = {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** How many were under way when it came, itself included. */
  readonly underWay: number;
};

export type Given = {
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | object;
  /** Milliseconds before the answer. */
  readonly afterMs?: number;
  /** Ends the connection after so many bytes of the body. */
  readonly cutAt?: number;
};

/** `null`: never answers. A function answers by itself. */
export type Answering = (
  asked: Asked,
  count: number,
) => Given | null | ((response: ServerResponse) => void) | Promise<Given | null>;

export type HttpServer = {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  readonly asked: readonly Asked[];
  /** How many connections are open. */
  connections(): Promise<number>;
};

export type Certificate = { readonly key: string; readonly cert: string };

export async function httpServer(t: Teardown, answer: Answering, certificate?: Certificate): Promise<HttpServer> {
  const asked: Asked[] = [];
  let underWay = 0;
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    underWay += 1;
    response.once("close", () => {
      underWay -= 1;
    });
    const now = underWay;
    void (async () => {
      const one = { method: request.method ?? "", target: request.url ?? "", headers: request.headers, underWay: now };
      const body = await textOf(request);
      asked.push({ ...one, body });
      const given = await answer({ ...one, body }, asked.length);
      if (typeof given === "function") given(response);
      else if (given !== null) await give(response, given);
    })().catch(() => response.destroy());
  };
  const server = certificate === undefined ? createServer(listener) : secure(certificate, listener);
  const port = await listening(server);
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const url = `${certificate === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    );
  return { url, port, asked, connections };
}

function secure(certificate: Certificate, listener: RequestListener): Server {
  return createSecureServer({ ...certificate }, listener);
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function give(response: ServerResponse, given: Given): Promise<void> {
  const { status = 200, headers = {}, body = "", afterMs = 0, cutAt } = given;
  if (afterMs > 0) await sleep(afterMs);
  const isText = typeof body === "string" || body instanceof Uint8Array;
  const bytes = Buffer.from(isText ? body : JSON.stringify(body));
  response.writeHead(status, {
    ...(isText ? {} : { "content-type": "application/json" }),
    ...(status === 204 ? {} : { "content-length": bytes.length }),
    ...headers,
  });
  if (cutAt === undefined) response.end(bytes);
  else response.write(bytes.subarray(0, cutAt), () => response.destroy());
}
