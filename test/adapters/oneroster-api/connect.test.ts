// Opening a source: where its service and its tokens are found, and what is told when they are not (D018, D020).

import t, { type Test } from "tap";

import type { OneRosterApi } from "../../../libs/adapters/oneroster-api/api.ts";
import { connect, type ConnectOptions } from "../../../libs/adapters/oneroster-api/connect.ts";
import type { ApiProfile } from "../../../libs/domain/api/profile.ts";
import { generic } from "../../../libs/domain/api/profiles/generic.ts";
import { infiniteCampus } from "../../../libs/domain/api/profiles/infinite-campus.ts";
import type { ApiSettings } from "../../../libs/domain/api/settings.ts";
import { type Asked, type Given, httpServer, type HttpServer } from "../../support/http-server.ts";
import { settingsOf } from "./settings.ts";
import { body, patience, refused, secret } from "./shared.ts";

const base = "/ims/oneroster/rostering/v1p2";
const token = { access_token: "canary-token", expires_in: 60, scope: "s" };
const refusal = { status: 401, body: { error: "invalid_client" } };

type Places = Readonly<Record<string, Given>>;
type Some = Partial<Omit<ConnectOptions, "settings">> & { readonly settings?: Partial<ApiSettings> };

/** A source that answers at these paths, and by 404 elsewhere. */
async function source(t: Test, places: Places) {
  const answer = ({ target }: Asked): Given => places[target.split("?")[0] ?? ""] ?? { status: 404, body: "<html>" };
  const server = await httpServer(t, answer);
  const open = async ({ settings = {}, ...some }: Some = {}): Promise<OneRosterApi> => {
    const api = await connect({
      settings: settingsOf({ baseUrl: server.url, ...settings }),
      profile: generic,
      credentials: { id: "demo-key", secret },
      wanted: ["orgs"],
      atOnce: () => 2,
      signal: new AbortController().signal,
      patience,
      ...some,
    });
    t.teardown(() => api.close());
    return api;
  };
  return { server, open };
}

const targets = ({ asked }: HttpServer): readonly string[] => asked.map(({ method, target }) => `${method} ${target}`);

t.test("a base URL that names its version is taken as it is, with a token of the URL that is given", async (t) => {
  const { server, open } = await source(t, { "/oauth/t": { body: token }, [`/x${base}/orgs`]: { body } });
  const api = await open({
    settings: { baseUrl: `${server.url}/x${base}`, tokenUrl: `${server.url}/oauth/t?appName=a` },
  });
  t.equal(api.baseUrl, `${server.url}/x${base}`);
  t.same(targets(server), ["POST /oauth/t?appName=a"], "nothing is asked to find out what is known");
  t.same(api.grantedScopes(), ["s"]);
  const scope = new URLSearchParams(server.asked[0]?.body).get("scope");
  t.match(scope, /^https:\/\/purl\.imsglobal\.org\/spec\/or\/v1p2\/scope\/roster-core\.readonly /u);
  await open({ settings: { baseUrl: `${server.url}${base}`, tokenUrl: `${server.url}/oauth/t`, scopes: ["b", "a"] } });
  t.equal(new URLSearchParams(server.asked[1]?.body).get("scope"), "b a", "the settings' own, as they stand");
});

t.test("where no version is named, the first address that answers as OneRoster does is taken", async (t) => {
  const under = (path: string): string => `${path}${base}/orgs`;
  for (const [what, places, found] of [
    ["under the host", { [under("")]: { body } }, base],
    ["under what was given", { [under("/app")]: { body } }, `/app${base}`],
    ["an empty collection", { [under("/app")]: { body: {} } }, `/app${base}`],
    ["a bare array", { [under("/app")]: { body: [] } }, `/app${base}`],
  ] as const) {
    const { server, open } = await source(t, { "/oauth2/token": { body: token }, ...places });
    const api = await open({ settings: { baseUrl: `${server.url}${found.slice(0, -base.length)}` } });
    t.equal(api.baseUrl, `${server.url}${found}`, what);
    t.ok(targets(server).includes(`GET ${found}/orgs?limit=1`));
  }
  for (const other of [
    { body: "<html>" },
    { body: { status: "ok" } },
    { body: "?" },
    { status: 403 },
    { status: 500 },
  ]) {
    const { server, open } = await source(t, {
      "/token": { body: token },
      [under("/app")]: other,
      "/app/orgs": { body },
    });
    const api = await open({ settings: { baseUrl: `${server.url}/app` } });
    t.equal(api.baseUrl, `${server.url}/app`, `passed by: ${JSON.stringify(other)}`);
  }
});

t.test("token URLs are tried in order, each once", async (t) => {
  const { server, open } = await source(t, {
    "/token": { body: "<html>" },
    "/oauth/token": refusal,
    "/oauth2/token": { body: token },
    "/app/orgs": { body },
  });
  const api = await open({ settings: { baseUrl: `${server.url}/app` } });
  t.equal(api.baseUrl, `${server.url}/app`);
  const posts = targets(server).filter((target) => target === "POST /oauth2/token");
  t.equal(posts.length, 1);
});

