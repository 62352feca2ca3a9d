// Contract of the log: waiting for appends ends, and ends early when there is something.

import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { record } from "./log-under-test.ts";
import type { MakeLog } from "./log-under-test.ts";

export async function waitTests(suite: Test, make: MakeLog): Promise<void> {
  const timed = async (wait: Promise<void>): Promise<number> => {
    const start = performance.now();
    await wait;
    return performance.now() - start;
  };

  await suite.test(
    "a wait ends with an append by another process, with its time, and when it is aborted",
    async (t) => {
      const { log, other } = await make(t);
      await log.createTopic("a");
      await log.createTopic("b");
      const { signal } = new AbortController();
      // The first wait may end at once: it cannot know what came before.
      await log.waitForAppend(["a"], 50, signal);
      t.ok((await timed(log.waitForAppend(["a"], 120, signal))) >= 100, "nothing was appended");
      const waiting = timed(log.waitForAppend(["a"], 30_000, signal));
      await sleep(50);
      await other.transaction(async (tx) => tx.append("a", [record("1")]));
      t.ok((await waiting) < 5_000, "woken by the append");
      const abort = new AbortController();
      const aborted = timed(log.waitForAppend(["a"], 30_000, abort.signal));
      setTimeout(() => abort.abort(), 20);
      t.ok((await aborted) < 5_000, "woken by the abort");
      t.ok((await timed(log.waitForAppend(["a"], 30_000, AbortSignal.abort()))) < 1_000);
    },
  );

  await suite.test("an append that came while nobody waited ends the next wait at once", async (t) => {
    const { log, other } = await make(t);
    await log.createTopic("a");
    const { signal } = new AbortController();
    await log.waitForAppend(["a"], 50, signal);
    await other.transaction(async (tx) => tx.append("a", [record("1")]));
    t.ok((await timed(log.waitForAppend(["a"], 30_000, signal))) < 5_000);
  });
}
