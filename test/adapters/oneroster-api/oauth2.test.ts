// Tokens by client credentials, against servers that answer as those of vendors do.

import t, { type Test } from "tap";

import { defaultPatience, type Patience } from "../../../libs/adapters/oneroster-api/api.ts";
import { TokenSigner, type TokenOptions } from "../../../libs/adapters/oneroster-api/oauth2.ts";
import { Transport } from "../../../libs/adapters/oneroster-api/transport.ts";
import { type Answering, type Asked, httpServer } from "../../support/http-server.ts";
import { refused } from "./shared.ts";

const patience: Patience = { ...defaultPatience, tries: 3, firstPauseMs: 1, longestPauseMs: 2 };
const id = "client one";
const secret = "canary/+&=é:%";
const token = "canary-token";
const address = new URL("https://sis.example.org/users");
const whole = { access_token: token, token_type: "Bearer", expires_in: 3600, scope: "b a" };

type Some = Partial<Omit<TokenOptions, "url">>;

async function signerOf(t: Test, answer: Answering, some: Some = {}) {
  const server = await httpServer(t, answer);
  const transport = new Transport({ patience, signal: new AbortController().signal, allowHttp: false });
  t.teardown(() => transport.close());
  const url = new URL(`${server.url}/oauth2/token?appName=canary`);
  const plain = { id, secret, scopes: ["x:y", "z"], sends: "basic", isEncoded: false } as const;
  return { server, transport, signer: new TokenSigner(transport, { ...plain, ...some, url }) };
}

const basicOf = ({ headers }: Asked): string =>
  Buffer.from(/^Basic (.*)$/u.exec(headers.authorization ?? "")?.[1] ?? "", "base64").toString();

t.test("a token is asked for in the header, with the scopes as given, and used as a bearer", async (t) => {
  const { server, signer } = await signerOf(t, () => ({ body: whole }));
  t.same(await signer.sign(address), { url: address, authorization: `Bearer ${token}` });
  const [asked] = server.asked;
  t.match(asked, { method: "POST", target: "/oauth2/token?appName=canary" }, "the query of a token URL belongs to it");
  t.equal(asked?.body, "grant_type=client_credentials&scope=x%3Ay%20z");
  t.equal(asked && basicOf(asked), `${id}:${secret}`, "not encoded, as most servers expect");
  t.equal(asked?.headers["content-type"], "application/x-www-form-urlencoded");
  t.same(signer.scopes(), ["a", "b"], "what was granted");
  await signer.sign(address);
  t.equal(server.asked.length, 1, "a token is fetched once");
});

t.test("the way that is refused is tried otherwise once, and the one that works is kept", async (t) => {
  const encoded = "client+one:canary%2F%2B%26%3D%C3%A9%3A%25";
  const isBody = ({ body }: Asked): boolean => new URLSearchParams(body).get("client_secret") === secret;
  for (const [what, some, accepts, requests] of [
    ["plain", {}, (asked: Asked) => basicOf(asked) === `${id}:${secret}`, 1],
    ["encoded", {}, (asked: Asked) => basicOf(asked) === encoded, 2],
    ["encoded, as the profile says", { isEncoded: true }, (asked: Asked) => basicOf(asked) === encoded, 1],
    ["in the body", {}, isBody, 3],
    ["in the body, as the profile says", { sends: "body" }, isBody, 1],
    ["in the header after all", { sends: "body" }, (asked: Asked) => basicOf(asked) === `${id}:${secret}`, 2],
  ] as const) {
    for (const refusal of [
      { status: 401, body: { error: "invalid_client" } },
      { status: 400, body: { error: "invalid_client" } },
      { status: 401, body: "<html>no</html>" },
      { status: 200, body: { error: "invalid_client" } },
    ]) {
      const { server, signer } = await signerOf(t, (asked) => (accepts(asked) ? { body: whole } : refusal), some);
      const { authorization } = await signer.sign(address);
      t.equal(server.asked.length, requests, what);
      await signer.refuse(authorization);
      await signer.sign(address);
      t.equal(server.asked.length, requests + 1, `${what}: known from then on`);
    }
  }
});

t.test("plain credentials are tried in the header and in the body alone, then they are refused", async (t) => {
  const { server, signer } = await signerOf(t, () => ({ status: 401, body: { error: "invalid_client" } }), {
    id: "one",
    secret: "two",
  });
  const thrown = await refused(t, () => signer.sign(address), "api.unauthorised");
  t.match(thrown.message, /refuses the id and the secret \(401 invalid_client\)/u);
  t.same(
    server.asked.map(({ headers }) => headers.authorization !== undefined),
    [true, false],
  );
});

