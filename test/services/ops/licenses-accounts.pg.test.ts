// Licenses and accounts over HTTP: whole states are appended, faults are named, and nothing is guessed.

import t from "tap";

import { loginId } from "../../../libs/adapters/postgres/people.ts";
import { freshApi, issuer } from "../../support/api.ts";
import { topicRecords } from "../../support/pipeline.ts";
import { addDistrict } from "../../support/system.ts";

t.setTimeout(120_000);

const refused = (code: string, message: RegExp = /./u): object => ({ error: { code, message } });
const name = { district: "springfield", issuer, subject: "s1" };

void t.test(
  "A090: a license names organisations by whole NCES ids; one that lost a digit is refused, not completed",
  async (t) => {
    const api = await freshApi(t);
    const whole = { product: "reading", orgs: ["0600001"] };
    const cases: readonly (readonly [object, string, RegExp])[] = [
      [{ orgs: ["600001"] }, "license.org", /600001 lacks a digit.*leading zero/u],
      [{ orgs: ["0600001", "60000100001"] }, "license.org", /60000100001 lacks a digit/u],
      [{ orgs: ["springfield"] }, "license.org", /no.* NCES id/u],
      [{ validFrom: "2025-02-30" }, "license.validity", /YYYY-MM-DD/u],
      [{ validTo: "6/30/2026" }, "license.validity", /YYYY-MM-DD/u],
      [{ validFrom: "2026-07-01", validTo: "2026-07-01" }, "license.validity", /before/u],
    ];
    for (const [part, code, says] of cases)
      t.match(await api.ask("PUT /licenses/l1?wait=0", { ...whole, ...part }), {
        status: 422,
        body: refused(code, says),
      });
    const seated = {
      ...whole,
      orgs: ["0600001", "060000100001", "0600001"],
      validFrom: "2025-07-01",
      validTo: null,
      seats: 5,
    };
    const put = await api.ask("PUT /licenses/l1?wait=0", seated);
    t.match(put, { status: 202, body: { license: "l1", orgs: { length: 2 }, seats: 5, settled: false } });
    t.equal((await api.ask("DELETE /licenses/l1?wait=0")).status, 202);
    const records = await topicRecords(api.system, "licenses");
    t.match(records, [
      {
        key: '["l1"]',
        value: {
          license: "l1",
          product: "reading",
          orgs: ["0600001", "060000100001"],
          validFrom: "2025-07-01",
          validTo: null,
        },
      },
      { key: '["l1"]', name: "null" },
    ]);
  },
);

void t.test("licenses are listed as they were taken in, with the seats that are taken", async (t) => {
  const api = await freshApi(t);
  const { sql } = api.system;
  const dates = { valid_from: "2025-07-01", valid_to: "2026-07-01", at: new Date(0) };
  await sql("licenses").insert({ id: "l1", product: "reading", orgs: ["0600001"], seats: 2, ...dates });
  const [person]: readonly { readonly id: string }[] = await sql("persons")
    .insert({ district: "springfield" })
    .returning("id");
  await sql("seats").insert({ license: "l1", person: person?.id, district: "springfield", taken_at: new Date(0) });
  const validity = { validFrom: "2025-07-01", validTo: "2026-07-01" };
  const listed = [{ license: "l1", product: "reading", orgs: ["0600001"], ...validity, seats: 2, taken: 1 }];
  t.strictSame((await api.ask("GET /licenses")).body, { licenses: listed });
  const bound = await api.tokenOf("operator", ["springfield"]);
  for (const line of ["GET /licenses", "GET /licenses/l1/seats", "DELETE /licenses/l1?wait=0"])
    t.match(await api.ask(line, undefined, { token: bound }), { status: 403, body: refused("token.forbidden") }, line);
});

void t.test("whoever puts a license is told what it replaced, and only one that is there is taken away", async (t) => {
  const api = await freshApi(t);
  const put = async (orgs: readonly string[]): Promise<unknown> =>
    (await api.ask("PUT /licenses/l1?wait=0", { product: "reading", orgs })).body;
  const unknown = { status: 404, body: refused("license.unknown", /there is no license l1/u) };
  for (const line of ["DELETE /licenses/l1?wait=0", "GET /licenses/l1/seats"])
    t.match(await api.ask(line), unknown, line);
  t.match(await put(["0600001", "0600002"]), { replaced: false, lostOrgs: { length: 0 } });
  t.match(await put(["0600002"]), { replaced: true, lostOrgs: ["0600001"] }, "also before it is taken in");
  t.equal((await api.ask("DELETE /licenses/l1?wait=0")).status, 202);
  t.match(await api.ask("DELETE /licenses/l1?wait=0"), unknown, "not twice");
  t.match(await put(["0600001"]), { replaced: false });
  await api.system.inbox.pump({ consumer: "registration-licenses", topics: ["licenses"] });
  t.match(await put(["0600001"]), { replaced: true }, "one that is copied and waits");
  await api.system.inbox.pump({ consumer: "registration-licenses", topics: ["licenses"] });
  await api.system.sql("work").update({ state: "done" });
  t.match(await put(["0600001"]), { replaced: false }, "what is worked off is in the table, or gone");
});

