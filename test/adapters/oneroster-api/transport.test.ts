// One exchange with a source: read whole or not at all, within limits, and by TLS with those alone who are who they say.

import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { setDefaultCACertificates } from "node:tls";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";

import t from "tap";

import { Transport } from "../../../libs/adapters/oneroster-api/transport.ts";
import { expiredCertificate, goodCertificate, othersCertificate, testAuthority } from "../../support/certificates.ts";
import { type Answering, type Given, httpServer } from "../../support/http-server.ts";
import { body, clientOf, patience, refused, serving } from "./shared.ts";

t.test("what is packed or in another charset is read, and what is not whole is asked for again", async (t) => {
  const json = Buffer.from(JSON.stringify(body));
  const latin = Buffer.from(JSON.stringify(body), "latin1");
  const mark = Buffer.from([0xef, 0xbb, 0xbf]);
  const wide = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(JSON.stringify(body), "utf16le")]);
  const typed = (type: string): NonNullable<Given["headers"]> => ({ "content-type": type });
  const cases: readonly (readonly [string, Given, number?])[] = [
    ["gzip", { body: gzipSync(json), headers: { "content-encoding": "gzip" } }],
    ["deflate", { body: deflateSync(json), headers: { "content-encoding": "deflate" } }],
    ["raw deflate", { body: deflateRawSync(json), headers: { "content-encoding": "deflate" } }],
    ["br", { body: brotliCompressSync(json), headers: { "content-encoding": "br" } }],
    ["gzip within br", { body: brotliCompressSync(gzipSync(json)), headers: { "content-encoding": "gzip, br" } }],
    ["identity", { body: json, headers: { "content-encoding": "identity" } }],
    ["a byte order mark", { body: Buffer.concat([mark, json]) }],
    ["latin1 as said", { body: latin, headers: typed("application/json; charset=ISO-8859-1") }],
    ["latin1 said of UTF-8", { body: json, headers: typed('application/json; charset="iso-8859-1"') }],
    ["an unknown charset", { body: json, headers: typed("application/json; charset=utf8mb4") }],
    ["UTF-16", { body: wide }],
    ["the wrong type", { body: json, headers: typed("text/html") }],
    ["a broken packing", { body: gzipSync(json).subarray(0, 20), headers: { "content-encoding": "gzip" } }, 2],
    ["no packing at all", { body: json, headers: { "content-encoding": "gzip" } }, 2],
    ["cut short", { body: json, cutAt: 10 }, 2],
  ];
  for (const [what, given, requests = 1] of cases) {
    const { server, get } = await serving(t, (_, count) => (count === 1 ? given : { body }));
    t.same(JSON.parse((await get()).text), body, what);
    t.equal(server.asked.length, requests, what);
  }
  const { get } = await serving(t, () => ({ body: latin }));
  t.match((await refused(t, get, "api.answer")).message, /no text in the charset/u, "bytes that are no UTF-8");
});

t.test("an answer that never gets whole or gets too large is a fault with its reason", async (t) => {
  const large = Buffer.alloc(4_096, "x");
  for (const [given, code, words] of [
    [{ body, cutAt: 10 }, "api.unreachable", /broken off, tried 4 times/u],
    [{ body, headers: { "content-encoding": "gzip" } }, "api.answer", /cannot be decompressed, tried 4 times/u],
    [{ body: large }, "api.answer", /larger than/u],
    [{ body: gzipSync(large), headers: { "content-encoding": "gzip" } }, "api.answer", /larger than/u],
  ] as const) {
    const { get } = await serving(t, () => given, { limitBytes: 1_024 });
    t.match((await refused(t, get, code)).message, words);
  }
  const { get } = await serving(t, () => ({ body: large }), { limitBytes: 4_096 });
  t.equal((await get()).text.length, 4_096, "the limit itself is allowed");
});

t.test("silence and slowness end a request", async (t) => {
  const short = { ...patience, tries: 2, silenceMs: 60, requestMs: 200 };
  const drip: Answering = () => (response) => {
    const timer = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(timer));
  };
  for (const [answer, words] of [
    [() => null, /sent nothing for 0\.06 s, tried 2 times/u],
    [drip, /not whole after 0\.2 s, tried 2 times/u],
  ] as const) {
    const { server, get } = await serving(t, answer, { patience: short });
    t.match((await refused(t, get, "api.unreachable")).message, words);
    await sleep(20);
    t.equal(await server.connections(), 0, "nothing is left open");
  }
});