t.test("what was tried is told, and what refuses counts more than what is not there", async (t) => {
  const none = await source(t, { "/token": { body: token } });
  const lost = await refused(t, () => none.open({ settings: { baseUrl: `${none.server.url}/app` } }), "api.answer");
  t.match(
    lost.message,
    /finding the OneRoster service; tried .*\/app\/ims\/oneroster\/rostering\/v1p2: it answers 404; /u,
  );
  t.ok(Array.isArray(lost.details["tried"]) && lost.details["tried"].length > 1);
  const shut = await source(t, { "/token": refusal });
  const named = { baseUrl: `${shut.server.url}${base}` };
  const thrown = await refused(t, () => shut.open({ settings: named }), "api.unauthorised");
  t.match(thrown.message, /finding a token; tried .*404.*; .*\/token: it refuses the id and the secret/u);
  const scopes = await source(t, { "/token": { status: 400, body: { error: "invalid_scope" } } });
  const settings = { baseUrl: `${scopes.server.url}${base}`, tokenUrl: `${scopes.server.url}/token`, scopes: ["a"] };
  t.match((await refused(t, () => scopes.open({ settings }), "api.forbidden")).message, /scopes: a$/u);
});

t.test("a host that does not answer is not asked at other addresses", async (t) => {
  const { open } = await source(t, {});
  for (const [settings, words] of [
    [{ baseUrl: "https://nobody.invalid/app", version: "1.1", auth: "oauth1-sha1" }, /no machine of that name/u],
    [{ baseUrl: "http://127.0.0.1:1/app", version: "1.1", auth: "oauth1-sha256" }, /refuses the connection/u],
    [{ baseUrl: "http://sis.example.org/app", version: "1.1", auth: "oauth1-sha1" }, /by https alone/u],
  ] as const) {
    const thrown = await refused(t, () => open({ settings }), "api.unreachable");
    t.match(thrown.message, words);
    t.equal(thrown.details["tried"], undefined, "one address alone");
  }
});

t.test("OAuth 1 signs by the method of the settings, and asks for no token", async (t) => {
  for (const [auth, method] of [
    ["oauth1-sha1", "HMAC-SHA1"],
    ["oauth1-sha256", "HMAC-SHA256"],
  ] as const) {
    const { server, open } = await source(t, { "/ims/oneroster/v1p1/orgs": { body } });
    const api = await open({ settings: { version: "1.1", auth } });
    t.equal(api.baseUrl, `${server.url}/ims/oneroster/v1p1`);
    t.equal(api.grantedScopes(), null);
    t.ok(server.asked.every(({ headers }) => headers.authorization?.includes(method)));
  }
});

t.test("a vendor's header is sent when all of its credentials are there, and not to the token's URL", async (t) => {
  for (const [extra, header] of [
    [{ vendorKey: "k", vendorSecret: "canary" }, "k:canary"],
    [{ vendorKey: "k" }, undefined],
    [{}, undefined],
  ] as const) {
    const { server, open } = await source(t, { "/t": { body: token }, [`${base}/orgs`]: { body } });
    const api = await open({
      profile: infiniteCampus,
      settings: { baseUrl: `${server.url}${base}`, tokenUrl: `${server.url}/t` },
      credentials: { id: "demo-key", secret, ...extra },
    });
    await api.get(new URL(`${api.baseUrl}/orgs`));
    t.same(
      server.asked.map(({ headers }) => headers["x-vendor-authorization"]),
      [undefined, header],
    );
  }
});

t.test("what the district has not sent is named before anything is asked", async (t) => {
  const { server, open } = await source(t, {});
  for (const [credentials, missing] of [
    [{}, ["Consumer Key", "Consumer Secret"]],
    [{ id: "demo-key", secret: "" }, ["Consumer Secret"]],
  ] as const) {
    const thrown = await refused(t, () => open({ credentials }), "api.credentials-missing");
    t.same(thrown.details["missing"], missing);
  }
  const settings = { auth: "proxy", tenant: "oak", version: "1.1" } as const;
  await refused(t, () => open({ settings, credentials: {} }), "api.credentials-missing");
  const profile: ApiProfile = { ...generic, token: { ...generic.token, urls: [] } };
  await refused(t, () => open({ profile, settings: { baseUrl: `${server.url}${base}` } }), "api.credentials-missing");
  t.equal(server.asked.length, 0);
});

t.test("an abort while it is looked for ends the search", async (t) => {
  const stopping = new AbortController();
  const server = await httpServer(t, () => {
    stopping.abort(new Error("enough"));
    return null;
  });
  const settings = settingsOf({ baseUrl: server.url });
  const options = {
    settings,
    profile: generic,
    credentials: { id: "a", secret },
    wanted: ["orgs"],
    atOnce: () => 1,
  } as const;
  await t.rejects(connect({ ...options, signal: stopping.signal, patience }), /enough/u);
  t.equal(server.asked.length, 1);
});
