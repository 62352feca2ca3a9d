// A district is removed: what is left of it, what its neighbour notices, what becomes of what comes late, and that the
// removal can be cut short anywhere.

import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { Drops } from "../../libs/adapters/drops/drops.ts";
import { sourceLease } from "../../libs/adapters/drops/place.ts";
import { pullFolder, pullLease } from "../../libs/adapters/postgres/api-pulls.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import {
  districtTables,
  removeDistrict,
  type RemovalStep,
  removalSteps,
} from "../../libs/adapters/postgres/removal.ts";
import { stoneOf } from "../../libs/adapters/postgres/stones.ts";
import { remove } from "../../libs/cli/district-remove.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { controlKey, controlTopics, districtTopic, districtTopicKinds } from "../../libs/topics.ts";
import { serveApi } from "../../services/ops/service.ts";
import { TestApi } from "../support/api.ts";
import { issuer, linkTo, putAccount, putLicense, signIn } from "../support/people.ts";
import { firstDay, peopleDistrict } from "../support/people-district.ts";
import { writeSet } from "../support/people-set.ts";
import { topicRecords } from "../support/pipeline.ts";
import {
  canary,
  caughtUp,
  landed,
  leave,
  live,
  nothingIsLeft,
  person,
  quiet,
  rows,
  sharedTopicsSayIt,
  stateOf,
  storeAccount,
  tables,
  until,
  wholeSystem,
} from "../support/removal.ts";
import { addDistrict, freshSystem } from "../support/system.ts";

t.setTimeout(240_000);

void t.test(
  "I18 of a district that was removed nothing is left but its id, and its neighbour notices nothing",
  async (t) => {
    const system = wholeSystem(t, await freshSystem(t));
    const gone = await peopleDistrict(system);
    const stays = await peopleDistrict(system);
    await live(gone, person, "canary-subject");
    await live(stays, { givenName: "Other" }, "other-subject");
    await system
      .sql("login_receipts")
      .insert({ id: "00000000-0000-8000-8000-000000000001", district: gone.district, at: new Date() });
    await storeAccount(gone);
    await leave(gone);
    await caughtUp(system);
    await quiet(system);
    const before = await tables(system);
    t.match(before.get("roster_users")?.join("\n"), canary, "the person was there");
    t.match(before.get("work")?.join("\n"), canary, "in work too");
    t.match(
      landed(system)
        .map((path) => readFileSync(path, "latin1"))
        .join("\n"),
      canary,
      "and in landing",
    );
    const neighbour = await stateOf(system, stays);

    const removed = await remove(system, gone.district, { isSure: true });
    t.match(removed, { outcome: "done", leftOn: "2025-10-01", lastCopyUntil: "2025-12-31" });
    t.equal(removed.copies.find(({ topic }) => topic === controlTopics.logins.name)?.until, "2025-11-01");
    await quiet(system);

    await nothingIsLeft(t, gone);
    t.strictSame(await stateOf(system, stays), neighbour, "the neighbour is as it was");
    t.match(await stoneOf(system.sql, gone.district), { leftOn: "2025-10-01", changeset: 2 });
    t.notMatch(system.logged(), /"level":(?:50|60)/u, "no service failed");

    await sharedTopicsSayIt(t, system, { gone: gone.district, stays: stays.district });
  },
);

void t.test("I18 of what a district that was removed uploaded nothing is left", async (t) => {
  const system = await freshSystem(t);
  const { sql, dropsFolder, pullsFolder } = system;
  const source = parseSourceId("sftp");
  if (source === null) throw new Error("sftp is a source id");
  const drops = await Drops.open({ sql, root: dropsFolder });
  t.teardown(() => drops.close());
  const keys = [];
  for (const id of ["oak", "elm"]) {
    const key = { district: await addDistrict(system, id), source };
    keys.push(key);
    const row = { district: id, source: "sftp" };
    await sql("sources").insert({ district: id, id: "sftp", kind: "sftp" });
    await sql("sftp_credentials").insert({ ...row, kind: "password", secret: "scrypt", label: "of the test" });
    const at = { complete_at: new Date(), taken_at: new Date() };
    await sql("drop_sets").insert({ ...row, ...at, id: randomUUID(), state: "taken", files: "[]" });
    await sql("drop_waits").insert({ ...row, state: "{}", since: new Date() });
    const flags = { create: true, exclusive: false, truncate: true };
    await sql("api_credentials").insert({ ...row, name: "secret", sealed: Buffer.of(1) });
    await sql("api_states").insert(row);
    const pull = randomUUID();
    await sql("api_pulls").insert({ ...row, id: pull, started_at: new Date(), state: "running" });
    mkdirSync(pullFolder(pullsFolder, pull), { recursive: true });
    writeFileSync(join(pullFolder(pullsFolder, pull), "users.jsonl"), `canary of ${id}`);
    const upload = await drops.files(key, "::1").openWrite("/users.csv", flags);
    upload.write(0, Buffer.from("canary"));
    await upload.close();
  }
  const [gone, stays] = keys;
  if (gone === undefined || stays === undefined) throw new Error("there are two districts");
  const left = async ({ district }: typeof gone): Promise<readonly string[]> => {
    const counts = districtTables.map(async (table) => {
      const found: readonly unknown[] = await sql(table).where({ district });
      return found.length === 0 ? [] : [table];
    });
    return (await Promise.all(counts)).flat().toSorted();
  };
  const ofApi = ["api_credentials", "api_pulls", "api_states"];
  const ofSources = [...ofApi, "drop_files", "drop_sets", "drop_waits", "sftp_audit", "sftp_credentials", "sources"];
  t.strictSame(await left(gone), ofSources, "all of it was there");
  await sql("districts").where({ id: gone.district }).update({ state: "leaving" });

  for (const name of [sourceLease(gone), pullLease(gone)]) {
    const working = await holdLease(sql, { name, holder: randomUUID(), ttlMs: 60_000 });
    await t.rejects(removeDistrict(system, gone.district, { patienceMs: 100 }), { code: "district.busy" });
    t.ok(existsSync(join(dropsFolder, gone.district)), `not while ${name} is held`);
    await working?.release();
  }
  await removeDistrict(system, gone.district);
  t.strictSame(await left(gone), []);
  t.strictSame(await left(stays), ofSources);
  t.strictSame(readdirSync(dropsFolder), [stays.district], "and of the files those of the neighbour");
  t.match(readFileSync(join(dropsFolder, stays.district, "sftp", "files", "users.csv"), "latin1"), canary);
  const pulls = readdirSync(pullsFolder).map((id) => readFileSync(join(pullsFolder, id, "users.jsonl"), "utf8"));
  t.strictSame(pulls, [`canary of ${stays.district}`], "and of what was being pulled");
  t.strictSame(await sql("leases").where("name", "like", `%.${gone.district}.%`), []);
});

