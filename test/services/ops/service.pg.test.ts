// The API as a whole: what asks for a token, what faults are told, what is described, and what is never said.

import t from "tap";

import { errorRegister } from "../../../libs/errors.ts";
import { revokeToken, roles } from "../../../services/ops/tokens.ts";
import { freshApi, issuer, type TestApi } from "../../support/api.ts";
import { addDistrict } from "../../support/system.ts";

t.setTimeout(120_000);

const id = "00000000-0000-8000-8000-000000000000";
const login = { eventId: "e1", issuer, subject: "s1", at: "2025-09-30T12:00:00Z" };

/** Every route that asks for a token: a request that is well formed, and the roles beside operator that may send it. */
const routes: readonly (readonly [string, unknown, readonly string[]])[] = [
  ["POST /logins?wait=0", login, ["gateway"]],
  [`GET /logins/${id}`, undefined, ["gateway", "product"]],
  ["GET /logins?district=springfield", undefined, []],
  [`POST /logins/${id}/school?wait=0`, { school: "360000100001" }, ["gateway"]],
  [`POST /logins/${id}/link?wait=0`, { users: ["u1"] }, []],
  [`POST /logins/${id}/unlink?wait=0`, undefined, []],
  ["PUT /licenses/l1?wait=0", { product: "reading", orgs: ["3600001"] }, ["licensing"]],
  ["GET /licenses/l1/seats", undefined, []],
  ["DELETE /licenses/l1?wait=0", undefined, ["licensing"]],
  ["GET /licenses", undefined, ["licensing"]],
  ["PUT /accounts/a1?wait=0", { product: "reading" }, ["accounts"]],
  [
    "POST /accounts/a1/link?wait=0",
    { district: "springfield", issuer, subject: "s1", proof: "access-code" },
    ["accounts"],
  ],
  ["POST /accounts/a1/unlink?wait=0", undefined, []],
  ["POST /accounts/a1/activate?wait=0", undefined, ["accounts"]],
  ["POST /accounts/a1/deactivate?wait=0", undefined, ["accounts"]],
  ["GET /accounts/a1", undefined, ["accounts"]],
];

void t.test("each route lets in the roles that it names and an operator, and nobody else", async (t) => {
  const api = await freshApi(t);
  const tokens = await Promise.all(roles.map(async (role) => [role, await api.tokenOf(role)] as const));
  for (const [line, body, allowed] of routes) {
    const none = await api.ask(line, body, { token: null });
    t.match([none.status, none.body], [401, { error: { code: "token.invalid" } }], `${line}: no token`);
    t.equal(none.headers.get("www-authenticate"), "Bearer", `${line}: says what it asks for`);
    const wrong = await api.ask(line, body, { token: "rc_wrong" });
    t.equal(wrong.status, 401, `${line}: wrong token`);
    for (const [role, token] of tokens) {
      const { status } = await api.ask(line, body, { token });
      const isAllowed = role === "operator" || allowed.includes(role);
      t.equal(status === 403, !isAllowed, `${line}: ${role} is told ${status}`);
      t.ok(status < 500, `${line}: ${role} is answered`);
    }
  }
});

void t.test("a revoked token is no token any more, and no token is judged after the body", async (t) => {
  const api = await freshApi(t);
  const token = await api.tokenOf("operator");
  t.equal((await api.ask("GET /licenses", undefined, { token })).status, 200);
  await revokeToken(api.system.sql, "operator-all");
  t.equal((await api.ask("GET /licenses", undefined, { token })).status, 401);
  t.equal((await api.ask("POST /logins", "{", { token: null })).status, 401);
});

type Described = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly description?: string }>>>>;
  readonly components: unknown;
};

void t.test("the served description names every route, with who may use it", async (t) => {
  const api = await freshApi(t);
  const { status, body } = await api.ask("GET /openapi.json", undefined, { token: null });
  t.equal(status, 200);
  const description: Described = JSON.parse(JSON.stringify(body));
  const { openapi, paths, components } = description;
  t.equal(openapi, "3.1.0");
  t.match(components, { securitySchemes: { token: { scheme: "bearer" } } });
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, about]) => `${method.toUpperCase()} ${path}: ${about.description ?? ""}`),
  );
  const asked = routes.map(([line, , allowed]) => {
    const path = line
      .replace(/\?.*/u, "")
      .replace(id, "{id}")
      .replace("/a1", "/{account}")
      .replace("/l1", "/{license}");
    return `${path}: Roles: ${[...allowed, "operator"].join(", ")}.`;
  });
  t.strictSame(new Set(described), new Set([...asked, "GET /health: ", "GET /openapi.json: "]));
  t.notMatch(JSON.stringify(paths), "Default Response", "every answer says what it means");
});

