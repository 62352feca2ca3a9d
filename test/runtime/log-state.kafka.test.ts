// What a process says of its log: that it is away and since when something waits, and that nobody need append for it.

import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { isSending, LogWatch } from "../../libs/runtime/log-state.ts";
import { startBroker } from "../../libs/stack/broker.ts";
import { freshKafkaLogs } from "../adapters/kafka/fresh-logs.ts";
import { record } from "../contract/log-under-test.ts";
import { ownBroker } from "../support/kafka.ts";

t.setTimeout(120_000);

t.test(
  "a log that is away is told within seconds, with what waits; who appends nothing sends what is left",
  async (t) => {
    const own = await ownBroker(t);
    if (own === null) return;
    const logs = await freshKafkaLogs(t, own.server.address);
    const { database } = logs;
    const dying = logs.another({ settleMs: 100, patienceMs: 500 });
    const idle = logs.another({ patienceMs: 500 });
    for (const topic of ["notices", "accounts"]) await dying.createTopic(topic);
    const watch = new LogWatch({
      log: idle,
      sql: database.sql,
      problems: () => idle.failures(),
      away: "kafka.unreachable",
    });
    t.strictSame(await watch.look(), { away: null, unsentMs: null, topics: {} });
    t.ok(isSending(await watch.look()));

    await own.server.kill();
    await dying.transaction(async (tx) => tx.append("accounts", [record('["a"]')]));
    // Its process ends before anything could be sent.
    await dying.close();
    const start = performance.now();
    const away = await watch.look();
    t.ok(performance.now() - start < 3_000);
    t.equal(away.away, "kafka.unreachable");
    t.ok((away.unsentMs ?? 0) > 0);
    t.notOk(isSending(away));

    const again = await startBroker(own.settings);
    t.teardown(() => again.kill());
    idle.startSending();
    const isBack = async (): Promise<boolean> => {
      const { away: why, unsentMs } = await watch.look();
      return why === null && unsentMs === null;
    };
    for (let look = 0; look < 300 && !(await isBack()); look++) await sleep(100);
    t.strictSame(await watch.look(), { away: null, unsentMs: null, topics: {} });
  },
);

t.test("a topic that others changed keeps nobody from sending, one that refuses does", async (t) => {
  const about = { away: null };
  t.ok(isSending({ ...about, topics: { accounts: "topics.changed" } }));
  t.notOk(isSending({ ...about, topics: { accounts: "kafka.refused" } }));
});