t.test("scopes that are not granted are named", async (t) => {
  const { server, signer } = await signerOf(t, () => ({ status: 400, body: { error: "invalid_scope" } }));
  const thrown = await refused(t, () => signer.sign(address), "api.forbidden");
  t.match(thrown.message, /x:y z/u);
  t.same(thrown.details["scopes"], ["x:y", "z"]);
  t.equal(server.asked.length, 1);
});

t.test("a token holds as long as it says, less a minute; five minutes when it does not say", async (t) => {
  for (const [expiresIn, lastsMs] of [
    [3600, 3_540_000],
    ["3600", 3_540_000],
    [90, 45_000],
    [undefined, 240_000],
    [null, 240_000],
    ["soon", 240_000],
    ["", 240_000],
    [0, 240_000],
    [-5, 240_000],
  ] as const) {
    const { signer } = await signerOf(t, () => ({ body: { access_token: token, expires_in: expiresIn } }));
    const begun = performance.now();
    const { renewAt, scopes } = await signer.fetch();
    t.ok(renewAt >= begun + lastsMs && renewAt < begun + lastsMs + 5_000, String(expiresIn));
    t.equal(scopes, null, "a source that does not say what it granted");
  }
});

t.test("a token that ends soon is renewed before it is used", async (t) => {
  const { server, signer } = await signerOf(t, (_, count) => ({
    body: { access_token: `${token}-${count}`, expires_in: 0.02 },
  }));
  t.equal((await signer.sign(address)).authorization, `Bearer ${token}-1`);
  await new Promise((resolve) => setTimeout(resolve, 30));
  t.equal((await signer.sign(address)).authorization, `Bearer ${token}-2`);
  t.equal(server.asked.length, 2);
});

t.test("who asks at the same time shares one token, and one refusal renews it once", async (t) => {
  const { server, signer } = await signerOf(t, (_, count) => ({
    afterMs: 20,
    body: { access_token: `${token}-${count}`, token_type: "bEaReR", expires_in: "600" },
  }));
  const many = await Promise.all(Array.from({ length: 8 }, () => signer.sign(address)));
  t.same([...new Set(many.map(({ authorization }) => authorization))], [`Bearer ${token}-1`]);
  await Promise.all(many.map(({ authorization }) => signer.refuse(authorization).then(() => signer.sign(address))));
  await signer.refuse(`Bearer ${token}-1`);
  t.equal((await signer.sign(address)).authorization, `Bearer ${token}-2`, "a late refusal of the old one is none");
  t.equal(server.asked.length, 2);
});

t.test("what is no token is told in plain words", async (t) => {
  for (const [given, code, words] of [
    [{ body: "<html><p>Sign in" }, "api.answer", /HTML page/u],
    [{ body: "" }, "api.answer", /empty/u],
    [{ body: "{" }, "api.answer", /no JSON/u],
    [{ body: {} }, "api.answer", /no access_token/u],
    [{ body: { access_token: "" } }, "api.answer", /no access_token/u],
    [{ body: { access_token: 5 } }, "api.answer", /no access_token/u],
    [{ body: { access_token: "two\nlines" } }, "api.answer", /no access_token/u],
    [{ body: { access_token: token, token_type: "mac" } }, "api.answer", /no bearer/u],
    [{ status: 404, body: "<html>" }, "api.answer", /404/u],
    [
      { status: 302, headers: { location: "https://login.example.org/?a=b" } },
      "api.redirected",
      /login\.example\.org$/u,
    ],
    [{ status: 503, body: token }, "api.unreachable", /answers 503, tried 3 times/u],
    [{ status: 403, body: {} }, "api.unauthorised", /403/u],
    [{ status: 400, body: { error: secret } }, "api.unauthorised", /\(400\)/u],
  ] as const) {
    const { signer } = await signerOf(t, () => given);
    const thrown = await refused(t, () => signer.sign(address), code);
    t.match(thrown.message, words);
  }
});

t.test("after a failure the next one asks again", async (t) => {
  const { signer } = await signerOf(t, (_, count) => (count <= 3 ? { status: 500 } : { body: whole }));
  await refused(t, () => signer.sign(address), "api.unreachable");
  t.equal((await signer.sign(address)).authorization, `Bearer ${token}`);
});

t.test("a token's server that asks to be left alone is left alone", async (t) => {
  const { server, signer } = await signerOf(t, (_, count) =>
    count === 1 ? { status: 429, body: "<html>", headers: { "retry-after": "0.15" } } : { body: whole },
  );
  const begun = performance.now();
  await signer.sign(address);
  t.ok(performance.now() - begun >= 148);
  t.equal(server.asked.length, 2);
});
