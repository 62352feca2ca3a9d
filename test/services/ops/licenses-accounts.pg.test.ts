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
      t.match(await api.ask("PUT /licenses/l1", { ...whole, ...part }), { status: 422, body: refused(code, says) });
    const seated = {
      ...whole,
      orgs: ["0600001", "060000100001", "0600001"],
      validFrom: "2025-07-01",
      validTo: null,
      seats: 5,
    };
    const put = await api.ask("PUT /licenses/l1", seated);
    t.match(put, { status: 202, body: { license: "l1", orgs: { length: 2 }, seats: 5, settled: false } });
    t.equal((await api.ask("DELETE /licenses/l1")).status, 202);
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
  const bound = await api.tokenOf("licensing", ["springfield"]);
  for (const line of ["GET /licenses", "DELETE /licenses/l1"])
    t.match(await api.ask(line, undefined, { token: bound }), { status: 403, body: refused("token.forbidden") }, line);
});

void t.test(
  "each change of an account appends its whole state, and the email address is shown to nobody",
  async (t) => {
    const api = await freshApi(t);
    const link = { ...name, proof: "access-code" };
    const steps: readonly (readonly [string, unknown])[] = [
      ["PUT /accounts/a1", { product: "reading", email: "canary@x.example" }],
      ["POST /accounts/a1/link", link],
      ["POST /accounts/a1/activate", undefined],
      ["PUT /accounts/a1", { product: "reading" }],
      ["POST /accounts/a1/deactivate", undefined],
      ["PUT /accounts/a1", { product: "reading", email: null }],
      ["POST /accounts/a1/unlink", undefined],
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
  await Promise.all(["a@x", "b@x"].map((email) => api.ask("PUT /accounts/a1", { product: "reading", email })));
  await Promise.all([
    api.ask("POST /accounts/a1/link", link),
    api.ask("POST /accounts/a1/activate"),
    api.ask("PUT /accounts/a1", { product: "reading", email: "c@x" }),
  ]);
  const records = await topicRecords(api.system, "accounts");
  t.equal(records.length, 5);
  t.match(records.at(-1)?.value, { email: "c@x", link, active: true });
});

void t.test("an account is linked to one login, by proof, and stays of one product", async (t) => {
  const api = await freshApi(t);
  t.match(await api.ask("POST /accounts/a1/activate"), { status: 404, body: refused("account.unknown") });
  await api.ask("PUT /accounts/a1", { product: "reading" });
  t.match(await api.ask("PUT /accounts/a1", { product: "maths" }), { status: 409, body: refused("account.product") });
  const link = async (about: object): ReturnType<typeof api.ask> =>
    api.ask("POST /accounts/a1/link", { ...about, proof: "access-code" });
  t.match(await link({ ...name, issuer: "other" }), { status: 422, body: refused("login.issuer-unknown") });
  t.match(await link({ ...name, district: "nowhere" }), { status: 422, body: refused("login.issuer-unknown") });
  t.match(await link({ login: loginId(name) }), { status: 404, body: refused("login.unknown") });
  await api.ask("POST /logins?wait=0", { eventId: "e1", issuer, subject: "s1", at: 1 });
  t.match(await link({ login: loginId(name) }), { status: 409, body: refused("login.pending") });
  const seen = { first_at: new Date(1), last_at: new Date(1), since: new Date(1), event_id: "e1", claims: "{}" };
  await api.system
    .sql("logins")
    .insert({ id: loginId(name), ...name, ...seen, state: "waiting", reason: "match.none" });
  const linked = { login: loginId(name), district: "springfield", proof: "access-code" };
  t.match(await link({ login: loginId(name) }), { status: 202, body: { link: linked } });
  t.equal((await link(name)).status, 202, "the same once more");
  t.match(await link({ ...name, subject: "s2" }), { status: 409, body: refused("account.linked") });
  await addDistrict(api.system, "shelbyville");
  const other = await api.tokenOf("accounts", ["shelbyville"]);
  for (const line of ["GET /accounts/a1", "POST /accounts/a1/activate"])
    t.match(await api.ask(line, undefined, { token: other }), { status: 404, body: refused("account.unknown") }, line);
});