void t.test(
  "a request that is not as described is refused with the place of its fault, and changes nothing",
  async (t) => {
    const api = await freshApi(t);
    const { at: _at, ...timeless } = login;
    const cases: readonly (readonly [string, unknown, RegExp])[] = [
      ["POST /logins", timeless, /body must have required property 'at'/u],
      ["POST /logins", { ...login, claims: { district: "other" } }, /body may not have a field "claims"/u],
      [
        "POST /logins",
        { ...login, userIds: [{ type: "a", identifier: "b", district: "c" }] },
        /may not have a field "district"/u,
      ],
      ["POST /logins", { ...login, subject: 7 }, /body\/subject must be string/u],
      ["POST /logins", { ...login, subject: "" }, /body\/subject must NOT have fewer than 1 characters/u],
      ["POST /logins", { ...login, username: "a\u0000b" }, /holds the character U\+0000/u],
      ["POST /logins", { ...login, username: "a\u0001b" }, /body\/username may not hold control characters/u],
      ["PUT /licenses/writer", { product: "p", orgs: ["0690599"] }, /params\/license may not be `writer`/u],
      ["PUT /accounts/writer", { product: "p" }, /params\/account may not be `writer`/u],
      ["POST /logins", { ...login, subject: "a\ud800" }, /body\/subject may not hold control/u],
      ["POST /logins", { ...login, at: "yesterday" }, /body\/at must be epoch/u],
      ["POST /logins", { ...login, at: Date.UTC(2031, 0) }, /body\/at lies in the future/u],
      ["POST /logins?wait=long", login, /querystring\/wait must be a whole number of milliseconds/u],
      ["POST /logins", "{", /not JSON/u],
      ["POST /logins", JSON.stringify({ ...login, username: "x".repeat(70_000) }), /larger than 64 KiB/u],
      ["GET /logins/1", undefined, /params\/id must be the id of a login: a UUID/u],
      ["GET /logins?district=springfield&state=nope", undefined, /querystring\/state must be one of unlinked, /u],
      ["PUT /licenses/l1", { product: "reading", orgs: [3600001] }, /body\/orgs\/0 must be string/u],
      ["PUT /licenses/l1", { product: "reading", orgs: ["3600001"], seats: "4" }, /body\/seats must be integer/u],
      ["POST /accounts/a1/link", { login: id, proof: "hearsay" }, /body/u],
    ];
    for (const [line, body, says] of cases) {
      const told = await api.ask(line, body);
      t.match(
        [told.status, told.body],
        [400, { error: { code: "request.invalid", message: says } }],
        `${line}: ${says.source}`,
      );
    }
    const route = { code: "api.route", message: "there is no GET /nowhere" };
    t.match(await api.ask("GET /nowhere?a=b"), { status: 404, body: { error: route } });
    for (const topic of ["sso.logins", "licenses", "accounts"])
      t.equal((await api.system.log.extent(topic))?.end, 0, topic);
  },
);

void t.test("health needs no token, and tells of what has stopped in ids alone", async (t) => {
  const api = await freshApi(t);
  const ask = async (): ReturnType<TestApi["ask"]> => api.ask("GET /health", undefined, { token: null });
  const { description: log } = api.system.log;
  const sending = { logAnswer: "ok", unsentMs: null, topics: [] };
  t.strictSame((await ask()).body, { status: "ok", log, ...sending, database: "ok", services: ["ops"], stopped: [] });
  const { system } = api;
  await addDistrict(system, "shelbyville");
  await system.sql("work").insert({
    consumer: "diff",
    topic: "deliveries",
    district: "shelbyville",
    generation: "g",
    offset: 1,
    key: Buffer.from("k"),
    headers: "{}",
    state: "stopped",
    reason: "landing.io: reading a place",
    appended_at: new Date(0),
  });
  const degraded = await ask();
  t.equal(degraded.status, 200);
  t.match(degraded.body, {
    status: "degraded",
    stopped: [{ district: "shelbyville", consumer: "diff", reason: /^landing\.io$/u }],
  });
});

void t.test("without its database the API says so, and what to do", async (t) => {
  const api = await freshApi(t);
  await api.system.database.sql.destroy();
  await api.system.sql.destroy();
  const health = await api.ask("GET /health", undefined, { token: null });
  t.match([health.status, health.body], [503, { status: "down", database: "unreachable" }]);
  const told = await api.ask("GET /licenses");
  t.match([told.status, told.body], [503, { error: { remedy: errorRegister["database.unreachable"].remedy } }]);
  api.system.sql.initialize();
  api.system.database.sql.initialize();
});
