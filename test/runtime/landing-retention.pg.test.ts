// Landing forgets what nobody needs, with real deliveries, rows and files, and a clock that is moved on.

import { mkdirSync, writeFileSync } from "node:fs";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";

import t from "tap";

import { parseDeliveryId } from "../../libs/domain/ids.ts";
import { findDelivery, readDelivery, reportName } from "../../libs/ingest/deliver.ts";
import { tidyUp } from "../../libs/runtime/housekeeping.ts";
import { tidyLanding } from "../../libs/runtime/landing-retention.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const { signal } = new AbortController();
const students = 20;
const first = "springfield.files.1";

/** How many files each delivery still has in landing. */
async function filesLeft({ system }: TestDistrict): Promise<readonly number[]> {
  const rows: readonly { readonly files: readonly unknown[] }[] = await system
    .sql("deliveries")
    .orderBy("sequence")
    .select("files");
  return rows.map(({ files }) => files.length);
}

async function contents({ system }: TestDistrict): Promise<ReadonlySet<string>> {
  const found: string[] = [];
  for await (const hashes of system.landing.contents()) found.push(...hashes);
  return new Set(found);
}

async function named({ system }: TestDistrict): Promise<ReadonlySet<string>> {
  const rows: readonly { readonly files: readonly { readonly sha256: string }[] }[] = await system
    .sql("deliveries")
    .select("files");
  return new Set(rows.flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
}

async function request({ system, id }: TestDistrict): Promise<void> {
  const about = { district: id, source: "files", delivery: first, wish: "refill", reason: "", at: 0 };
  const value = system.records.encode("rollcall.control.Request", about);
  await system.log.transaction((tx) => {
    tx.append(controlTopics.requests.name, [{ key: controlKey(id, "files"), value }]);
    return Promise.resolve();
  });
  await system.inbox.pump({ consumer: "ingest-sftp", topics: [controlTopics.requests.name] });
}

type Way = readonly [what: string, begin: () => Promise<unknown>, end: () => Promise<unknown>];

/** Each way in which the first delivery may be needed, and how that ends. */
function waysToName(district: TestDistrict): readonly Way[] {
  const { sql } = district.system;
  const planState = (state: string): Promise<unknown> => sql("plans").where({ delivery: first }).update({ state });
  const changesetState = (state: string): Promise<unknown> =>
    sql("changesets").where({ delivery: first }).update({ state });
  const deliveryState = (state: string): Promise<unknown> => sql("deliveries").where({ id: first }).update({ state });
  return [
    ["an open plan", () => planState("open"), () => planState("closed")],
    [
      "a held exception's plan",
      () =>
        sql.raw(
          `insert into exceptions (district, type, sourced_id, state, reason, plan, since)
                 select district, 'user', 'x', 'held', 'limit', version, now() from plans where delivery = ?`,
          [first],
        ),
      () => sql("exceptions").where({ sourced_id: "x" }).delete(),
    ],
    ["an unfinished changeset", () => changesetState("applying"), () => changesetState("published")],
    ["a delivery that is not read", () => deliveryState("received"), () => deliveryState("accepted")],
    [
      "a delivery that is not planned",
      () => sql("plans").where({ delivery: first }).update({ delivery: "other" }),
      () => sql("plans").where({ delivery: "other" }).update({ delivery: first }),
    ],
    ["an unanswered request", () => request(district), () => sql("work").update({ state: "done" })],
  ];
}

t.test("landing keeps the last whole and all since, and what is named; the rest goes after its time", async (t) => {
  const district = await freshDistrict(t);
  const { system } = district;
  const { sql } = system;
  for (const [night, mode] of (["bulk", "delta", "bulk", "delta"] as const).entries())
    await district.deliver((await district.sample({ students, night: night + 1, mode })).directory);
  const before = await filesLeft(district);
  t.ok(
    before.every((count) => count > 3),
    before.join(),
  );

  system.sleepDays(25);
  await tidyLanding(system, signal);
  t.strictSame(await filesLeft(district), before, "nothing goes before its time");

  system.sleepDays(15);
  for (const [what, begin, end] of waysToName(district)) {
    await begin();
    await tidyLanding(system, signal);
    t.strictSame((await filesLeft(district))[0], before[0], `${what} keeps it`);
    await end();
  }
  await tidyLanding(system, signal);
  t.strictSame(await filesLeft(district), [0, 0, before[2], before[3]]);
  t.strictSame([...(await contents(district))].toSorted(), [...(await named(district))].toSorted());

  const one = await findDelivery(sql, first);
  t.equal(one.forgotten.length, before[0]);
  await t.rejects(readDelivery(system, { id: one.id, signal }), {
    code: "delivery.unfillable",
    message: /^filling the range of springfield\.files\.1 again: its time in landing is over for .*users\.csv/u,
  });
  const last = parseDeliveryId("springfield.files.4");
  if (last === null) throw new Error("it is a delivery's id");
  t.equal(
    (await readDelivery(system, { id: last, signal })).verdict.outcome,
    "accepted",
    "the newest can be read again",
  );

  t.type(await system.landing.document(one.id, reportName), "string");
  system.sleepDays(60);
  await tidyLanding(system, signal);
  t.equal(await system.landing.document(one.id, reportName), null, "its report went after 90 days");
  t.type(await system.landing.document(last, reportName), "string", "that of the newest stays");
  await tidyLanding(system, signal);
  t.match(system.logged(), "old files of landing forgotten");
});

t.test("what an interrupted delivery left goes, once a day", async (t) => {
  const district = await freshDistrict(t);
  const { system } = district;
  const orphan = await system.landing.put("users.csv", Readable.from([Buffer.from("x")]));
  const incoming = join(system.folder, "landing", "incoming");
  mkdirSync(incoming, { recursive: true });
  writeFileSync(join(incoming, "cut-short"), "x");
  await utimes(join(incoming, "cut-short"), 0, 0);
  await tidyUp(system, signal);
  t.strictSame(await contents(district), new Set());
  t.equal(await system.landing.has(orphan.sha256), false);
  const again = await system.landing.put("users.csv", Readable.from([Buffer.from("x")]));
  await tidyUp(system, signal);
  t.equal(await system.landing.has(again.sha256), true, "not again on the same day");
});
