// Canaries in everything that is a person's, from the roster and from the sign-on: they arrive in the tables and topics
// of people and nowhere else.

import { inspect } from "node:util";

import t from "tap";

import { identifierHash } from "../../libs/adapters/postgres/people.ts";
import { controlKey, controlTopics, districtTopic } from "../../libs/topics.ts";
import { serveApi } from "../../services/ops/service.ts";
import { explain } from "../../services/registration/explain.ts";
import { TestApi } from "../support/api.ts";
import { append, issuer } from "../support/people.ts";
import {
  deliverRows,
  firstDay,
  peopleDistrict,
  type PeopleDistrict,
  runPeopleServices,
  systemWithDiff,
} from "../support/people-district.ts";
import { ncesIds, type Row, type Rows, rowsOf } from "../support/people-set.ts";
import type { Teardown } from "../support/teardown.ts";

const canary = /c[a4]n[a4]ry|2012-02-29/iu;
const person: Row = {
  username: "canary.login",
  userIds: "{SIS:canary-sis}",
  givenName: "Canarygiven",
  familyName: "Canaryfamily",
  middleName: "Canarymiddle",
  preferredGivenName: "Canarypreferred",
  identifier: "canary-number",
  sms: "555-canary-1",
};
const subject = "canary-subject";
/** Where a person's data may be: what was delivered, and what the sign-on said. */
const mayHold = new Set(["roster_users", "logins"]);

function rows(run: PeopleDistrict, { isLater }: { readonly isLater: boolean }): Rows {
  const teacher = { enabled: true, mail: null, name: 1, role: "teacher", org: "s1", roleFrom: "", roleTo: "" } as const;
  const roster = { teachers: { t1: { ...teacher, classes: ["k1"] }, t2: { ...teacher, name: 2, classes: [] } } };
  const base = rowsOf({ ...roster, students: { k1: ["p1"] }, identifier: "whole" }, run);
  const email = (id: string): string => `canary-${id}${isLater ? "-new" : ""}@${run.domain}`;
  const users = (base["users"] ?? []).map((row) =>
    row["sourcedId"] === "t1" || row["sourcedId"] === "p1"
      ? { ...row, ...person, username: `canary.${row["sourcedId"]}`, email: email(row["sourcedId"]) }
      : row,
  );
  return { ...base, users };
}

async function api(t: Teardown, run: PeopleDistrict): Promise<TestApi> {
  const served = await serveApi({ ...run.system, serviceNames: ["ops"] }, { host: "127.0.0.1", port: 0 });
  t.teardown(() => served.close());
  return new TestApi(run.system, served);
}

type Claims = Readonly<Record<string, unknown>>;

/** Logins, licenses and accounts that go well, and requests of which each part is wrong once. */
function requests({ domain, nces }: PeopleDistrict): readonly (readonly [string, unknown])[] {
  const at = firstDay;
  const login = (claims: Claims): Claims => ({ eventId: "e", issuer, subject, at, ...claims });
  const good = {
    given: "Canarygiven",
    family: "Canaryfamily",
    username: "canary.t1",
    email: `canary-t1@${domain}`,
    userIds: [{ type: "SIS", identifier: "canary-sis" }],
    role: "canaryrole",
  };
  const account = "account-1";
  const link = { district: "", issuer, subject, proof: "access-code" };
  return [
    ["POST /logins?wait=10000", login(good)],
    ["POST /logins?wait=10000", login({ ...good, subject: "canary-other", sourcedId: "canary-id" })],
    ["POST /logins", login({ email: 4 })],
    ["POST /logins", login({ at: "canary o'clock" })],
    ["POST /logins", login({ district: "canary" })],
    ["POST /logins", login({ issuer: "https://canary.example" })],
    ["POST /logins", login({ userIds: [{ type: "canary", identifier: 4 }] })],
    ["POST /logins", login({ email: "canary".repeat(200) })],
    ["POST /logins", login({ given: "canary".repeat(20_000) })],
    ["POST /logins", '{"email": "canary@'],
    ["POST /logins", "canary"],
    ["PUT /licenses/l1?wait=10000", { product: "music", orgs: [nces] }],
    ["PUT /licenses/l2", { product: "music", orgs: ["canary"] }],
    [`PUT /accounts/${account}?wait=10000`, { product: "music", email: `canary-t1@${domain}` }],
    [`PUT /accounts/${account}`, { product: "music", email: 4 }],
    [`POST /accounts/${account}/link`, { ...link, district: "canary" }],
    [`POST /accounts/${account}/link`, { ...link, proof: "canary" }],
    ["GET /logins/canary", undefined],
    ["GET /logins", undefined],
    ["GET /health", undefined],
    ["GET /licenses", undefined],
    [`GET /accounts/${account}`, undefined],
    ["GET /nowhere?email=canary@oak.example", undefined],
  ];
}

