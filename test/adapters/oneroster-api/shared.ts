// A client of a server that answers as a test says, and a look into what is thrown for anything that may not be told.

import type { Test } from "tap";

import { defaultPatience, type Patience } from "../../../libs/adapters/oneroster-api/api.ts";
import { OneRosterClient } from "../../../libs/adapters/oneroster-api/client.ts";
import { oauth1Signer, type Signer } from "../../../libs/adapters/oneroster-api/signer.ts";
import { Transport, type TransportOptions } from "../../../libs/adapters/oneroster-api/transport.ts";
import { AppError, type ErrorCode } from "../../../libs/errors.ts";
import { type Answering, httpServer, type HttpServer } from "../../support/http-server.ts";

/** Each text that may not be told has this word in it. */
export const secret = "canary&secret/+=é";
export const vendorSecret = "canary-vendor";
export const patience: Patience = { ...defaultPatience, tries: 4, firstPauseMs: 1, longestPauseMs: 2 };
export const body = { orgs: [{ sourcedId: "1", name: "Zoë" }] };

type Some = Partial<TransportOptions> & { readonly signer?: Signer; readonly atOnce?: () => number };

export function clientOf(t: Test, baseUrl: string, some: Some = {}): OneRosterClient {
  const signal = new AbortController().signal;
  const transport = new Transport({ patience, signal, allowHttp: false, ...some });
  const client = new OneRosterClient({
    baseUrl,
    transport,
    signer: some.signer ?? oauth1Signer({ id: "demo-key", secret, method: "HMAC-SHA1" }),
    atOnce: some.atOnce ?? (() => 4),
    headers: { "x-vendor-authorization": `vendor:${vendorSecret}` },
  });
  t.teardown(() => client.close());
  return client;
}

type Served = {
  readonly server: HttpServer;
  readonly client: OneRosterClient;
  readonly get: (path?: string) => ReturnType<OneRosterClient["get"]>;
};

export async function serving(t: Test, answer: Answering, some: Some = {}): Promise<Served> {
  const server = await httpServer(t, answer);
  const client = clientOf(t, `${server.url}/ims/oneroster/v1p1`, some);
  const get = (path = "/orgs?limit=2&offset=4&cursor=canary-cursor"): ReturnType<OneRosterClient["get"]> =>
    client.get(new URL(client.baseUrl + path));
  return { server, client, get };
}

/** What the work threw: an error of this code, with nothing secret in it. */
export async function refused(t: Test, work: () => Promise<unknown>, code: ErrorCode): Promise<AppError> {
  const thrown = await work().then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof AppError)) throw new Error("no AppError was thrown", { cause: thrown });
  t.equal(thrown.code, code, thrown.message);
  const told = JSON.stringify([thrown.message, thrown.details, thrown.stack, thrown.cause]);
  t.notMatch(told, /canary/u, "no secret, cursor or content is told");
  return thrown;
}
