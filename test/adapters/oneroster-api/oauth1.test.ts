// OAuth 1.0a: the vectors of oneroster.md section 8, the example of RFC 5849, and what is sent.

import t from "tap";

import {
  authorization,
  baseString,
  type OAuth1Method,
  signature,
  strictlyEncoded,
  strictUrl,
} from "../../../libs/adapters/oneroster-api/oauth1.ts";

const url = new URL("https://sis.example.org/ims/oneroster/v1p1/users?limit=100&offset=0&filter=role%3D%27student%27");
const moment = { timestamp: 1_700_000_000, nonce: "0123456789abcdef" };

function parametersOf(method: OAuth1Method, version: "1.0" | null): readonly (readonly [string, string])[] {
  return [
    ["oauth_consumer_key", "demo-key"],
    ["oauth_nonce", moment.nonce],
    ["oauth_signature_method", method],
    ["oauth_timestamp", String(moment.timestamp)],
    ...(version === null ? [] : [["oauth_version", version] as const]),
  ];
}

t.test("the four vectors of signatures come out, with and without a version", (t) => {
  for (const [method, version, expected] of [
    ["HMAC-SHA1", "1.0", "sDzRQvf3VA5brKq6PF01NYMcY0Q="],
    ["HMAC-SHA1", null, "GlT5CCMjkTKCb9PRLT+kLM0AXD4="],
    ["HMAC-SHA256", "1.0", "sU7dv/izoXDkFEiSe1mc0wTYEdXMbrdeTTUJMQ8NxxU="],
    ["HMAC-SHA256", null, "VqWi6+efYM/J0d2qwcyXhjEmfLsRUWRQ9/BjhzhJQxs="],
  ] as const) {
    const key = { id: "demo-key", secret: "demo&secret", method };
    const signed = { method: "GET", url, parameters: parametersOf(method, version) };
    t.equal(signature(signed, key), expected, `${method} ${version}`);
    const header = authorization({ method: "GET", url }, key, { ...moment, version });
    t.ok(header.includes(`oauth_signature="${strictlyEncoded(expected)}"`), "the header carries it, encoded");
    t.equal(header.includes("oauth_version"), version !== null);
  }
  t.end();
});

t.test("the base string of the first vector is that of the document", (t) => {
  t.equal(
    baseString({ method: "get", url, parameters: parametersOf("HMAC-SHA1", "1.0") }),
    "GET&https%3A%2F%2Fsis.example.org%2Fims%2Foneroster%2Fv1p1%2Fusers&filter%3Drole%253D%2527student%2527%26limit%3D100%26oauth_consumer_key%3Ddemo-key%26oauth_nonce%3D0123456789abcdef%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1700000000%26oauth_version%3D1.0%26offset%3D0",
  );
  t.end();
});

t.test("the example of RFC 5849 section 3.4.1.1: repeated and empty parameters, sorted after they are encoded", (t) => {
  const signed = {
    method: "POST",
    url: new URL("http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b"),
    parameters: [
      ["oauth_consumer_key", "9djdj82h48djs9d2"],
      ["oauth_token", "kkk9d7dh3k39sjv7"],
      ["oauth_signature_method", "HMAC-SHA1"],
      ["oauth_timestamp", "137131201"],
      ["oauth_nonce", "7d8f3e4a"],
      ["c2", ""],
      ["a3", "2 q"],
    ],
  } as const;
  t.equal(
    baseString(signed),
    "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7",
  );
  t.end();
});

t.test("other ports count, default ports do not, and a path that is escaped already is signed as it is sent", (t) => {
  for (const [address, expected] of [
    ["https://SIS.example.org:443/a", "https%3A%2F%2Fsis.example.org%2Fa"],
    ["https://sis.example.org:8443/a", "https%3A%2F%2Fsis.example.org%3A8443%2Fa"],
    ["http://sis.example.org:443/a/", "http%3A%2F%2Fsis.example.org%3A443%2Fa%2F"],
    ["https://sis.example.org/a%3D/b", "https%3A%2F%2Fsis.example.org%2Fa%253D%2Fb"],
  ] as const) {
    t.equal(baseString({ method: "GET", url: new URL(address), parameters: [] }), `GET&${expected}&`);
  }
  t.end();
});

t.test("what is not unreserved is encoded, in UTF-8 and upper case", (t) => {
  for (const [text, expected] of [
    ["AZaz09-._~", "AZaz09-._~"],
    ["!'()* +&=%/", "%21%27%28%29%2A%20%2B%26%3D%25%2F"],
    ["é☃", "%C3%A9%E2%98%83"],
    ["\ud800", "%EF%BF%BD"],
  ] as const) {
    t.equal(strictlyEncoded(text), expected);
  }
  const strict = strictUrl(new URL("https://sis.example.org/u?filter=role='a b'&x=1+2&x=%2B#part"));
  t.equal(strict.href, "https://sis.example.org/u?filter=role%3D%27a%20b%27&x=1%202&x=%2B");
  t.equal(strictUrl(strict).href, strict.href, "encoding it again changes nothing");
  t.end();
});

t.test("no two requests have the same nonce, and another secret gives another signature", (t) => {
  const key = { id: "demo-key", secret: "demo&secret", method: "HMAC-SHA256" } as const;
  const headers = Array.from({ length: 50 }, () => authorization({ method: "GET", url }, key));
  t.equal(new Set(headers.map((header) => /oauth_nonce="(\w+)"/u.exec(header)?.[1])).size, headers.length);
  const at = { ...moment, version: "1.0" } as const;
  t.not(
    authorization({ method: "GET", url }, key, at),
    authorization({ method: "GET", url }, { ...key, secret: "x" }, at),
  );
  t.end();
});