t.test("an abort ends what is under way, waits its turn, or pauses; so does close", async (t) => {
  for (const end of ["abort", "close"] as const) {
    const stopping = new AbortController();
    const { server, client, get } = await serving(t, () => null, { signal: stopping.signal, atOnce: () => 1 });
    const pausing = await serving(t, () => ({ status: 429, headers: { "retry-after": "60" } }), {
      signal: stopping.signal,
    });
    const all = [get(), get(), pausing.get()].map((each) =>
      each.then(
        () => "answer",
        (error: unknown) => error,
      ),
    );
    while (server.asked.length === 0 || pausing.server.asked.length === 0) await sleep(5);
    const reason = new Error("enough");
    if (end === "abort") stopping.abort(reason);
    else await Promise.all([client.close(), pausing.client.close()]);
    for (const thrown of await Promise.all(all)) {
      if (end === "abort") t.equal(thrown, reason);
      else t.match(thrown, { message: /was closed/u });
    }
    await sleep(20);
    t.equal(await server.connections(), 0);
    await t.rejects(get(), end === "abort" ? reason : /was closed/u, "and nothing begins afterwards");
    t.equal(server.asked.length, 1);
    await client.close();
  }
});

t.test("who is not there is named in plain words, and asked again only where somebody was", async (t) => {
  const closed = await httpServer(t, () => null);
  const gone = await serving(t, () => ({ body }));
  for (const [base, words] of [
    ["https://nobody.invalid/ims", /no machine of that name is known \(DNS\)/u],
    ["http://sis.example.org/ims", /by https alone/u],
    [`https://127.0.0.1:${closed.port}/ims`, /speaks no TLS/u],
    ["http://127.0.0.1:1/ims", /refuses the connection[^,]*, or a firewall is in between$/u],
  ] as const) {
    const client = clientOf(t, base);
    t.match((await refused(t, () => client.get(new URL(`${base}/orgs`)), "api.unreachable")).message, words);
    t.ok(client.requests() <= 1, "not asked again");
  }
  t.equal((await gone.get()).status, 200);
});

t.test("a certificate that nobody vouches for, that has expired or is another's is refused and named", async (t) => {
  const get = async (certificate: typeof goodCertificate): Promise<unknown> => {
    const server = await httpServer(t, () => ({ body }), certificate);
    return clientOf(t, server.url).get(new URL(`${server.url}/orgs`));
  };
  const unknown = await refused(t, () => get(goodCertificate), "api.unreachable");
  t.match(unknown.message, /certificate (?:cannot be verified|comes from an authority that is not known)/u);
  setDefaultCACertificates([testAuthority]);
  t.match(await get(goodCertificate), { status: 200 });
  t.match((await refused(t, () => get(expiredCertificate), "api.unreachable")).message, /certificate has expired/u);
  t.match(
    (await refused(t, () => get(othersCertificate), "api.unreachable")).message,
    /certificate is for another host/u,
  );
});

t.test("http is left for https of the same host, and never come back to", async (t) => {
  setDefaultCACertificates([testAuthority]);
  let back = false;
  const secure = await httpServer(
    t,
    () => (back ? { status: 301, headers: { location: `${open.url}/orgs` } } : { body }),
    goodCertificate,
  );
  const open = await httpServer(t, ({ target }) => ({ status: 301, headers: { location: `${secure.url}${target}` } }));
  const client = clientOf(t, open.url);
  const url = new URL(`${open.url}/orgs?limit=1`);
  t.equal((await client.get(url)).url.href, `${secure.url}/orgs?limit=1`);
  t.equal((await client.get(url)).url.protocol, "https:");
  t.equal(open.asked.length, 1, "asked by https from then on");
  back = true;
  t.match((await refused(t, () => client.get(url), "api.redirected")).message, /redirects to http:/u);
  t.equal(open.asked.length, 1);
});

t.test("a long pull leaves no listeners behind on its signal", async (t) => {
  const server = await httpServer(t, () => ({ body }));
  const transport = new Transport({ patience, signal: new AbortController().signal, allowHttp: false });
  t.teardown(() => transport.close());
  const one = { method: "GET", url: new URL(server.url), headers: {} } as const;
  for (let times = 0; times < 3; times += 1) await transport.exchange(one);
  t.equal(getEventListeners(transport.signal, "abort").length, 0);
});
