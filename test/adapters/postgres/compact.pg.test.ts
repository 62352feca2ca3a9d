// Compaction: readers get the same state, and what stays keeps its place.

import t from "tap";
import { compact } from "../../../libs/adapters/postgres/compact.ts";
import type { PostgresLog } from "../../../libs/adapters/postgres/log.ts";
import type { StoredRecord } from "../../../libs/ports.ts";
import { codeOf, keysOf, readAll, record } from "../../contract/log-under-test.ts";
import { freshLogs } from "../../support/log.ts";

const everything = { olderThanMs: -1, tombstonesOlderThanMs: -1 };
const nothingGone = { olderThanMs: -1, tombstonesOlderThanMs: 60_000 };

/** The state that a reader gets: the last value per key, without what is null. */
function folded(records: readonly StoredRecord[]): ReadonlyMap<string, string> {
  const state = new Map<string, string>();
  for (const one of records) {
    const key = Buffer.from(one.key).toString("utf8");
    if (one.value === null) state.delete(key);
    else state.set(key, Buffer.from(one.value).toString("utf8"));
  }
  return state;
}

/** Many changes of few keys, every fourth a deletion, in transactions of different sizes. */
async function fill(log: PostgresLog, topic: string): Promise<void> {
  await log.createTopic(topic);
  let n = 0;
  for (const count of [1, 2_300, 10, 999, 4_000]) {
    const records = Array.from({ length: count }, () => {
      n++;
      return { ...record(`k${(n * 7919) % 613}`, n % 4 === 0 ? null : `v${n}`), headers: { origin: String(n) } };
    });
    await log.transaction(async (tx) => tx.append(topic, records));
  }
}

t.test(
  "after compaction every reader gets the same state, and what stays has its offset, time and headers",
  async (t) => {
    const { log, database } = await freshLogs(t);
    await fill(log, "a");
    const before = await readAll(log, "a");
    const extent = await log.extent("a");
    const done = await compact(database, "a", nothingGone);
    t.same(done, { seen: 7_310, dropped: 7_310 - 613 });
    const after = await readAll(log, "a");
    t.same(folded(after), folded(before));
    t.same(await log.extent("a"), extent, "the range is the same");
    t.equal(new Set(keysOf(after)).size, after.length, "one record per key");
    for (const one of after) {
      const old = before[one.offset];
      t.same(
        [one.timestamp, one.headers(), Buffer.from(one.key)],
        [old?.timestamp, old?.headers(), Buffer.from(old?.key ?? [])],
      );
      if (!t.passing()) break;
    }
    t.same(await compact(database, "a", nothingGone), { seen: 613, dropped: 0 }, "again changes nothing");
  },
);

t.test("nulls go when they are old enough, and not before", async (t) => {
  const { log, database } = await freshLogs(t);
  await fill(log, "a");
  const state = folded(await readAll(log, "a"));
  await compact(database, "a", nothingGone);
  t.ok((await readAll(log, "a")).some((one) => one.value === null));
  await compact(database, "a", everything);
  const after = await readAll(log, "a");
  t.notOk(after.some((one) => one.value === null));
  t.same(folded(after), state);
});

t.test("what is younger than the lag is left alone, and does not count", async (t) => {
  const { log, database } = await freshLogs(t);
  await log.createTopic("a");
  await log.transaction(async (tx) =>
    tx.append("a", [record("1", "old"), record("1", "older than the lag"), record("2")]),
  );
  await database.sql.raw("update log_batches set appended_at = appended_at - 60000");
  await log.transaction(async (tx) => tx.append("a", [record("1", "new"), record("1", "newest")]));
  await compact(database, "a", { olderThanMs: 30_000, tombstonesOlderThanMs: 30_000 });
  const offsets = (await readAll(log, "a")).map((one) => one.offset);
  t.same(offsets, [1, 2, 3, 4]);
});

t.test("a range in a compacted topic is read to its end, also where nothing is left of it", async (t) => {
  const { log, database } = await freshLogs(t);
  await log.createTopic("a");
  await log.transaction(async (tx) =>
    tx.append(
      "a",
      Array.from({ length: 2_500 }, () => record("1", null)),
    ),
  );
  await compact(database, "a", everything);
  t.same(await readAll(log, "a", { from: 100, to: 2_400 }), []);
  t.same((await log.extent("a"))?.end, 2_500);
  t.equal(await codeOf(readAll(log, "a", { from: 100, to: 2_501 })), "log.range-short");
  t.equal(await codeOf(compact(database, "missing", everything)), "log.unknown-topic");
});
