// How the test's OneRoster server knows who asks: OAuth 1.0a signatures and OAuth 2 tokens, both checked by code that was
// written for this from RFC 5849 and RFC 6749 alone, and shares nothing with the client.

import { createHmac, randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

export type Oauth1 = "oauth1-sha1" | "oauth1-sha256";
export type Pair = { readonly id: string; readonly secret: string };

const unreserved = /[A-Za-z0-9\-._~]/u;

/** Percent-encoding as RFC 5849, section 3.6, has it: byte by byte, upper-case hexadecimal. */
function escaped(text: string): string {
  let out = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte);
    out += unreserved.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

function unescaped(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function pairsOf(query: string): readonly (readonly [string, string])[] {
  if (query === "") return [];
  return query.split("&").map((part) => {
    const at = part.indexOf("=");
    return at < 0 ? [unescaped(part), ""] : [unescaped(part.slice(0, at)), unescaped(part.slice(at + 1))];
  });
}

/** Remembers nonces: each may be used once. */
export class Signatures {
  readonly #pair: Pair;
  readonly #kind: Oauth1;
  readonly #seen = new Set<string>();

  constructor(pair: Pair, kind: Oauth1) {
    this.#pair = pair;
    this.#kind = kind;
  }

  /** @returns why the request is refused, or null. */
  fault(request: IncomingMessage, nowMs: number): string | null {
    const header = request.headers.authorization ?? "";
    if (!/^OAuth\s/iu.test(header)) return "no OAuth header";
    const given = new Map(
      [...header.slice(6).matchAll(/([\w%.~-]+)\s*=\s*"([^"]*)"/gu)].map(([, name = "", value = ""]) => [
        decodeURIComponent(name),
        decodeURIComponent(value),
      ]),
    );
    const at = (name: string): string => given.get(`oauth_${name}`) ?? "";
    if (at("consumer_key") !== this.#pair.id) return "unknown consumer key";
    const sha256 = this.#kind === "oauth1-sha256";
    if (at("signature_method") !== (sha256 ? "HMAC-SHA256" : "HMAC-SHA1")) return "signature method";
    if (Math.abs(Number(at("timestamp")) - nowMs / 1000) > 300) return "timestamp";
    if (given.has("oauth_version") && at("version") !== "1.0") return "version";
    if (at("nonce") === "" || this.#seen.has(at("nonce"))) return "nonce used before";
    this.#seen.add(at("nonce"));
    const right = createHmac(sha256 ? "sha256" : "sha1", `${escaped(this.#pair.secret)}&`)
      .update(baseString(request, given))
      .digest("base64");
    return right === at("signature") ? null : "signature";
  }
}

function baseString(request: IncomingMessage, given: ReadonlyMap<string, string>): string {
  const [path = "", query = ""] = splitOnce(request.url ?? "");
  const host = (request.headers.host ?? "").toLowerCase().replace(/:80$/u, "");
  const all = [...given].filter(([name]) => name !== "oauth_signature" && name !== "realm");
  const encoded = [...pairsOf(query), ...all].map(([name, value]) => [escaped(name), escaped(value)] as const);
  const order = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
  const joined = encoded
    .toSorted(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
  return [request.method ?? "GET", `http://${host}${path}`, joined].map(escaped).join("&");
}

function splitOnce(text: string): readonly string[] {
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export type TokenOptions = {
  /** Where id and secret may stand. */
  readonly takes: "basic" | "body" | "either";
  /** Whether id and secret in the header are form-encoded. */
  readonly isEncoded: boolean;
  /** As the answer says it: a number, a text, or left out. */
  readonly expiresIn: number | string | null;
  readonly scopes: readonly string[];
};

export type Granted = { readonly scopes: readonly string[]; readonly expiresAt: number };

/** Tokens that were given out. */
export class Tokens {
  readonly #pair: Pair;
  readonly #given = new Map<string, Granted>();
  options: TokenOptions;

  constructor(pair: Pair, options: TokenOptions) {
    this.#pair = pair;
    this.options = options;
  }

  /** Answers a request for a token: status and JSON. */
  grant(authorization: string, body: string, nowMs: number): { readonly status: number; readonly json: unknown } {
    const form = new Map(pairsOf(body));
    if (form.get("grant_type") !== "client_credentials") return refused(400, "unsupported_grant_type");
    const way = /^basic\s/iu.test(authorization) ? "basic" : "body";
    const { takes, expiresIn, scopes } = this.options;
    if (takes !== "either" && takes !== way) return refused(takes === "basic" ? 401 : 400, "invalid_client");
    const { id, secret } =
      way === "basic" ? this.#basic(authorization) : { id: form.get("client_id"), secret: form.get("client_secret") };
    if (id !== this.#pair.id || secret !== this.#pair.secret) return refused(401, "invalid_client");
    const asked = (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
    const granted = asked.length === 0 ? scopes : asked.filter((scope) => scopes.includes(scope));
    if (granted.length === 0) return refused(400, "invalid_scope");
    const token = randomUUID();
    this.#given.set(token, { scopes: granted, expiresAt: nowMs + Number(expiresIn ?? 300) * 1000 });
    const expires = expiresIn === null ? {} : { expires_in: expiresIn };
    return { status: 200, json: { access_token: token, token_type: "bearer", ...expires, scope: granted.join(" ") } };
  }

  #basic(authorization: string): { readonly id: string; readonly secret: string } {
    const text = Buffer.from(authorization.slice(6), "base64").toString();
    const at = text.indexOf(":");
    const [id, secret] = [text.slice(0, at), text.slice(at + 1)];
    return this.options.isEncoded ? { id: unescaped(id), secret: unescaped(secret) } : { id, secret };
  }

  /** @returns null when there is no such token, or it has expired. */
  of(authorization: string, nowMs: number): Granted | null {
    const granted = this.#given.get(/^bearer (.+)$/iu.exec(authorization)?.[1] ?? "");
    return granted === undefined || granted.expiresAt <= nowMs ? null : granted;
  }

  /** All that were given out until now are worth nothing. */
  revoke(): void {
    this.#given.clear();
  }
}

function refused(status: number, error: string): { readonly status: number; readonly json: unknown } {
  return { status, json: { error } };
}
