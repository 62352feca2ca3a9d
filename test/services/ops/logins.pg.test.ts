// Logins over HTTP: whose they are, what is appended, what is told. Registration's part is played by rows where a test
// is about the API alone.

import t from "tap";

import { loginId } from "../../../libs/adapters/postgres/people.ts";
import { activeWithoutClasses, activeWords, reasons } from "../../../libs/domain/registration/reasons.ts";
import { freshApi, issuer, type TestApi } from "../../support/api.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { addDistrict } from "../../support/system.ts";

t.setTimeout(120_000);

const at = Date.UTC(2025, 8, 30, 12);
const login = { eventId: "e1", issuer, subject: "s1", at: new Date(at).toISOString() };
const name = { district: "springfield", issuer, subject: "s1" };
const id = loginId(name);
const refused = (code: string, message: RegExp = /./u): object => ({ error: { code, message } });

/** The state of a login as registration would write it. */
async function judged({ system }: TestApi, state: string, reason: string, more: object = {}): Promise<void> {
  const times = { first_at: new Date(at), last_at: new Date(at), since: new Date(at) };
  const row = { id, ...name, event_id: "e1", ...times, claims: "{}", claims_at: "{}", state, reason, ...more };
  await system.sql("logins").insert(row).onConflict("id").merge();
}

async function addOrg(
  { system }: TestApi,
  org: { readonly type: string; readonly identifier: string | null },
): Promise<void> {
  const { type, identifier } = org;
  const common = { district: "springfield", changeset: 1, changed_at: new Date(at) };
  const sourcedId = `${type}-${identifier ?? "none"}`;
  await system
    .sql("roster_orgs")
    .insert({ ...common, sourced_id: sourcedId, name: `The ${sourcedId}`, org_type: type, identifier });
}

async function addUser({ system }: TestApi, sourcedId: string): Promise<void> {
  const common = { district: "springfield", changeset: 1, changed_at: new Date(at) };
  const user = { sourced_id: sourcedId, enabled: true, user_ids: "[]", given_name: "G", family_name: "F", grades: [] };
  await system.sql("roster_users").insert({ ...common, ...user });
}

void t.test("a login is appended whole, keyed by who signed in, and told at once that it was received", async (t) => {
  const api = await freshApi(t);
  const claims = { sourcedId: "u1", username: " ", email: "e@x.example", given: "G", family: null, role: "teacher" };
  const userIds = [{ type: "ldap", identifier: "7" }];
  const { status, body } = await api.ask("POST /logins?wait=0", { ...login, ...claims, userIds });
  t.equal(status, 202);
  const { state, teacher, administrator } = reasons["login.received"];
  const since = new Date(api.system.clock.now()).toISOString();
  const view = {
    id,
    district: "springfield",
    person: null,
    state,
    reason: "login.received",
    since,
    teacher,
    administrator,
    products: [],
  };
  t.strictSame(body, view);
  t.strictSame((await api.ask(`GET /logins/${id}`)).body, view);
  const [record] = await topicRecords(api.system, "sso.logins");
  t.match(record, {
    key: JSON.stringify(["springfield", issuer, "s1"]),
    name: "rollcall.control.Login",
    value: { ...name, at, ...claims, userIds, username: null },
  });
});

void t.test("A073: the district is the one whose sign-on the issuer is, whatever is claimed", async (t) => {
  const api = await freshApi(t);
  const { system } = api;
  const shared = { signOn: { issuers: ["shared", "own"], userIdTypes: [] } };
  await addDistrict(system, "shelbyville", shared);
  await addDistrict(system, "ogdenville", { signOn: { issuers: ["shared"], userIdTypes: [] } });
  const bound = await api.tokenOf("gateway", ["ogdenville"]);
  const cases: readonly (readonly [object, string | null, object])[] = [
    [{ issuer }, null, { district: "springfield" }],
    [{ issuer, district: "springfield" }, null, { district: "springfield" }],
    [{ issuer, district: "shelbyville" }, null, refused("login.issuer-unknown")],
    [{ issuer: "nobody" }, null, refused("login.issuer-unknown")],
    [{ issuer: "share" }, null, refused("login.issuer-unknown")],
    [{ issuer: "own" }, null, { district: "shelbyville" }],
    [{ issuer: "shared" }, null, refused("login.district-unclear")],
    [{ issuer: "shared", district: "ogdenville" }, null, { district: "ogdenville" }],
    [{ issuer: "shared", district: "springfield" }, null, refused("login.issuer-unknown")],
    [{ issuer: "shared" }, bound, { district: "ogdenville" }],
    [{ issuer: "shared", district: "shelbyville" }, bound, refused("login.issuer-unknown")],
    [{ issuer: "own" }, bound, refused("login.issuer-unknown")],
  ];
  for (const [about, token, told] of cases) {
    const { status, body } = await api.ask(
      "POST /logins?wait=0",
      { ...login, ...about },
      token === null ? {} : { token },
    );
    t.match(body, told, JSON.stringify(about));
    t.equal(status, "error" in told ? 422 : 202);
  }
});