void t.test("who holds the seats of a license is told in ids, in the order in which they came", async (t) => {
  const api = await freshApi(t);
  const { sql } = api.system;
  await sql("licenses").insert({ id: "l1", product: "reading", orgs: ["0600001"], at: new Date(0) });
  const persons: readonly { readonly id: string }[] = await sql("persons")
    .insert([{ district: "springfield" }, { district: "springfield" }])
    .returning("id");
  const [first, second] = persons
    .map(({ id }) => id)
    .toSorted()
    .toReversed();
  const seat = { license: "l1", district: "springfield", taken_at: new Date(0) };
  for (const person of [first, second]) await sql("seats").insert({ ...seat, person });
  for (const user of ["u2", "u1"])
    await sql("person_users").insert({ district: "springfield", sourced_id: user, person: first, own: first });
  const held = { district: "springfield", since: "1970-01-01T00:00:00.000Z" };
  t.strictSame((await api.ask("GET /licenses/l1/seats")).body, {
    license: "l1",
    seats: [
      { person: first, ...held, sourcedIds: ["u1", "u2"] },
      { person: second, ...held, sourcedIds: [] },
    ],
  });
});

void t.test("a token for licensing cannot be bound to a district, for it could do nothing", async (t) => {
  const api = await freshApi(t);
  await t.rejects(api.tokenOf("licensing", ["springfield"]), { code: "usage", message: /for all districts/u });
});

void t.test(
  "each change of an account appends its whole state, and the email address is shown to nobody",
  async (t) => {
    const api = await freshApi(t);
    const link = { ...name, proof: "access-code" };
    const steps: readonly (readonly [string, unknown])[] = [
      ["PUT /accounts/a1?wait=0", { product: "reading", email: "canary@x.example" }],
      ["POST /accounts/a1/link?wait=0", link],
      ["POST /accounts/a1/activate?wait=0", undefined],
      ["PUT /accounts/a1?wait=0", { product: "reading" }],
      ["POST /accounts/a1/deactivate?wait=0", undefined],
      ["PUT /accounts/a1?wait=0", { product: "reading", email: null }],
      ["POST /accounts/a1/unlink?wait=0", undefined],
    ];
    for (const [line, body] of steps) {
      const told = await api.ask(line, body);
      t.equal(told.status, 202, line);
      t.notMatch(JSON.stringify(told.body), "canary", line);
    }
    const email = "canary@x.example";
    const values = (await topicRecords(api.system, "accounts")).map(({ value }) => value);
    t.match(values, [
      { account: "a1", product: "reading", email, link: null, active: false },
      { email, link, active: false },
      { email, link, active: true },
      { email, link, active: true },
      { email, link, active: false },
      { email: null, link, active: false },
      { email: null, link: null, active: false },
    ]);
    const at = new Date(api.system.clock.now()).toISOString();
    const { body } = await api.ask("GET /accounts/a1");
    t.strictSame(body, { account: "a1", product: "reading", active: false, link: null, at });
    t.notMatch(api.system.logged(), "canary");
  },
);

void t.test("changes to one account at the same instant are all made", async (t) => {
  const api = await freshApi(t);
  const link = { ...name, proof: "existing-account" };
  await Promise.all(["a@x", "b@x"].map((email) => api.ask("PUT /accounts/a1?wait=0", { product: "reading", email })));
  await Promise.all([
    api.ask("POST /accounts/a1/link?wait=0", link),
    api.ask("POST /accounts/a1/activate?wait=0"),
    api.ask("PUT /accounts/a1?wait=0", { product: "reading", email: "c@x" }),
  ]);
  const records = await topicRecords(api.system, "accounts");
  t.equal(records.length, 5);
  t.match(records.at(-1)?.value, { email: "c@x", link, active: true });
});

void t.test("an account is linked to one login, by proof, and stays of one product", async (t) => {
  const api = await freshApi(t);
  t.match(await api.ask("POST /accounts/a1/activate?wait=0"), { status: 404, body: refused("account.unknown") });
  await api.ask("PUT /accounts/a1?wait=0", { product: "reading" });
  t.match(await api.ask("PUT /accounts/a1?wait=0", { product: "maths" }), {
    status: 409,
    body: refused("account.product"),
  });
  const link = async (about: object): ReturnType<typeof api.ask> =>
    api.ask("POST /accounts/a1/link?wait=0", { ...about, proof: "access-code" });
  t.match(await link({ ...name, issuer: "other" }), { status: 422, body: refused("login.issuer-unknown") });
  t.match(await link({ ...name, district: "nowhere" }), { status: 422, body: refused("login.issuer-unknown") });
  t.match(await link({ login: loginId(name) }), { status: 404, body: refused("login.unknown") });
  await api.ask("POST /logins?wait=0", { eventId: "e1", issuer, subject: "s1", at: 1 });
  t.match(await link({ login: loginId(name) }), { status: 409, body: refused("login.pending") });
  const times = { first_at: new Date(1), last_at: new Date(1), since: new Date(1) };
  const seen = { ...times, event_id: "e1", claims: "{}", claims_at: "{}" };
  await api.system
    .sql("logins")
    .insert({ id: loginId(name), ...name, ...seen, state: "waiting", reason: "match.none" });
  const linked = { login: loginId(name), district: "springfield", proof: "access-code" };
  t.match(await link({ login: loginId(name) }), { status: 202, body: { link: linked } });
  t.equal((await link(name)).status, 202, "the same once more");
  t.match(await link({ ...name, subject: "s2" }), {
    status: 409,
    body: refused("account.linked", /a1 is linked to login [0-9a-f-]{36} already/u),
  });
  await addDistrict(api.system, "shelbyville");
  const other = await api.tokenOf("accounts", ["shelbyville"]);
  for (const line of ["GET /accounts/a1", "POST /accounts/a1/activate?wait=0"])
    t.match(await api.ask(line, undefined, { token: other }), { status: 404, body: refused("account.unknown") }, line);
});
