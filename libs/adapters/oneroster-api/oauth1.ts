// Signing requests by OAuth 1.0a (RFC 5849), two-legged, HMAC-SHA1 and HMAC-SHA256.
// Our own code: see docs/decisions. It keeps true that what is sent is what was signed, to the byte, and that no two
// requests have the same nonce.

import { createHmac, randomBytes } from "node:crypto";

export type OAuth1Method = "HMAC-SHA1" | "HMAC-SHA256";

type Parameter = readonly [name: string, value: string];

/** What is signed. The query of the url counts; `parameters` are all others, `oauth_signature` and `realm` left out. */
export type Signed = {
  readonly method: string;
  readonly url: URL;
  readonly parameters: readonly Parameter[];
};

export type OAuth1Key = { readonly id: string; readonly secret: string; readonly method: OAuth1Method };

/** What makes one request's signature unlike all others. `version` may be left out, as ClassLink's libraries do. */
export type Moment = { readonly timestamp: number; readonly nonce: string; readonly version: "1.0" | null };

/** Percent-encoding with the strict set of RFC 3986: encodeURIComponent leaves five characters as they are. */
export function strictlyEncoded(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/gu,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The same address with its query encoded strictly: a blank is %20 and a quote %27, so that all servers read it alike. */
export function strictUrl(url: URL): URL {
  const strict = new URL(url);
  strict.search = [...url.searchParams].map((pair) => pair.map(strictlyEncoded).join("=")).join("&");
  strict.hash = "";
  return strict;
}

/** Section 3.4.1. Hosts are in lower case and default ports left out by URL itself; the path counts as it is sent. */
export function baseString({ method, url, parameters }: Signed): string {
  const pairs = [...url.searchParams, ...parameters].map(([name, value]) => ({
    name: strictlyEncoded(name),
    value: strictlyEncoded(value),
  }));
  // What is encoded is ASCII, in which code units are bytes.
  pairs.sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value));
  const joined = pairs.map(({ name, value }) => `${name}=${value}`).join("&");
  return [method.toUpperCase(), `${url.protocol}//${url.host}${url.pathname}`, joined].map(strictlyEncoded).join("&");
}

/** Section 3.4.2; there is no token, and so no token's secret. */
export function signature(signed: Signed, key: Pick<OAuth1Key, "secret" | "method">): string {
  const hash = key.method === "HMAC-SHA1" ? "sha1" : "sha256";
  return createHmac(hash, `${strictlyEncoded(key.secret)}&`)
    .update(baseString(signed))
    .digest("base64");
}

/** Value of the header of one request. */
export function authorization(
  request: { readonly method: string; readonly url: URL },
  key: OAuth1Key,
  moment: Moment = newMoment(),
): string {
  const parameters: readonly Parameter[] = [
    ["oauth_consumer_key", key.id],
    ["oauth_nonce", moment.nonce],
    ["oauth_signature_method", key.method],
    ["oauth_timestamp", String(moment.timestamp)],
    ...(moment.version === null ? [] : [["oauth_version", moment.version] as const]),
  ];
  const all = [...parameters, ["oauth_signature", signature({ ...request, parameters }, key)] as const];
  return `OAuth ${all.map(([name, value]) => `${name}="${strictlyEncoded(value)}"`).join(", ")}`;
}

function newMoment(): Moment {
  return { timestamp: Math.floor(Date.now() / 1000), nonce: randomBytes(16).toString("hex"), version: "1.0" };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
