// Requests to a source: signed afresh, followed within its host, repeated with patience, and never telling a secret.

import t from "tap";

import type { Signer } from "../../../libs/adapters/oneroster-api/signer.ts";
import { type Answering, httpServer } from "../../support/http-server.ts";
import { body, refused, serving, vendorSecret } from "./shared.ts";

t.test("a request carries what signs it and the vendor's headers, and its answer comes whole", async (t) => {
  const { server, client, get } = await serving(t, () => ({ body, headers: { "X-Total-Count": "5" } }));
  const answer = await get("/orgs?filter=role='a b'");
  t.equal(answer.status, 200);
  t.equal(answer.headers.get("x-total-count"), "5");
  t.same(JSON.parse(answer.text), body);
  const [asked] = server.asked;
  t.equal(asked?.target, "/ims/oneroster/v1p1/orgs?filter=role%3D%27a%20b%27", "sent as it is signed");
  t.match(asked?.headers.authorization, /^OAuth oauth_consumer_key="demo-key"/u);
  t.equal(asked?.headers["x-vendor-authorization"], `vendor:${vendorSecret}`);
  t.equal(client.requests(), 1);
});

t.test(
  "what may pass is asked for again, each time signed by a nonce of its own; other refusals are not",
  async (t) => {
    const reset: Answering = (_, count) => (count < 4 ? (response) => response.destroy() : { body });
    for (const status of [408, 425, 429, 500, 502, 503, 504, 599]) {
      const { server, get } = await serving(t, (_, count) => (count < 4 ? { status, body: "<html>" } : { body }));
      t.equal((await get()).status, 200);
      t.equal(server.asked.length, 4, String(status));
      const nonces = server.asked.map(({ headers }) => /oauth_nonce="(\w+)"/u.exec(headers.authorization ?? "")?.[1]);
      t.equal(new Set(nonces).size, 4);
    }
    const broken = await serving(t, reset);
    t.equal((await broken.get()).status, 200, "resets");
    for (const [status, code] of [
      [400, "api.answer"],
      [403, "api.forbidden"],
      [405, "api.answer"],
      [422, "api.answer"],
      [501, "api.answer"],
    ] as const) {
      const { server, get } = await serving(t, () => ({ status, body: { name: "canary child" } }));
      t.equal((await refused(t, get, code)).details["status"], status);
      t.equal(server.asked.length, 1, String(status));
    }
  },
);

t.test("patience has an end, and the error says of which address, without its secrets", async (t) => {
  const { server, client, get } = await serving(t, () => ({ status: 503 }));
  const thrown = await refused(t, get, "api.unreachable");
  t.equal(thrown.message, `reading ${client.baseUrl}/orgs?limit=2&offset=4: it answers 503, tried 4 times`);
  t.equal(server.asked.length, 4);
});

t.test("of a refusal only the standard's own words are told", async (t) => {
  for (const [told, word] of [
    [
      {
        imsx_codeMajor: "failure",
        imsx_CodeMinor: { imsx_codeMinorField: [{ imsx_codeMinorFieldValue: "invaliddata" }] },
      },
      "invaliddata",
    ],
    [{ statusInfoSet: [{ imsx_codeMinor: "Invalid_Filter_Field" }] }, "invalid_filter_field"],
    [{ errors: [{ CodeMinor: "invalid data", Description: "canary child" }] }, "invalid data"],
    [{ description: "canary child has invaliddata" }, undefined],
  ] as const) {
    const { get } = await serving(t, () => ({ status: 400, body: told }));
    const thrown = await refused(t, get, "api.answer");
    t.equal(thrown.details["word"], word);
    t.match(thrown.message, word === undefined ? /answers 400$/u : new RegExp(`answers 400: ${word}$`, "u"));
  }
});

t.test("Retry-After is kept to, in seconds or as a date by the source's clock, beside HTML as well", async (t) => {
  const date = (ms: number): string => new Date(ms).toUTCString();
  const then = Date.parse("2020-01-01T00:00:00Z");
  for (const [headers, restMs] of [
    [{ "retry-after": "0.15" }, 150],
    [{ "retry-after": date(then + 1_000), date: date(then) }, 1_000],
    [{ "retry-after": date(then), date: date(then + 1_000) }, 0],
    [{ "retry-after": "soon" }, 0],
  ] as const) {
    const { get } = await serving(t, (_, count) =>
      count === 1
        ? { status: 429, body: "<html>slow down</html>", headers: { "content-type": "text/html", ...headers } }
        : { body },
    );
    const begun = performance.now();
    await get();
    const took = performance.now() - begun;
    t.ok(took >= restMs - 2 && took < restMs + 900, `${restMs} ms asked for, ${Math.round(took)} waited`);
  }
  const { server, get } = await serving(t, () => ({ status: 429, headers: { "retry-after": "3600" } }));
  t.match((await refused(t, get, "api.unreachable")).message, /429 and asks to be left alone for 3600 s/u);
  t.equal(server.asked.length, 1, "longer than patience lasts: given up at once");
});