/** A login whose key names another district, and a login and a license that cannot be read: they are dropped. */
async function refusedRecords({ system, district }: PeopleDistrict): Promise<void> {
  const login = { eventId: "e", district: "elsewhere", issuer, subject, at: firstDay, sourcedId: null, userIds: [] };
  const claims = { username: "canary.t1", email: "canary@oak.example", given: "Canary", family: "Canary", role: null };
  const record = { ...login, ...claims };
  const key = controlKey(district, issuer, subject);
  await append(system, { topic: controlTopics.logins.name, key, name: "rollcall.control.Login", record });
  const other = await peopleDistrict(system);
  const unreadable = Buffer.from("canary, which is no record");
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.logins.name, [{ key: controlKey(other.district, issuer, subject), value: unreadable }]);
    tx.append(controlTopics.licenses.name, [{ key: controlKey("l9"), value: unreadable }]);
    await Promise.resolve();
  });
  await until(
    async () => (await system.sql("work").where({ consumer: "registration-licenses", district: "l9" })).length === 1,
  );
  await until(async () => (await system.sql("work").whereNot({ state: "done" })).length === 0);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error("it does not come to be so");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Every row of every table as text, less what is bytes. */
async function tables({ system }: PeopleDistrict): Promise<ReadonlyMap<string, string>> {
  const names: readonly string[] = await system
    .sql("information_schema.tables")
    .where({ table_schema: "public", table_type: "BASE TABLE" })
    .pluck("table_name");
  const texts = new Map<string, string>();
  for (const name of names) {
    const found = await system.sql.raw<{ readonly rows: readonly { readonly text: string }[] }>(
      "select cast(x as text) as text from ?? as x",
      [name],
    );
    texts.set(name, found.rows.map(({ text }) => text).join("\n"));
  }
  return texts;
}

async function topic({ system }: PeopleDistrict, name: string): Promise<string> {
  const extent = await system.log.extent(name);
  if (extent === null) return "";
  const said: string[] = [];
  const range = { topic: name, generation: extent.generation, from: extent.start, to: extent.end };
  for await (const batch of system.log.scan(range))
    for (const record of batch)
      said.push(
        Buffer.from(record.key).toString("latin1"),
        Buffer.from(record.value ?? []).toString("latin1"),
        JSON.stringify(record.headers()),
      );
  return said.join("\n");
}

t.setTimeout(120_000);

void t.test("I15 what a roster and a sign-on say of a person is in no log, answer, error or notice", async (t) => {
  const system = await systemWithDiff(t);
  const run = await peopleDistrict(system);
  runPeopleServices(t, system);
  await deliverRows(run, rows(run, { isLater: false }));
  const ops = await api(t, run);
  const answers: unknown[] = [];
  for (const [line, body] of requests(run)) {
    const { status, body: said } = await ops.ask(line, body);
    answers.push({ status, said });
  }
  const logins: readonly { readonly id: string; readonly state: string }[] = await system.sql("logins");
  t.same(logins.map(({ state }) => state).toSorted(), ["review", "unlinked"]);
  for (const { id } of logins) {
    for (const ask of [
      ops.ask(`GET /logins/${id}`),
      ops.ask(`POST /logins/${id}/school`, { school: "canary" }),
      ops.ask(`POST /logins/${id}/school`, { school: ncesIds(run).s2 }),
    ])
      answers.push((await ask).body);
    answers.push(await explain(system, { district: run.district, who: id }));
  }
  answers.push(await explain(system, { district: run.district, who: "t1" }));
  await deliverRows(run, rows(run, { isLater: true }));
  await refusedRecords(run);
  answers.push((await ops.ask("GET /health")).body);
  t.notMatch(inspect(answers, { depth: 20, maxStringLength: null }), canary, "answers, errors and explanations");
  t.match(system.logged(), /fact dropped/u);
  t.notMatch(system.logged(), canary, "log lines");
  for (const [name, text] of await tables(run)) {
    if (mayHold.has(name)) t.match(text, canary, `${name} holds the person`);
    else t.notMatch(text, canary, `the table ${name}`);
  }
  const { notices, plans, decisions, deliveries, requests: asked, changesets, accounts } = controlTopics;
  for (const { name } of [notices, plans, decisions, deliveries, asked, changesets])
    t.notMatch(await topic(run, name), canary, `the topic ${name}`);
  t.match(await topic(run, notices.name), /login\.misfiled/u, "there is a notice");
  t.notMatch(await topic(run, districtTopic("registrations", run.district)), canary, "registrations");
  for (const name of [accounts.name, districtTopic("roster", run.district)])
    t.match(await topic(run, name), canary, `${name} holds the person`);
});

void t.test("an address of a person is kept as a hash alone once nobody has it any more", async (t) => {
  const system = await systemWithDiff(t);
  const run = await peopleDistrict(system);
  runPeopleServices(t, system);
  for (const isLater of [false, true]) await deliverRows(run, rows(run, { isLater }));
  const hash = identifierHash("email", `canary-t1@${run.domain}`);
  const newHash = identifierHash("email", `canary-t1-new@${run.domain}`);
  await until(async () => (await system.sql("identifier_holders").where({ value_hash: newHash })).length === 1);
  t.equal((await system.sql("identifier_holders").where({ value_hash: hash })).length, 1);
  const old = new RegExp(`canary-t1@${run.domain}`, "u");
  for (const [name, text] of await tables(run)) t.notMatch(text, old, `the table ${name}`);
});
