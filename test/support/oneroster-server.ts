// A OneRoster server on loopback: both versions, OAuth 1.0a, OAuth 2 and ClassLink's proxy, a district of the sample
// generator, paging by limit and offset, a log of requests, and faults that can be switched on.
// It keeps true that without faults it does what the standard says, and that nobody reads without valid credentials.

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

import { type Collection, collections, serviceOf } from "../../libs/domain/api/collections.ts";
import type { AuthKind } from "../../libs/domain/api/profile.ts";
import type { ApiSettings } from "../../libs/domain/api/settings.ts";
import { Signatures, type TokenOptions, Tokens } from "./oneroster-auth.ts";
import { type Answer, type Asked, failure, type Fault, type Hooks, json } from "./oneroster-fault.ts";
import { type Truth, truthOf, type TruthOptions } from "./oneroster-items.ts";
import { pageOf, send, type Source } from "./oneroster-page.ts";
import type { Teardown } from "./teardown.ts";

export type Share = {
  readonly application: string;
  readonly tenant: string;
  readonly name: string;
  readonly isEnabled: boolean;
};

export type ServerOptions = TruthOptions & {
  readonly auth: AuthKind;
  /** Which of the two headers about paging are sent; both unless said. */
  readonly total?: boolean;
  readonly links?: boolean;
  /** The most records on a page, whatever is asked for; null: as many as are asked for. */
  readonly most?: number | null;
  /** How long each answer takes. */
  readonly delayMs?: number;
  readonly token?: Partial<TokenOptions>;
  readonly faults?: readonly Fault[];
  /** Path before /ims. */
  readonly prefix?: string;
  /** Headers of every answer with records. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of making the district from the other options. */
  readonly data?: Truth;
};

/** One request as it was seen. The status is 0 until it was answered. */
export type Logged = {
  /** Epoch milliseconds, by the clock of the server's owner. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly collection: Collection | null;
  readonly offset: number | null;
  readonly limit: number | null;
  /** Requests for collections under way when this one had come, itself included. */
  readonly underWay: number;
  status: number;
};

export type Served = {
  /** Of the rostering service; with `proxy` that of the proxy. */
  readonly url: string;
  readonly tokenUrl: string;
  /** As `connect` takes them. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Whole settings of a source with the profile `generic`, or `classlink` for the proxy. */
  readonly settings: ApiSettings;
  readonly requests: Logged[];
  /** Requests that reached another server, where no credentials may go. */
  readonly strays: string[];
  /** Applications that the proxy lists, to be changed by the test. */
  shares: readonly Share[];
  readonly data: () => Truth;
  setData(truth: Truth): void;
  /** @param target the collection that suffers from faults of one collection. */
  setFaults(faults: readonly Fault[], target?: Collection): void;
  /** How it pages from now on. */
  setPaging(paging: Required<Pick<ServerOptions, "total" | "links" | "most">>): void;
  /** Every answer from now on takes so long. */
  setDelay(delayMs: number): void;
  /** The clock of the log and of tokens. */
  setClock(now: () => number): void;
  revokeTokens(): void;
  close(): Promise<void>;
};

const pair = { id: "rollcall-client", secret: "s&cret/+ with % and ü" };
const bearer = "bearer-of-the-district";
const application = "a1b2%2Fc3%3D";
const scopeHost = "https://purl.imsglobal.org/spec/or";

type Run = {
  readonly options: ServerOptions;
  readonly stranger: string;
  readonly tokens: Tokens;
  readonly signatures: Signatures;
  readonly requests: Logged[];
  shares: readonly Share[];
  truth: Truth;
  hooks: readonly Hooks[];
  counts: Map<Collection, number>;
  underWay: number;
  delayMs: number;
  paging: Pick<ServerOptions, "total" | "links" | "most">;
  now: () => number;
};