void t.test(
  "what a login is told has words for both, without a claim; a token of other districts knows nothing of it",
  async (t) => {
    const api = await freshApi(t);
    await addDistrict(api.system, "shelbyville");
    const [person]: readonly { readonly id: string }[] = await api.system
      .sql("persons")
      .insert({ district: "springfield" })
      .returning("id");
    await judged(api, "inactive", "license.none", {
      person: person?.id,
      claims: JSON.stringify({ email: "canary@x" }),
    });
    const grant = { district: "springfield", person: person?.id, product: "reading", since: new Date(at) };
    await api.system.sql("registrations").insert({ ...grant, status: "refused", reason: "license.none" });
    const { body } = await api.ask(`GET /logins/${id}`);
    const { teacher, administrator } = reasons["license.none"];
    const products = [{ product: "reading", status: "refused", reason: "license.none" }];
    const since = login.at;
    const told = {
      id,
      district: "springfield",
      state: "inactive",
      reason: "license.none",
      since,
      teacher,
      administrator,
    };
    t.strictSame(body, { ...told, person: person?.id, products });
    await judged(api, "active", "open");
    const open = { state: "active", reason: "open" };
    t.match((await api.ask(`GET /logins/${id}`)).body, { ...open, ...activeWithoutClasses });
    const shown = { district: "springfield", class_id: "c1", hash: Buffer.from("h"), published_at: new Date(at) };
    await api.system.sql("teacher_rosters").insert({ ...shown, person: person?.id });
    t.match((await api.ask(`GET /logins/${id}`)).body, { ...open, ...activeWords });
    const own = await api.tokenOf("product", ["springfield"]);
    const other = await api.tokenOf("product", ["shelbyville"]);
    t.equal((await api.ask(`GET /logins/${id}`, undefined, { token: own })).status, 200);
    const unknown = await api.ask(`GET /logins/${id}`, undefined, { token: other });
    t.match([unknown.status, unknown.body], [404, refused("login.unknown")]);
    t.strictSame(unknown.body, (await api.ask(`GET /logins/${loginId({ ...name, subject: "none" })}`)).body);
  },
);

void t.test("a post waits until its event was looked at, and no longer than it was asked to", async (t) => {
  const api = await freshApi(t);
  const startedAt = performance.now();
  const waiting = api.ask("POST /logins?wait=20000", login);
  setTimeout(() => void judged(api, "waiting", "match.none"), 200);
  t.match((await waiting).body, { reason: "match.none" });
  t.ok(performance.now() - startedAt < 10_000);
  const later = { ...login, eventId: "e2", at: at + 1 };
  t.match((await api.ask("POST /logins?wait=100", later)).body, { reason: "match.none" }, "what is known so far");
});

void t.test(
  "A091: a school that is chosen must be one of the roster, or of the district's NCES ids where the roster has none",
  async (t) => {
    const api = await freshApi(t, { ncesDistrictIds: ["3600001"] });
    const choose = async (school: string): ReturnType<TestApi["ask"]> =>
      api.ask(`POST /logins/${id}/school?wait=0`, { school });
    t.match(await choose("360000100001"), { status: 404, body: refused("login.unknown") });
    await api.ask("POST /logins?wait=0", login);
    t.match(await choose("360000100001"), { status: 409, body: refused("login.pending") });
    await judged(api, "choose-school", "org.none");
    const cases: readonly (readonly [string, RegExp])[] = [
      ["36000010001", /leading zero/u],
      ["3600001", /12 digits/u],
      ["36000010000x", /12 digits/u],
      ["360000200001", /ncesDistrictIds/u],
    ];
    for (const [school, says] of cases)
      t.match(await choose(school), { status: 422, body: refused("login.school", says) }, school);
    t.match(await choose("360000100001"), { status: 202, body: { state: "choose-school", schools: [] } });
    await addOrg(api, { type: "school", identifier: "360000100002" });
    await addOrg(api, { type: "school", identifier: "36000010003" });
    await addOrg(api, { type: "district", identifier: "360000100004" });
    t.match(await choose("360000100001"), { status: 422, body: refused("login.school", /no such school/u) });
    t.equal((await choose("360000100004")).status, 422, "no school");
    const { body } = await choose("360000100002");
    t.match(body, { schools: { length: 1, 0: { identifier: "360000100002", name: "The school-360000100002" } } });
    const records = await topicRecords(api.system, "sso.logins");
    t.match(
      records.slice(1).map(({ name: record, value }) => [record, value]),
      ["360000100001", "360000100002"].map((school) => ["rollcall.control.SchoolChoice", { ...name, school }]),
    );
  },
);

