// One HTTP exchange with a source over node:http, whose connections can be ended, which those of fetch cannot.
// It keeps true that no request outlives the signal or its limits, that an answer is whole or a fault, and that nothing
// goes to another machine in the clear unless that was allowed.

import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as SecureAgent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

import type { Patience } from "./api.ts";
import { acceptedEncodings, tooLarge, unpacked } from "./body.ts";
import { CookieJar } from "./cookies.ts";
import { apiError, faultOf, TransportFault } from "./faults.ts";

export type Outgoing = {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** An answer of any status, decompressed. */
export type Reply = {
  readonly url: URL;
  readonly status: number;
  /** Lower-case names, cookies left out. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
};

export type TransportOptions = {
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly allowHttp: boolean;
  /** The largest body, decompressed. */
  readonly limitBytes?: number;
};

const defaultLimitBytes = 256 * 1_048_576;

/** The connections and cookies of one connection to a source. */
export class Transport {
  /** Aborted by whoever opened it, or by close(). */
  readonly signal: AbortSignal;
  readonly patience: Patience;
  readonly #options: TransportOptions;
  readonly #limitBytes: number;
  readonly #closing = new AbortController();
  readonly #agents = { plain: new Agent({ keepAlive: true }), secure: new SecureAgent({ keepAlive: true }) };
  readonly #cookies = new CookieJar();
  readonly #answered = new Set<string>();
  readonly #underWay = new Set<Promise<unknown>>();
  #requests = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.patience = options.patience;
    this.signal = AbortSignal.any([options.signal, this.#closing.signal]);
    this.#limitBytes = options.limitBytes ?? defaultLimitBytes;
  }

  /** How many requests were sent. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * Sends once and reads the whole answer. Redirects are answers.
   * @throws TransportFault when none came; the signal's reason when that was aborted.
   */
  async exchange(outgoing: Outgoing): Promise<Reply> {
    const url = bareUrl(outgoing.url);
    this.#refuseOpen(url);
    this.signal.throwIfAborted();
    const underWay = this.#exchange({ ...outgoing, url });
    this.#underWay.add(underWay);
    try {
      return await underWay;
    } catch (thrown) {
      this.signal.throwIfAborted();
      const fault = faultOf(thrown);
      // Where somebody was a moment ago, somebody is likely to come back.
      if (fault.kind !== "absent" || !this.#answered.has(url.host)) throw fault;
      throw new TransportFault({ kind: "passing", code: fault.code, words: fault.message });
    } finally {
      this.#underWay.delete(underWay);
    }
  }

  /** Waits; an abort throws the signal's reason. */
  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.signal }).catch(() => this.signal.throwIfAborted());
  }

  /** Aborts what is under way, and resolves when it has ended. Twice is once. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the connection to the source was closed"));
    await Promise.allSettled(this.#underWay);
    this.#agents.plain.destroy();
    this.#agents.secure.destroy();
  }

  async #exchange({ method, url, headers, body }: Outgoing): Promise<Reply> {
    this.#requests += 1;
    const cookie = this.#cookies.headerFor(url);
    const all = {
      accept: "application/json",
      "accept-encoding": acceptedEncodings,
      "user-agent": "rollcall",
      ...headers,
      ...(cookie === null ? {} : { cookie }),
      ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
    };
    const isSecure = url.protocol === "https:";
    const ask = isSecure ? httpsRequest : httpRequest;
    const agent = isSecure ? this.#agents.secure : this.#agents.plain;
    const { response, bytes } = await received(() => ask(url, { method, headers: all, agent }), {
      body,
      signal: this.signal,
      limitBytes: this.#limitBytes,
      patience: this.patience,
    });
    this.#answered.add(url.host);
    this.#cookies.keep(url, response.headers["set-cookie"] ?? []);
    const plain = await unpacked(bytes, response.headers["content-encoding"] ?? "", this.#limitBytes);
    return { url, status: response.statusCode ?? 0, headers: headersOf(response), body: plain };
  }

  #refuseOpen(url: URL): void {
    if (url.protocol === "https:") return;
    if (url.protocol === "http:" && (this.#options.allowHttp || isLoopback(url.hostname))) return;
    const reason = "credentials and rosters go to another machine by https alone";
    throw apiError("api.unreachable", { url, reason });
  }
}

type Reading = {
  readonly body: string | undefined;
  readonly signal: AbortSignal;
  readonly limitBytes: number;
  readonly patience: Patience;
};

/** Sends the request and gathers the bytes of its answer, within limits. Whatever ends it ends its socket, too. */
function received(
  begin: () => ClientRequest,
  { body, signal, limitBytes, patience }: Reading,
): Promise<{ readonly response: IncomingMessage; readonly bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = begin();
    const stop = (settle: () => void): void => {
      clearTimeout(silence);
      clearTimeout(whole);
      signal.removeEventListener("abort", abort);
      settle();
    };
    const fail = (thrown: unknown): void =>
      stop(() => {
        reject(thrown);
        request.destroy();
      });
    const abort = (): void => fail(signal.reason);
    const silence = setTimeout(() => fail(late("silence", patience.silenceMs)), patience.silenceMs);
    const whole = setTimeout(() => fail(late("slowness", patience.requestMs)), patience.requestMs);
    signal.addEventListener("abort", abort, { once: true });
    request.on("error", fail);
    request.once("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      silence.refresh();
      response.on("error", fail);
      response.on("data", (chunk: Buffer) => {
        silence.refresh();
        chunks.push(chunk);
        size += chunk.length;
        if (size > limitBytes) fail(tooLarge(limitBytes));
      });
      response.once("end", () => stop(() => resolve({ response, bytes: Buffer.concat(chunks, size) })));
    });
    request.end(body);
  });
}

function late(what: "silence" | "slowness", ms: number): TransportFault {
  const seconds = `${ms / 1000} s`;
  const words = what === "silence" ? `it sent nothing for ${seconds}` : `its answer was not whole after ${seconds}`;
  return new TransportFault({ kind: "passing", code: what, words });
}

function headersOf(response: IncomingMessage): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(response.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  return headers;
}

/** Without user and password, which node:http would send to whatever host the address names. */
function bareUrl(url: URL): URL {
  const bare = new URL(url);
  bare.username = "";
  bare.password = "";
  bare.hash = "";
  return bare;
}

function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/u.test(hostname);
}
