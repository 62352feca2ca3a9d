// Districts that share through ClassLink's proxy: how they are listed, found, disabled and gone (A052, A053, C014).

import t, { type Test } from "tap";

import { connect } from "../../../libs/adapters/oneroster-api/connect.ts";
import { listShares, type Share } from "../../../libs/adapters/oneroster-api/shares.ts";
import { classlink } from "../../../libs/domain/api/profiles/classlink.ts";
import { type Answering, type Asked, httpServer, type HttpServer } from "../../support/http-server.ts";
import { body, patience, refused } from "./shared.ts";
import { settingsOf } from "./settings.ts";

const key = "canary-partner-key";
const signal = new AbortController().signal;
const oak = {
  id: 1,
  tenant_id: "oak-1",
  tenant_name: "Oak District",
  application_id: "77",
  oneroster_application_id: "b2Fr%3D%3D",
  bearer: "canary-oak",
  enabled: "true",
  tenant_status: "Active",
};

const elm = { ...oak, tenant_id: "elm-1", application_id: "1", oneroster_application_id: "elm" };

const listed = (proxyUrl: string): Promise<readonly Share[]> => listShares({ proxyUrl, key, signal, patience });

t.test("shares are listed by the partner's key, in whatever letter case their properties come", async (t) => {
  const odd = { TenantId: 5, TenantName: "Elm", OneRosterApplicationId: "elm", Bearer: "canary-elm", Enabled: true };
  for (const answer of [[oak, odd, null, { name: "no application" }], { applications: [oak, odd] }]) {
    const server = await httpServer(t, () => ({ body: answer }));
    t.same(await listed(`${server.url}/`), [
      {
        application: "b2Fr%3D%3D",
        applicationId: "77",
        tenant: "oak-1",
        name: "Oak District",
        isEnabled: true,
        bearer: "canary-oak",
      },
      { application: "elm", applicationId: null, tenant: "5", name: "Elm", isEnabled: true, bearer: "canary-elm" },
    ]);
    t.equal(server.asked[0]?.target, "/applications");
    t.equal(server.asked[0]?.headers.authorization, `Bearer ${key}`);
  }
});

t.test("enabled is a text, and a tenant that is not active shares nothing", async (t) => {
  for (const [fields, isEnabled] of [
    [{ enabled: "True" }, true],
    [{ enabled: "false" }, false],
    [{ enabled: "" }, false],
    [{ enabled: null }, false],
    [{ tenant_status: "Inactive" }, false],
    [{ tenant_status: null }, true],
  ] as const) {
    const server = await httpServer(t, () => ({ body: [{ ...oak, ...fields }] }));
    t.equal((await listed(server.url))[0]?.isEnabled, isEnabled, JSON.stringify(fields));
  }
});

t.test("what is no list is a fault, never an empty list", async (t) => {
  for (const [given, code] of [
    [{ body: {} }, "api.answer"],
    [{ body: "" }, "api.answer"],
    [{ body: "<html>canary" }, "api.answer"],
    [{ status: 404, body: [] }, "api.answer"],
    [{ status: 401 }, "api.unauthorised"],
    [{ status: 403 }, "api.unauthorised"],
    [{ status: 503 }, "api.unreachable"],
  ] as const) {
    const server = await httpServer(t, () => given);
    await refused(t, () => listed(server.url), code);
  }
  const server = await httpServer(t, () => ({ body: [] }));
  t.same(await listed(server.url), []);
});

type State = { shares: readonly object[]; bearer: string };

/** A proxy that lists the shares of the state, and gives orgs for its bearer. */
async function proxied(t: Test, state: State) {
  const answer: Answering = ({ target, headers }: Asked) => {
    if (target === "/applications") return { body: state.shares };
    return headers.authorization === `Bearer ${state.bearer}` ? { body } : { status: 401 };
  };
  const server = await httpServer(t, answer);
  const open = async (tenant: string) => {
    const settings = settingsOf({ profile: "classlink", version: "1.1", auth: "proxy", baseUrl: server.url, tenant });
    const profile = classlink;
    const api = await connect({
      settings,
      profile,
      credentials: { secret: key },
      wanted: ["orgs"],
      atOnce: () => 4,
      signal,
      patience,
    });
    t.teardown(() => api.close());
    return api;
  };
  return { server, open };
}

const applicationsAsked = ({ asked }: HttpServer): number =>
  asked.filter(({ target }) => target === "/applications").length;

t.test("a district is found by any of its ids, and its escaped id is sent as it came", async (t) => {
  const { server, open } = await proxied(t, { shares: [elm, oak], bearer: "canary-oak" });
  for (const tenant of ["oak-1", "77", "b2Fr%3D%3D", "b2Fr=="]) {
    const api = await open(tenant);
    t.equal(api.baseUrl, `${server.url}/b2Fr%3D%3D/ims/oneroster/v1p1`);
    t.equal((await api.get(new URL(`${api.baseUrl}/orgs`))).status, 200);
    t.equal(server.asked.at(-1)?.target, "/b2Fr%3D%3D/ims/oneroster/v1p1/orgs");
  }
});

t.test("the id of an application that is another district's number leads to no other district", async (t) => {
  // What is enabled must not decide whose pupils are read.
  const shares = [
    { ...elm, tenant_id: "77" },
    { ...oak, enabled: "false" },
  ];
  const { open } = await proxied(t, { shares, bearer: "canary-oak" });
  t.match((await open("77")).baseUrl, /elm/u, "the district's own id goes first");
  const same = await proxied(t, { shares: [oak, { ...elm, application_id: "77" }], bearer: "canary-oak" });
  const thrown = await refused(t, () => same.open("77"), "api.share");
  t.match(thrown.message, /the id of several districts/u);
});

t.test("a share that is disabled or gone is told as which, and the district's rosters are not asked for", async (t) => {
  for (const [shares, share] of [
    [[{ ...oak, enabled: "false" }], "disabled"],
    [[{ ...oak, tenant_id: "elm", application_id: "1", oneroster_application_id: "elm" }], "gone"],
    [[], "gone"],
  ] as const) {
    const { server, open } = await proxied(t, { shares, bearer: "canary-oak" });
    const thrown = await refused(t, () => open("oak-1"), "api.share");
    t.match(thrown.details, { tenant: "oak-1", share });
    t.match(thrown.message, share === "gone" ? /not among the districts/u : /has disabled our application/u);
    t.equal(server.asked.length, 1);
  }
  const { open } = await proxied(t, { shares: [{ ...oak, enabled: "false" }, oak], bearer: "canary-oak" });
  t.ok(await open("oak-1"), "one that is enabled is enough");
});

t.test("a refused bearer is looked up again once, for all that wait", async (t) => {
  const state: State = { shares: [oak], bearer: "canary-oak" };
  const { server, open } = await proxied(t, state);
  const api = await open("oak-1");
  const url = new URL(`${api.baseUrl}/orgs`);
  state.bearer = "canary-new";
  state.shares = [{ ...oak, bearer: "canary-new" }];
  const answers = await Promise.all([api.get(url), api.get(url), api.get(url)]);
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  t.equal(applicationsAsked(server), 2);
  state.bearer = "canary-other";
  await refused(t, () => api.get(url), "api.unauthorised");
  t.equal(applicationsAsked(server), 3, "not again and again");
  state.shares = [];
  t.equal((await refused(t, () => api.get(url), "api.share")).details["share"], "gone", "revoked in mid-pull");
});
