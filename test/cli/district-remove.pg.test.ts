// The removal of a district beside others at work, and as a command.

import { join } from "node:path";

import t from "tap";

import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { districtTables, removeDistrict } from "../../libs/adapters/postgres/removal.ts";
import { stoneOf } from "../../libs/adapters/postgres/stones.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { controlTopics } from "../../libs/topics.ts";
import { finish } from "../support/child.ts";
import { peopleDistrict } from "../support/people-district.ts";
import { rowsOf, writeSet } from "../support/people-set.ts";
import { freshSystem } from "../support/system.ts";

t.setTimeout(240_000);

void t.test("a removal waits for whoever found no stone yet, and deletes what that one adds", async (t) => {
  const system = await freshSystem(t);
  const run = await peopleDistrict(system);
  const { sql } = system;
  await sql("districts").where({ id: run.district }).update({ state: "leaving" });
  // As a pump does it: it looks for stones, then adds its rows.
  const pump = await sql.transaction();
  t.strictSame(await pump("stones").where({ id: run.district }), []);
  const removal = removeDistrict(system, run.district);
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal((await sql("districts").where({ id: run.district })).length, 1, "it waits");
  const about = { consumer: "registration", topic: controlTopics.logins.name, district: run.district };
  const record = { generation: "g", offset: 1, key: Buffer.from("[]"), headers: "{}", appended_at: new Date() };
  await pump("work").insert({ ...about, ...record });
  await pump.commit();
  await removal;
  t.strictSame(await sql("work").where({ district: run.district }), []);
});

void t.test("a removal does nothing while a service goes on working on the district", async (t) => {
  const system = await freshSystem(t);
  const run = await peopleDistrict(system);
  await system.sql("districts").where({ id: run.district }).update({ state: "leaving" });
  const held = await holdLease(system.sql, { name: `rosters.${run.district}`, holder: "it", ttlMs: 60_000 });
  t.teardown(() => held?.release());
  await t.rejects(removeDistrict(system, run.district, { patienceMs: 300 }), {
    code: "district.busy",
    retryable: true,
  });
  t.equal(await stoneOf(system.sql, run.district), null);
  await held?.release();
  t.match(await removeDistrict(system, run.district, { patienceMs: 300 }), { id: run.district });
});

void t.test("every table with a district in it is emptied of it", async (t) => {
  const { sql } = await freshSystem(t);
  const found: readonly string[] = await sql("information_schema.columns")
    .where({ table_schema: "public", column_name: "district" })
    .orderBy("table_name")
    .pluck("table_name");
  // Accounts stay without their link; of work only that which is keyed by a district goes.
  t.strictSame(found, [...districtTables, "accounts", "work"].toSorted());
});

void t.test("a set lands again whose files went with a district that had the same ones", async (t) => {
  const system = await freshSystem(t);
  const run = await peopleDistrict(system);
  let left = 1;
  const { landing } = system;
  const thieving = new Proxy(landing, {
    get: (target, name) => {
      if (name !== "has") {
        const found: unknown = Reflect.get(target, name);
        return typeof found === "function" ? found.bind(target) : found;
      }
      return async (sha256: string) => {
        if (left-- > 0) await target.deleteContent(sha256);
        return target.has(sha256);
      };
    },
  });
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const path = writeSet(
    join(system.folder, "robbed"),
    rowsOf({ teachers: {}, students: {}, identifier: "whole" }, run),
  );
  const { signal } = new AbortController();
  const given = { district: run.district, source, path, signal };
  const { verdict } = await deliver({ ...system, landing: thieving }, given);
  t.equal(verdict.outcome, "accepted");
  t.ok(left < 0, "a file was gone");
});

void t.test(
  "rollcall district remove asks twice, tells until when copies last, and the id is not used again",
  async (t) => {
    const system = await freshSystem(t);
    const { district } = await peopleDistrict(system);
    const env = { ROLLCALL_DATA: system.folder, DATABASE_URL: system.database.url };
    const launcher = join(import.meta.dirname, "../../bin/rollcall");
    const rollcall = (...args: readonly string[]): ReturnType<typeof finish> =>
      finish([launcher, "district", ...args], { env });
    t.match(await rollcall("remove", district, "--sure"), {
      code: 3,
      stdout: /is released: only a district that is leaving/u,
    });
    t.match(await rollcall("leave", district, "--sure"), { code: 0 });
    t.match(await rollcall("remove", district), { code: 3, stdout: /add --sure if that is meant/u });
    const removed = await rollcall("remove", district, "--sure");
    t.match(removed, {
      code: 0,
      stdout: /nothing of it is kept but its id\n[^]*the last copy on \d{4}-\d\d-\d\d:\n[^]*sso\.logins until/u,
    });
    t.match(await rollcall("remove", district), { code: 0, stdout: /, as before\n/u });
    t.match(await rollcall("add", district), { code: 2, stderr: /left on [-\d]+, and its id is not used again/u });
    t.match(await rollcall("list"), { stdout: `${district}\tleft\t\n` });
    t.match(await rollcall("show", district), { code: 2, stderr: /left on/u });
    t.match(await rollcall("remove", "nowhere", "--sure"), { code: 2, stderr: /there is no district nowhere/u });
  },
);
