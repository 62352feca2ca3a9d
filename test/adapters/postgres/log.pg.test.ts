// The contract of the log on PostgreSQL, and what only this log has.

import t from "tap";
import { eventLogContract } from "../../contract/event-log.ts";
import { keysOf, readAll, record } from "../../contract/log-under-test.ts";
import { freshLogs } from "../../support/log.ts";

eventLogContract("the PostgreSQL log", freshLogs);

t.test("a record above the limit is refused before anything is written", async (t) => {
  const { log } = await freshLogs(t);
  await log.createTopic("a");
  const huge = { key: "huge", value: Buffer.alloc(17 * 1024 * 1024) };
  await t.rejects(
    log.transaction(async (tx) => tx.append("a", [record("1"), huge])),
    { code: "log.record-too-large" },
  );
  t.equal((await log.extent("a"))?.end, 0);
});

t.test("retention drops what is old enough and never moves the start back", async (t) => {
  const { log, database } = await freshLogs(t);
  await log.createTopic("a");
  await log.transaction(async (tx) => tx.append("a", [record("1"), record("2")]));
  await database.sql.raw("update log_batches set appended_at = appended_at - 10000");
  await log.transaction(async (tx) => tx.append("a", [record("3")]));
  await log.deleteOlder("a", 5_000);
  t.same(keysOf(await readAll(log, "a")), ["3"]);
  await log.deleteBefore("a", 1);
  t.match(await log.extent("a"), { start: 2, end: 3 });
  await log.deleteBefore("a", 99);
  t.match(await log.extent("a"), { start: 3, end: 3 });
});
