// The removal of a district on either log: the life of a district of which something is left everywhere, and the look at
// all places for what is left of it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { Test } from "tap";

import { districtTables } from "../../libs/adapters/postgres/removal.ts";
import { services } from "../../libs/cli/services.ts";
import type { LandedFile } from "../../libs/ports.ts";
import type { Changeset } from "../../libs/records.ts";
import { supervise } from "../../libs/runtime/run.ts";
import { controlKey, controlTopics, districtTopic, districtTopicKinds } from "../../libs/topics.ts";
import { issuer, linkTo, putAccount, putLicense, signIn } from "./people.ts";
import { deliverRows, firstDay, type PeopleDistrict } from "./people-district.ts";
import { ncesIds, type Row, type Rows, rowsOf } from "./people-set.ts";
import { topicRecords } from "./pipeline.ts";
import type { TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

export const canary = /c[a4]n[a4]ry/iu;
export const person: Row = {
  username: "canary.login",
  userIds: "{SIS:canary-sis}",
  givenName: "Canarygiven",
  familyName: "Canaryfamily",
  middleName: "Canarymiddle",
  identifier: "canary-number",
};

/** Every service of `rollcall up` at work, until the end of the test. */
export function wholeSystem(t: Teardown, opened: TestSystem): TestSystem {
  const system = { ...opened, clock: { now: () => firstDay } };
  const stop = new AbortController();
  const running = services(system).map((service) => supervise(service, { signal: stop.signal, logger: system.logger }));
  t.teardown(async () => {
    stop.abort();
    await Promise.allSettled(running);
  });
  return system;
}

export function rows(run: PeopleDistrict, changes: Row): Rows {
  const teacher = { enabled: true, mail: null, name: 1, role: "teacher", org: "s1", roleFrom: "", roleTo: "" } as const;
  const teachers = { t1: { ...teacher, classes: ["k1"] }, t2: { ...teacher, name: 2, classes: ["k2"] } };
  const base = rowsOf({ teachers, students: { k1: ["p1"], k2: ["p2"] }, identifier: "whole" }, run);
  const users = (base["users"] ?? []).map((row) =>
    row["sourcedId"] === "t1" ? { ...row, email: `t1@${run.domain}`, ...changes } : row,
  );
  return { ...base, users };
}

/** A roster, a license, an account that is linked, logins with and without an end, and a grant of all that. */
export async function live(run: PeopleDistrict, changes: Row, subject: string): Promise<void> {
  const { system, district } = run;
  await deliverRows(run, rows(run, changes));
  await putLicense(system, { license: `license-${district}`, orgs: [ncesIds(run).d] });
  const claims = {
    given: changes["givenName"] ?? null,
    email: `t1@${run.domain}`,
    username: changes["username"] ?? null,
  };
  await signIn(system, { district, subject, sourcedId: "t1", ...claims });
  await signIn(system, { district, subject: `${subject}-unknown`, ...claims, email: `${subject}@elsewhere.example` });
  await putAccount(system, { account: `account-${district}`, link: linkTo({ district, issuer, subject }) });
  await until(async () => (await topicRecords(system, districtTopic("teacherRosters", district))).length > 0);
  await until(async () => (await system.sql("accounts").where({ district })).length === 1);
  await quiet(system);
}

/** An account that was made over HTTP, and is linked, before its record has reached the topic. */
export async function storeAccount({ system, district }: PeopleDistrict): Promise<void> {
  const link = linkTo({ district, issuer, subject: "canary-subject" });
  const account = { account: `stored-${district}`, product: "music", email: null, link, active: true, at: firstDay };
  const record = Buffer.from(system.records.encode("rollcall.control.Account", account));
  await system.sql("account_records").insert({ account: account.account, record });
}

export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error("it does not come to be so");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Until nothing waits to be done. */
export async function quiet({ sql }: TestSystem): Promise<void> {
  const none = async (table: string): Promise<boolean> => (await sql(table).limit(1)).length === 0;
  await until(
    async () =>
      (await sql("work").where({ state: "waiting" })).length === 0 &&
      (await none("registration_due")) &&
      (await none("login_due")) &&
      (await none("roster_due")) &&
      (await none("facts_to_spread")),
  );
}

/** Until every consumer has copied all that is on its topics: some look every two seconds only. */
export async function caughtUp({ sql, log }: TestSystem): Promise<void> {
  const isCopied = async (): Promise<boolean> => {
    const positions: readonly { readonly topic: string; readonly at: number }[] = await sql("inbox_positions").select(
      "topic",
      "next_offset as at",
    );
    for (const { topic, at } of positions) if (at < ((await log.extent(topic))?.end ?? 0)) return false;
    return true;
  };
  await until(isCopied);
}

export async function leave({ system, district }: PeopleDistrict): Promise<void> {
  await system.sql("districts").where({ id: district }).update({ state: "leaving" });
  await system.sql("registration_due").insert({ district }).onConflict("district").ignore();
  await quiet(system);
}

/** Every row of every table as text, bytes as what they hold; less the log, whose topics are looked at by themselves. */
export async function tables({ sql }: TestSystem): Promise<ReadonlyMap<string, readonly string[]>> {
  const names: readonly string[] = await sql("pg_tables")
    .where({ schemaname: "public" })
    .whereNot({ tablename: "log_batches" })
    .pluck("tablename");
  const texts = new Map<string, readonly string[]>();
  for (const name of names) {
    const found: readonly { readonly text: string }[] = await sql(name).select(
      sql.raw("to_jsonb(??)::text as text", [name]),
    );
    const plain = found.map(({ text }) =>
      text.replaceAll(/\\\\x(?<hex>[0-9a-f]+)/gu, (_, hex: string) => Buffer.from(hex, "hex").toString("latin1")),
    );
    texts.set(name, plain);
  }
  return texts;
}

export function landed({ folder }: TestSystem): readonly string[] {
  return readdirSync(join(folder, "landing"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** What there is of a district in the tables, its topics and landing, less what only says when it was looked at. */
export async function stateOf(system: TestSystem, { district }: PeopleDistrict): Promise<unknown> {
  const rowsOfTables: Record<string, unknown> = {};
  for (const table of [...districtTables, "work", "accounts"])
    rowsOfTables[table] = (
      await system
        .sql(table)
        .where({ district })
        .select(system.sql.raw("to_jsonb(??)::text as row", [table]))
    )
      .map(({ row }: { readonly row: string }) => row)
      .toSorted();
  const topics = await Promise.all(
    districtTopicKinds.map((kind) => topicRecords(system, districtTopic(kind, district))),
  );
  const files: readonly { readonly files: readonly LandedFile[] }[] = await system
    .sql("deliveries")
    .where({ district });
  const found = await Promise.all(files.flatMap((row) => row.files).map(({ sha256 }) => system.landing.has(sha256)));
  return { rowsOfTables, topics, found };
}

/** Tables, topics and landing hold nothing of the district. Its id is where something else is called like it. */
export async function nothingIsLeft(t: Test, { system, district }: PeopleDistrict): Promise<void> {
  const id = new RegExp(`${district}(?![0-9])`, "u");
  const mayName = new Set([
    "stones",
    "tokens",
    "leases",
    "accounts",
    "account_records",
    "licenses",
    "work",
    "log_topics",
  ]);
  for (const [table, texts] of await tables(system)) {
    t.notMatch(texts.join("\n"), canary, `the table ${table} holds no person`);
    if (!mayName.has(table)) t.notMatch(texts.join("\n"), id, `the table ${table} does not name the district`);
  }
  for (const name of [...districtTables, "work"])
    t.strictSame(await system.sql(name).where({ district: district }), [], name);
  t.strictSame(await system.sql("leases").where("name", "like", `%.${district}`), []);
  for (const kind of districtTopicKinds) t.equal(await system.log.extent(districtTopic(kind, district)), null, kind);
  for (const path of landed(system)) {
    t.notMatch(path, id, "no document is the district's");
    t.notMatch(readFileSync(path, "latin1"), canary, "no file holds the person");
  }
}

export async function sharedTopicsSayIt(
  t: Test,
  system: TestSystem,
  places: { readonly gone: string; readonly stays: string },
): Promise<void> {
  const { gone, stays } = places;
  const changesets = await topicRecords(system, controlTopics.changesets.name);
  const last = changesets.filter(({ key }) => key === controlKey(gone)).at(-1)?.value;
  t.match(
    last,
    { left: true, number: 2, counts: [] } satisfies Partial<Changeset>,
    "the last changeset says that it left",
  );
  const accounts = await topicRecords(system, controlTopics.accounts.name);
  const account = accounts.findLast(({ key }) => key === controlKey(`account-${gone}`))?.value;
  t.match(account, { link: null, active: true }, "its accounts are linked to nobody");
  const stored = accounts.findLast(({ key }) => key === controlKey(`stored-${gone}`))?.value;
  t.match(stored, { link: null, active: true }, "those that were made over HTTP too");
  const other = accounts.findLast(({ key }) => key === controlKey(`account-${stays}`))?.value;
  t.match(other, { link: { district: stays } }, "and those of others are");
  // Every other shared topic holds ids alone; of these two the answer says until when.
  for (const { name } of Object.values(controlTopics)) {
    const holds = JSON.stringify(await topicRecords(system, name));
    const mayHold = name === controlTopics.logins.name || name === controlTopics.accounts.name;
    if (!mayHold) t.notMatch(holds, canary, `the topic ${name} holds no person`);
  }
}