/** A server that goes with the test. */
export async function oneRosterServer(t: Teardown, options: ServerOptions): Promise<Served> {
  const strays: string[] = [];
  const stranger = createServer((request, response) => {
    strays.push(`${request.method} ${request.url} ${request.headers.authorization === undefined ? "" : "signed"}`);
    response.end("{}");
  });
  const run: Run = {
    options,
    stranger: `http://localhost:${await listening(stranger)}`,
    tokens: new Tokens(pair, {
      takes: "either",
      isEncoded: false,
      expiresIn: 3600,
      scopes: scopesOf(options.version),
      ...options.token,
    }),
    signatures: new Signatures(pair, options.auth === "oauth1-sha1" ? "oauth1-sha1" : "oauth1-sha256"),
    requests: [],
    shares: [{ application, tenant: "4711", name: "Springfield", isEnabled: true }],
    truth: options.data ?? (await truthOf(options)),
    hooks: (options.faults ?? []).map((fault) => fault.hooks("enrollments")),
    counts: new Map(),
    underWay: 0,
    delayMs: options.delayMs ?? 0,
    paging: options,
    now: Date.now,
  };
  const server = createServer((request, response) => void respond(run, request, response));
  const port = await listening(server);
  const close = async (): Promise<void> => {
    for (const each of [server, stranger]) {
      each.closeAllConnections();
      if (each.listening) await new Promise((resolve) => each.close(resolve));
    }
  };
  t.teardown(close);
  return served(run, { origin: `http://127.0.0.1:${port}`, strays, close });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function scopesOf(version: "1.1" | "1.2"): readonly string[] {
  const names = ["roster", "roster-core", "roster-demographics", "resource", "resource-core"];
  return names.map((name) => `${scopeHost}/${version === "1.1" ? "v1p1" : "v1p2"}/scope/${name}.readonly`);
}

function served(
  run: Run,
  about: { readonly origin: string; readonly strays: string[]; readonly close: () => Promise<void> },
): Served {
  const { options } = run;
  const isProxy = options.auth === "proxy";
  const prefix = `${about.origin}${options.prefix ?? ""}/ims/oneroster`;
  const base = options.version === "1.1" ? `${prefix}/v1p1` : `${prefix}/rostering/v1p2`;
  const url = isProxy ? about.origin : base;
  return {
    url,
    tokenUrl: `${about.origin}/oauth/token`,
    credentials: isProxy ? { secret: pair.secret } : pair,
    settings: settingsOf(run, url, `${about.origin}/oauth/token`),
    requests: run.requests,
    strays: about.strays,
    get shares() {
      return run.shares;
    },
    set shares(shares) {
      run.shares = shares;
    },
    data: () => run.truth,
    setData: (truth) => {
      run.truth = truth;
    },
    setFaults: (faults, target = "enrollments") => {
      run.hooks = faults.map((fault) => fault.hooks(target));
      run.counts = new Map();
    },
    setPaging: (paging) => {
      run.paging = paging;
    },
    setDelay: (delayMs) => {
      run.delayMs = delayMs;
    },
    setClock: (now) => {
      run.now = now;
    },
    revokeTokens: () => run.tokens.revoke(),
    close: about.close,
  };
}

function settingsOf(run: Run, baseUrl: string, tokenUrl: string): ApiSettings {
  const { auth, version } = run.options;
  return {
    profile: auth === "proxy" ? "classlink" : "generic",
    version,
    auth,
    baseUrl,
    tokenUrl: auth === "oauth2" ? tokenUrl : null,
    scopes: [],
    tenant: auth === "proxy" ? "4711" : null,
    schedule: null,
    expires: null,
    resources: true,
    pageSize: 40,
    sourceVersion: null,
    revisionHeader: null,
    allowHttp: false,
  };
}

async function respond(run: Run, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", `http://${request.headers.host ?? "localhost"}`);
  const collection = collectionAt(run, url);
  const logged: Logged = {
    at: run.now(),
    method: request.method ?? "",
    path: `${url.pathname}${url.search}`,
    collection,
    offset: numberIn(url, "offset"),
    limit: numberIn(url, "limit"),
    underWay: collection === null ? run.underWay : ++run.underWay,
    status: 0,
  };
  run.requests.push(logged);
  try {
    const answer = await answerTo(run, { request, url, collection });
    if (run.delayMs > 0) await delay(run.delayMs);
    logged.status = answer.status;
    await send(response, answer);
  } catch {
    response.destroy();
  } finally {
    if (collection !== null) run.underWay--;
  }
}

function numberIn(url: URL, name: string): number | null {
  const text = url.searchParams.get(name);
  return text !== null && /^\d+$/u.test(text) ? Number(text) : null;
}

/** The collection that a path of the version's service names; null for everything else. */
function collectionAt(run: Run, url: URL): Collection | null {
  const { version, auth, prefix = "" } = run.options;
  const front = auth === "proxy" ? `/${application}` : prefix;
  return (
    collections.find((name) => {
      const service = version === "1.1" ? "v1p1" : `${serviceOf(name, version)}/v1p2`;
      return url.pathname === `${front}/ims/oneroster/${service}/${name}`;
    }) ?? null
  );
}

type Incoming = {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly collection: Collection | null;
};

async function answerTo(run: Run, incoming: Incoming): Promise<Answer> {
  const { request, url, collection } = incoming;
  const authorization = request.headers.authorization ?? "";
  if (url.pathname === "/oauth/token" && request.method === "POST") {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { options } = run.tokens;
    const scopes = run.hooks.reduce((all, each) => each.scopes?.(all) ?? all, scopesOf(run.options.version));
    if (run.hooks.some((each) => each.scopes !== undefined)) run.tokens.options = { ...options, scopes };
    else run.tokens.options = { ...options, scopes: run.options.token?.scopes ?? scopesOf(run.options.version) };
    const { status, json: granted } = run.tokens.grant(authorization, body, run.now());
    return json(status, granted);
  }
  if (url.pathname === "/applications" && run.options.auth === "proxy") return applications(run, authorization);
  if (collection === null) return failure(404, run.options.version, "unknown object");
  const nth = (run.counts.get(collection) ?? 0) + 1;
  run.counts.set(collection, nth);
  const asked: Asked = {
    collection,
    version: run.options.version,
    offset: numberIn(url, "offset") ?? 0,
    limit: numberIn(url, "limit") ?? 100,
    nth,
    url,
    stranger: run.stranger,
  };
  for (const each of run.hooks) {
    const instead = each.instead?.(asked);
    if (instead) return instead;
    if (each.revokes?.(asked) === true) run.tokens.revoke();
  }
  return refusal(run, incoming, collection) ?? pageOf(sourceOf(run), asked);
}

function sourceOf({ options, paging, hooks, truth }: Run): Source {
  const { headers = {} } = options;
  const { total = true, links = true, most = null } = paging;
  return { items: truth.items, hooks, total, links, most, headers };
}

function applications(run: Run, authorization: string): Answer {
  if (authorization !== `Bearer ${pair.secret}`) return json(401, { error: "unauthorized" });
  const listed = run.shares.map((share) => ({
    tenant_name: share.name,
    tenant_id: share.tenant,
    application_id: "77",
    bearer,
    name: "Rollcall",
    oneroster_application_id: share.application,
    enabled: String(share.isEnabled),
    tenant_status: "Active",
  }));
  return json(200, { applications: listed });
}

function refusal(run: Run, { request, url }: Incoming, collection: Collection): Answer | null {
  const { auth, version } = run.options;
  const authorization = request.headers.authorization ?? "";
  const unauthorised = failure(401, version, "unauthorisedrequest");
  if (auth === "proxy") {
    const shared = run.shares.some((share) => share.isEnabled && url.pathname.startsWith(`/${share.application}/`));
    return authorization === `Bearer ${bearer}` && shared ? null : unauthorised;
  }
  if (auth !== "oauth2") return run.signatures.fault(request, run.now()) === null ? null : unauthorised;
  const granted = run.tokens.of(authorization, run.now());
  if (granted === null) return unauthorised;
  return granted.scopes.some((scope) => opens(scope, collection)) ? null : failure(403, version, "forbidden");
}

/** Which scope lets read what (sections 5.1 and 6.1). */
function opens(scope: string, collection: Collection): boolean {
  const name = scope.split("/").at(-1) ?? "";
  if (collection === "demographics") return name === "roster-demographics.readonly";
  if (collection === "resources") return name === "resource.readonly" || name === "resource-core.readonly";
  return name === "roster.readonly" || name === "roster-core.readonly";
}
