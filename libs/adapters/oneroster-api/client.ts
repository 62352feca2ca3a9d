// A source's OneRoster API over HTTP: signed, paced and patient requests (see api.ts for what it promises).
// It keeps true that credentials go to the base URL's own host alone, never back to http, and that of an answer that is
// refused nothing is told but its status and words of OneRoster itself.

import type { AppError } from "../../errors.ts";
import type { ApiAnswer, OneRosterApi } from "./api.ts";
import { textOf } from "./body.ts";
import { apiError, minorCodeIn } from "./faults.ts";
import { Gate } from "./gate.ts";
import { followed, isOwn, patiently, restAskedFor } from "./patience.ts";
import type { Signer } from "./signer.ts";
import type { Reply, Transport } from "./transport.ts";

export type ClientOptions = {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly transport: Transport;
  readonly signer: Signer;
  /** How many requests may be under way, asked at each start. */
  readonly atOnce: () => number;
  /** Headers of the vendor beside the authorization. */
  readonly headers: Readonly<Record<string, string>>;
};

/** Of one request: a source that ends tokens faster than this is not read. */
const mostRenewals = 5;

type Signed = { readonly reply: Reply; readonly authorization: string };

export class OneRosterClient implements OneRosterApi {
  readonly baseUrl: string;
  readonly #options: ClientOptions;
  readonly #gate: Gate;
  /** Where requests go. A source that redirects to https is asked there from then on. */
  #home: URL;
  /** What was signed with last when the source took it: a token that others used up meanwhile is renewed once more. */
  #accepted = "";

  constructor(options: ClientOptions) {
    this.baseUrl = options.baseUrl;
    this.#options = options;
    this.#gate = new Gate(options.atOnce);
    this.#home = new URL(options.baseUrl);
  }

  async get(url: URL): Promise<ApiAnswer> {
    const own = this.#own(url);
    for (let renewals = 0, before = ""; ; renewals++) {
      const { reply, authorization } = await this.#ask(own);
      if (reply.status === 200) this.#accepted = authorization;
      const isNew = authorization !== before;
      before = authorization;
      const isWorn = renewals === 0 || (renewals < mostRenewals && isNew && authorization === this.#accepted);
      if (reply.status !== 401 || !isWorn) return answerOf(reply, own);
      await this.#options.signer.refuse(authorization);
    }
  }

  grantedScopes(): readonly string[] | null {
    return this.#options.signer.scopes();
  }

  requests(): number {
    return this.#options.transport.requests;
  }

  close(): Promise<void> {
    return this.#options.transport.close();
  }

  /** Links often name http where a proxy in front of the source does TLS: what is ours is asked by our own scheme. */
  #own(url: URL): URL {
    const own = new URL(url);
    if (own.protocol === "http:" && own.hostname === this.#home.hostname) {
      own.protocol = this.#home.protocol;
      if (this.#home.protocol === "https:") own.port = this.#home.port;
    }
    if (isOwn(this.#home, own)) return own;
    const host = `${url.protocol}//${url.host}`;
    throw apiError("api.redirected", { url: this.#home, reason: `it leads to ${host}`, details: { host } });
  }

  /** Each try and each hop waits its turn and is signed by itself. */
  async #ask(url: URL): Promise<Signed> {
    const { signer, transport, headers } = this.#options;
    let authorization = "";
    const send = (to: URL): Promise<Reply> =>
      this.#gate.pass(transport.signal, async () => {
        const signed = await signer.sign(to);
        authorization = signed.authorization;
        const answer = await transport.exchange({
          method: "GET",
          url: signed.url,
          headers: { ...headers, authorization },
        });
        // Before the next one's turn comes. A rest too long to be waited for ends a pull rather than holding it up.
        const restMs = restAskedFor(answer);
        if (restMs <= transport.patience.retryAfterMs) this.#gate.rest(restMs);
        return answer;
      });
    const reply = await patiently(transport, { url, ask: () => followed(url, send) });
    if (reply.url.protocol === "https:" && this.#home.protocol === "http:") this.#home = new URL(reply.url.origin);
    return { reply, authorization };
  }
}

/** @throws AppError for whatever is neither an answer nor a plain 404. */
function answerOf(reply: Reply, asked: URL): ApiAnswer {
  const { url, status, headers, body } = reply;
  const text = textOf(body, headers.get("content-type") ?? "");
  switch (status) {
    case 200:
      if (text === null) throw refused(reply, { asked, reason: "its answer is no text in the charset that it names" });
      if (isMarkup(text)) throw refused(reply, { asked, reason: "it answers with an HTML page instead of data" });
      return { url, status, headers, text };
    // No content is an empty collection.
    case 204:
      return { url, status: 200, headers, text: "{}" };
    case 404:
      return { url, status, headers, text: text ?? "" };
    case 401:
      throw refused(reply, { asked, reason: `it refuses the credentials (401)${clockNote(headers)}` });
    case 403:
      throw refused(reply, { asked, reason: "it does not let us read this (403)" });
    default:
      throw refused(reply, { asked, reason: `it answers ${status}` });
  }
}

function refused({ status, body }: Reply, about: { readonly asked: URL; readonly reason: string }): AppError {
  const word = status === 200 ? null : minorCodeIn(body.subarray(0, 65_536).toString("latin1"));
  const code = status === 401 ? "api.unauthorised" : status === 403 ? "api.forbidden" : "api.answer";
  return apiError(code, {
    url: about.asked,
    reason: `${about.reason}${word === null ? "" : `: ${word}`}`,
    details: { status, ...(word === null ? {} : { word }) },
  });
}

function isMarkup(text: string): boolean {
  return text.slice(0, 1_000).trimStart().startsWith("<");
}

const clockToleranceMs = 300_000;

/** Signatures of OAuth 1 hold for some minutes: clocks that differ make them all invalid. */
function clockNote(headers: ReadonlyMap<string, string>): string {
  const apartMs = Math.abs(Date.now() - Date.parse(headers.get("date") ?? ""));
  return apartMs > clockToleranceMs ? `; its clock and ours are ${Math.round(apartMs / 60_000)} minutes apart` : "";
}
