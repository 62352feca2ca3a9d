// Tokens of OAuth 2 by client credentials (RFC 6749 section 4.4), as vendors' servers really answer.
// It keeps true that one token is fetched at a time, that it is renewed before it ends, that a way of sending the
// credentials which worked is kept, and that neither secret nor token is in an error.

import type { AppError } from "../../errors.ts";

import { apiError } from "./faults.ts";
import { isObject, toJson } from "./json.ts";
import { textOf } from "./body.ts";
import { followed, patiently } from "./patience.ts";
import type { SignedRequest, Signer } from "./signer.ts";
import type { Outgoing, Reply, Transport } from "./transport.ts";

export type TokenOptions = {
  /** With its own query, which belongs to it. */
  readonly url: URL;
  readonly id: string;
  readonly secret: string;
  /** Asked for as they stand; none: the parameter is left out. */
  readonly scopes: readonly string[];
  readonly sends: "basic" | "body";
  readonly isEncoded: boolean;
};

type Token = {
  readonly value: string;
  readonly scopes: readonly string[] | null;
  /** By performance.now(). */
  readonly renewAt: number;
};

/** How the credentials are sent; form-encoding means something in the header alone. */
type Way = { readonly sends: "basic" | "body"; readonly isEncoded: boolean };

const unknownLifeMs = 300_000;
const aheadMs = 60_000;

/** Words of RFC 6749 section 5.2. No other text of an answer is told. */
const tokenErrors = [
  "access_denied",
  "invalid_client",
  "invalid_grant",
  "invalid_request",
  "invalid_scope",
  "unauthorized_client",
  "unsupported_grant_type",
];

export class TokenSigner implements Signer {
  readonly #transport: Transport;
  readonly #options: TokenOptions;
  /** The one that worked is first. */
  #ways: readonly Way[];
  #token: Token | null = null;
  #fetching: Promise<Token> | null = null;

  constructor(transport: Transport, options: TokenOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#ways = waysOf(options);
  }

  async sign(url: URL): Promise<SignedRequest> {
    const { value } = await this.fetch();
    return { url, authorization: `Bearer ${value}` };
  }

  /** A later one's 401 about the same token fetches nothing again. */
  refuse(authorization: string): Promise<void> {
    if (authorization === `Bearer ${this.#token?.value ?? ""}`) this.#token = null;
    return Promise.resolve();
  }

  scopes(): readonly string[] | null {
    return this.#token?.scopes ?? null;
  }

  /**
   * The token, fetched when there is none or when it ends soon.
   * @throws AppError `api.unauthorised` for refused credentials, `api.forbidden` for refused scopes, `api.answer` for what
   * is no token, and what reaching it throws.
   */
  async fetch(): Promise<Token> {
    if (this.#token !== null && performance.now() < this.#token.renewAt) return this.#token;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<Token> {
    const { url } = this.#options;
    const refusals: string[] = [];
    for (const way of this.#ways) {
      const reply = await this.#ask(way);
      const answer = toJson(textOf(reply.body, reply.headers.get("content-type") ?? "") ?? "");
      const error = errorIn(answer);
      if (error === "invalid_scope") throw this.#scopesRefused();
      if (!isRefusal(reply.status, error)) {
        this.#token = tokenOf(reply, { answer, url });
        this.#ways = [way, ...this.#ways.filter((other) => other !== way)];
        return this.#token;
      }
      refusals.push(`${reply.status}${error === null ? "" : ` ${error}`}`);
    }
    const told = [...new Set(refusals)].join(", then ");
    throw apiError("api.unauthorised", { url, reason: `it refuses the id and the secret (${told})` });
  }

  async #ask(way: Way): Promise<Reply> {
    const { url } = this.#options;
    const ask = (to: URL): Promise<Reply> => this.#transport.exchange(tokenRequest(to, this.#options, way));
    return patiently(this.#transport, { url, ask: () => followed(url, ask) });
  }

  #scopesRefused(): AppError {
    const { url, scopes } = this.#options;
    const asked = scopes.length === 0 ? "none was asked for" : scopes.join(" ");
    return apiError("api.forbidden", { url, reason: `it does not grant these scopes: ${asked}`, details: { scopes } });
  }
}

/** The profile's way first, then the other one; encoding makes a difference for special characters only. */
function waysOf({ id, secret, sends, isEncoded }: TokenOptions): readonly Way[] {
  const isPlain = [id, secret].every((text) => formEncoded(text) === text);
  const basic: readonly Way[] = (isPlain ? [isEncoded] : [isEncoded, !isEncoded]).map((encoded) => ({
    sends: "basic",
    isEncoded: encoded,
  }));
  const body: Way = { sends: "body", isEncoded: true };
  return sends === "basic" ? [...basic, body] : [body, ...basic];
}

function tokenRequest(url: URL, { id, secret, scopes }: TokenOptions, way: Way): Outgoing {
  const isBasic = way.sends === "basic";
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
    ...(isBasic ? {} : { client_id: id, client_secret: secret }),
  });
  const pair = [id, secret].map((text) => (way.isEncoded ? formEncoded(text) : text)).join(":");
  return {
    method: "POST",
    url,
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      ...(isBasic ? { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } : {}),
    },
    // Percent-encoded rather than with plus signs, which some servers take as they are.
    body: form.toString().replaceAll("+", "%20"),
  };
}

function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

function errorIn(answer: unknown): string | null {
  const error: unknown = isObject(answer) ? Reflect.get(answer, "error") : undefined;
  return typeof error === "string" ? (tokenErrors.find((known) => known === error.toLowerCase()) ?? null) : null;
}

/** Some servers answer 400 or 403 where 401 is meant, and some 200 with an error in the body. */
function isRefusal(status: number, error: string | null): boolean {
  return status === 400 || status === 401 || status === 403 || (status < 300 && error !== null);
}

function tokenOf({ status, body }: Reply, about: { readonly answer: unknown; readonly url: URL }): Token {
  const { answer, url } = about;
  const fault = (reason: string): AppError => apiError("api.answer", { url, reason, details: { status } });
  if (status < 200 || status > 299) throw fault(`it answers ${status} when it is asked for a token`);
  if (body.length === 0) throw fault("its answer is empty instead of a token");
  if (!isObject(answer)) {
    const isHtml = body.subarray(0, 200).toString("latin1").trimStart().startsWith("<");
    throw fault(isHtml ? "it answers with an HTML page instead of a token" : "its answer is no JSON");
  }
  const value: unknown = Reflect.get(answer, "access_token");
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/u.test(value)) throw fault("its answer has no access_token");
  const kind: unknown = Reflect.get(answer, "token_type") ?? "bearer";
  if (typeof kind !== "string" || kind.toLowerCase() !== "bearer") throw fault("its token is no bearer token");
  const lifeMs = lifeOf(Reflect.get(answer, "expires_in"));
  const renewAt = performance.now() + Math.max(lifeMs - aheadMs, lifeMs / 2);
  return { value, scopes: scopesOf(Reflect.get(answer, "scope")), renewAt };
}

function lifeOf(expiresIn: unknown): number {
  const seconds = typeof expiresIn === "string" && expiresIn.trim() !== "" ? Number(expiresIn) : expiresIn;
  return typeof seconds === "number" && seconds > 0 ? seconds * 1000 : unknownLifeMs;
}

function scopesOf(scope: unknown): readonly string[] | null {
  const text = Array.isArray(scope) ? scope.join(" ") : scope;
  if (typeof text !== "string" || text.trim() === "") return null;
  return [...new Set(text.trim().split(/[\s,]+/u))].toSorted();
}