t.test("while a source asks to be left alone, nobody else asks either", async (t) => {
  const times: number[] = [];
  const { get } = await serving(
    t,
    (_, count) => {
      times.push(performance.now());
      return count === 1 ? { status: 503, headers: { "retry-after": "0.2" } } : { body };
    },
    { atOnce: () => 1 },
  );
  await Promise.all([get(), get(), get()]);
  t.equal(times.length, 4);
  const [first = 0, ...later] = times;
  t.ok(
    later.every((time) => time - first >= 190),
    String(later.map((time) => Math.round(time - first))),
  );
});

t.test("a redirect is followed on the same host, signed for where it leads", async (t) => {
  const { server, get } = await serving(t, ({ target }) =>
    target.startsWith("/moved") ? { body } : { status: 302, headers: { location: "/moved/orgs?limit=2" } },
  );
  t.match((await get()).url.href, /\/moved\/orgs\?limit=2$/u);
  const [one, two] = server.asked.map(({ headers }) => headers.authorization);
  t.not(one, two, "signed afresh");
});

t.test("to another host, another port, or round in circles nothing is sent", async (t) => {
  const stranger = await httpServer(t, () => ({ body }));
  for (const [location, words] of [
    [`${stranger.url}/orgs`, /redirects to http:\/\/127\.0\.0\.1:/u],
    ["https://login.example.org/?canary=canary", /redirects to https:\/\/login\.example\.org$/u],
    ["/ims/oneroster/v1p1/orgs", /more than 5 times/u],
  ] as const) {
    const { server, get } = await serving(t, () => ({ status: 307, headers: { location } }));
    const thrown = await refused(t, get, "api.redirected");
    t.match(thrown.message, words);
    t.equal(server.asked.length, location.startsWith("/") ? 6 : 1);
  }
  const { client } = await serving(t, () => ({ body }));
  for (const foreign of [`${stranger.url}/orgs`, "https://sis.example.org/orgs"]) {
    await refused(t, () => client.get(new URL(foreign)), "api.redirected");
  }
  t.equal(stranger.asked.length, 0, "no credentials, not even a request");
});

t.test("cookies go back to the host that set them, until they end", async (t) => {
  const { server, get } = await serving(t, (_, count) => ({
    body,
    headers: {
      "set-cookie":
        count === 1
          ? [
              "node=a=b; Path=/; HttpOnly",
              "old=1; Max-Age=0",
              "safe=1; Secure",
              "b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT",
              "=x",
              "y",
            ]
          : ["node=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
    },
  }));
  for (let times = 0; times < 3; times += 1) await get();
  t.same(
    server.asked.map(({ headers }) => headers.cookie),
    [undefined, "node=a=b; b=2", "b=2"],
  );
});

t.test("after a 401 a request is signed anew and repeated once", async (t) => {
  const log: string[] = [];
  const signer: Signer = {
    sign: (url) => Promise.resolve({ url, authorization: `Bearer ${log.length}` }),
    refuse: (authorization) => Promise.resolve(void log.push(authorization)),
    scopes: () => ["a"],
  };
  const { client, get } = await serving(
    t,
    ({ headers }) => (headers.authorization === "Bearer 0" ? { status: 401 } : { body }),
    { signer },
  );
  t.equal((await get()).status, 200);
  t.same(log, ["Bearer 0"]);
  t.same(client.grantedScopes(), ["a"]);
  const always = await serving(t, () => ({ status: 401, headers: { date: "Wed, 01 Jan 2020 00:00:00 GMT" } }));
  t.match(
    (await refused(t, always.get, "api.unauthorised")).message,
    /refuses the credentials \(401\); its clock and ours are \d+ minutes apart/u,
  );
  t.equal(always.server.asked.length, 2);
});

t.test("404 is an answer, no content is an empty collection, and a page for people is a fault", async (t) => {
  for (const [given, status, text] of [
    [{ status: 404, body: "<html>" }, 404, "<html>"],
    [{ status: 404, body: Buffer.from([0xff, 0x41]) }, 404, ""],
    [{ status: 204 }, 200, "{}"],
    [{ body: "" }, 200, ""],
  ] as const) {
    const { get } = await serving(t, () => given);
    const answer = await get();
    t.same([answer.status, answer.text], [status, text]);
  }
  for (const given of [
    { body: "\n <!DOCTYPE html><p>canary" },
    { body: "<?xml?>", headers: { "content-type": "application/json" } },
  ]) {
    const { get } = await serving(t, () => given);
    t.match((await refused(t, get, "api.answer")).message, /HTML page/u);
  }
});

t.test("no more are under way than allowed at each start, and they start in order", async (t) => {
  let atOnce = 3;
  const { server, get } = await serving(t, () => ({ body, afterMs: 15 }), { atOnce: () => atOnce });
  const order = Array.from({ length: 9 }, (_, place) => get(`/orgs?offset=${place}`));
  await Promise.race(order);
  atOnce = 1;
  await Promise.all(order);
  const most = server.asked.map(({ underWay }) => underWay);
  t.equal(Math.max(...most), 3);
  t.same(most.slice(5), [1, 1, 1, 1], "in the peak one at a time");
  const offsets = server.asked.map(({ target }) => Number(new URLSearchParams(target.split("?")[1]).get("offset")));
  t.same(
    offsets,
    offsets.toSorted((a, b) => a - b),
  );
  atOnce = 0;
  t.equal((await get()).status, 200, "none is one");
});