void t.test("A110: a person's decision names users of the roster and who decided; it can be undone", async (t) => {
  const api = await freshApi(t);
  await judged(api, "review", "match.several");
  await addUser(api, "u1");
  const link = (users: readonly string[]): ReturnType<TestApi["ask"]> =>
    api.ask(`POST /logins/${id}/link?wait=0`, { users });
  t.match(await link(["u1", "u2"]), { status: 422, body: refused("login.user-unknown", /no user u2$/u) });
  t.equal((await link([])).status, 400);
  t.match(await link(["u1"]), { status: 202, body: { state: "review" } });
  const token = await api.tokenOf("operator");
  const unlink = (): ReturnType<TestApi["ask"]> => api.ask(`POST /logins/${id}/unlink?wait=0`, undefined, { token });
  t.match(await unlink(), { status: 409, body: refused("login.unlinked", /is linked to nobody/u) });
  const [person]: readonly { readonly id: string }[] = await api.system
    .sql("persons")
    .insert({ district: "springfield" })
    .returning("id");
  await judged(api, "active", "open", { person: person?.id });
  t.equal((await unlink()).status, 202);
  const records = await topicRecords(api.system, "sso.logins");
  t.match(
    records.map(({ value }) => value),
    [
      { ...name, verdict: "link", users: ["u1"], by: "operator on this machine" },
      { ...name, verdict: "undo", users: [], person: person?.id, by: "operator-all" },
    ],
  );
});

void t.test("an operator sees which logins wait for a decision, and the users they may be", async (t) => {
  const api = await freshApi(t);
  const [person]: readonly { readonly id: string }[] = await api.system
    .sql("persons")
    .insert({ district: "springfield" })
    .returning("id");
  for (const sourced_id of ["u3", "u1"])
    await api.system
      .sql("person_users")
      .insert({ district: "springfield", sourced_id, person: person?.id, own: person?.id });
  const evidence = JSON.stringify({ candidates: [person?.id, "user:u2"] });
  await judged(api, "review", "match.several", { evidence, claims: JSON.stringify({ email: "canary@x" }) });
  const found = { id, district: "springfield", state: "review", reason: "match.several", since: login.at };
  const ask = async (query: string, token = api.token): Promise<unknown> =>
    (await api.ask(`GET /logins?district=springfield${query}`, undefined, { token })).body;
  t.strictSame(await ask("&state=review"), { logins: [{ ...found, candidates: ["u1", "u2", "u3"] }] });
  t.strictSame(await ask("&state=active"), { logins: [] });
  t.strictSame(await ask(`&after=${id}`), { logins: [] });
  await addDistrict(api.system, "shelbyville");
  t.strictSame(await ask("", await api.tokenOf("operator", ["shelbyville"])), { logins: [] });
});

void t.test("no claim of a login is in a log line or in an error, whatever becomes of it", async (t) => {
  const api = await freshApi(t);
  const canaries = {
    email: "canary-email@x.example",
    given: "Canarygiven",
    family: "Canaryfamily",
    username: "canaryname",
  };
  const bodies = [
    { ...login, ...canaries },
    { ...login, ...canaries, issuer: "nobody" },
    { ...login, ...canaries, at: "canary-time" },
    { ...login, ...canaries, sourcedId: 7 },
    `{"given":"Canarygiven" "Canaryfamily"}`,
  ];
  const told: unknown[] = [];
  for (const body of bodies) told.push((await api.ask("POST /logins?wait=0", body)).body);
  await api.system.sql.schema.renameTable("login_receipts", "gone");
  const failed = await api.ask("POST /logins?wait=0", { ...login, ...canaries, subject: "Canarysubject" });
  t.match([failed.status, failed.body], [500, refused("api.failed")]);
  t.match(api.system.logged(), "request failed", "something was logged");
  t.notMatch(JSON.stringify(told) + JSON.stringify(failed.body) + api.system.logged(), /canary/iu);
});