void t.test("what comes for a district that has left is dropped without an error and without a trace", async (t) => {
  const system = wholeSystem(t, await freshSystem(t));
  const run = await peopleDistrict(system);
  const { district } = run;
  await live(run, person, "canary-subject");
  const deliveries = await topicRecords(system, controlTopics.deliveries.name);
  await leave(run);
  await removeDistrict(system, district);
  const api = await serveApi({ ...system, serviceNames: ["ops"] }, { host: "127.0.0.1", port: 0 });
  t.teardown(() => api.close());

  await signIn(system, { district, subject: "canary-late", given: "Canary" });
  const [delivery] = deliveries;
  const value = (await system.log.extent(controlTopics.deliveries.name)) === null ? null : delivery?.value;
  t.ok(value, "there is a delivery to be sent again");
  await system.log.transaction(async (tx) => {
    for (const { name } of [
      controlTopics.deliveries,
      controlTopics.requests,
      controlTopics.decisions,
      controlTopics.changesets,
    ])
      tx.append(name, [{ key: controlKey(district, "files"), value: Buffer.from("canary: not even a record") }]);
    await Promise.resolve();
  });
  await putAccount(system, { account: "late", link: linkTo({ district, issuer, subject: "canary-late" }) });
  const other = await peopleDistrict(system);
  await live(other, { givenName: "Other" }, "other-subject");
  t.match(await system.sql("accounts").where({ id: "late" }), [{ login: null, district: null }]);
  const asked = { eventId: "e", issuer, subject: "canary-http", at: firstDay };
  const refused = await new TestApi(system, api).ask("POST /logins", { ...asked, district });
  t.match(refused, { status: 422, body: { error: { code: "login.issuer-unknown" } } });
  await quiet(system);
  t.strictSame(await system.sql("work").where({ district }), [], "no work of it");
  for (const [table, texts] of await tables(system)) t.notMatch(texts.join("\n"), canary, `the table ${table}`);
  for (const kind of districtTopicKinds) t.equal(await system.log.extent(districtTopic(kind, district)), null, kind);
  t.notMatch(system.logged(), /"level":(?:50|60)/u, "no service failed");
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const path = writeSet(join(system.folder, "late"), rows(run, person));
  const { signal } = new AbortController();
  await t.rejects(deliver(system, { district, source, path, signal }), { code: "district.unknown" });
});

void t.test("a license that is called like a district that has left is taken in", async (t) => {
  const system = wholeSystem(t, await freshSystem(t));
  const run = await peopleDistrict(system);
  await leave(run);
  await removeDistrict(system, run.district);
  await putLicense(system, { license: run.district, orgs: ["0600001"] });
  await until(async () => (await system.sql("licenses").where({ id: run.district })).length === 1);
  t.match(await system.sql("licenses").where({ id: run.district }), [{ orgs: ["0600001"] }]);
});

void t.test("a removal that is cut short before any of its steps is ended by the next", async (t) => {
  const system = wholeSystem(t, await freshSystem(t));
  const gone = await peopleDistrict(system);
  const { district } = gone;
  await live(gone, person, "canary-subject");
  await leave(gone);
  const cut = (at: RemovalStep) => (step: RemovalStep) => {
    if (step === at) throw new Error(`cut short before ${at}`);
  };
  for (const step of removalSteps)
    await t.rejects(remove(system, district, { isSure: true, begins: cut(step) }), {
      message: `cut short before ${step}`,
    });
  t.match(
    await remove(system, district, { isSure: false }),
    { outcome: "done" },
    "what was begun is not asked about again",
  );
  t.match(await remove(system, district, { isSure: false }), { outcome: "unchanged", lastCopyUntil: "2025-12-31" });
  const last = (await topicRecords(system, controlTopics.changesets.name)).filter(
    ({ key }) => key === controlKey(district),
  );
  t.match(
    last.map(({ value }) => value),
    [
      { left: false, number: 1 },
      { left: true, number: 2 },
    ],
    "it is said once",
  );
  for (const [table, texts] of await tables(system)) t.notMatch(texts.join("\n"), canary, `the table ${table}`);
  t.strictSame(landed(system), []);
  t.notMatch(system.logged(), /"level":(?:50|60)/u);
});
