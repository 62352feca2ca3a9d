// Contract of the log: what compaction may forget of a compacted topic, and what it may not.

import type { Test } from "tap";
import type { EventLog, NewRecord, StoredRecord } from "../../libs/ports.ts";
import { readAll, record, topic } from "./log-under-test.ts";
import type { MakeLog } from "./log-under-test.ts";

/** What a follower holds after it applied records in order. */
function apply(held: Map<string, string>, records: readonly StoredRecord[]): Map<string, string> {
  for (const { key, value } of records) {
    const name = Buffer.from(key).toString("utf8");
    if (value === null) held.delete(name);
    else held.set(name, Buffer.from(value).toString("utf8"));
  }
  return held;
}

function linesOf(held: ReadonlyMap<string, string>): readonly string[] {
  return [...held].map(([key, value]) => `${key}=${value}`).toSorted();
}

/** Upserts and nulls over 300 keys, most of them several times. */
function changes(round: number): readonly NewRecord[] {
  return Array.from({ length: 400 }, (_, i) => {
    const key = (i * 7 + round * 13) % 300;
    return record(`k${key}`, (key + round) % 5 === 0 ? null : `${round}.${i}`);
  });
}

async function fill(log: EventLog): Promise<Map<string, string>> {
  const live = new Map<string, string>();
  let position = 0;
  for (let round = 0; round < 6; round++) {
    await log.transaction(async (tx) => tx.append(topic, changes(round)));
    const news = await readAll(log, topic, { from: position });
    position += news.length;
    apply(live, news);
  }
  return live;
}

/** @param make its log can compact. */
export async function compactionTests(suite: Test, make: MakeLog): Promise<void> {
  await suite.test("who starts after compaction holds what one holds who followed, nulls and all", async (t) => {
    const { log, other, compact } = await make(t);
    if (compact === undefined) return t.fail("this log cannot compact");
    const { generation } = await log.createTopic(topic);
    const live = await fill(log);
    const before = await readAll(log, topic);
    const to = before.length;
    await compact(topic);
    const after = await readAll(other, topic, { generation, to });
    t.same(linesOf(apply(new Map(), after)), linesOf(live));
    t.equal(after.length, live.size, "one record of each key, and no null that is old enough");
    for (const { offset, key, value } of after) {
      const was = before[offset];
      if (!was || Buffer.compare(was.key, key) !== 0 || value === null || was.value?.length !== value.length)
        t.fail(`another record stands at ${offset}`);
    }
    for (const [from, end] of [
      [1, to],
      [399, 1_001],
      [0, 500],
      [1_000, 1_100],
      [to - 1, to],
      [to, to],
    ] as const) {
      const part = await readAll(other, topic, { generation, from, to: end });
      t.same(
        part.map(({ offset }) => offset),
        after.map(({ offset }) => offset).filter((offset) => offset >= from && offset < end),
        `${from} to ${end}, in the middle of what is gone`,
      );
    }
    t.equal((await log.extent(topic))?.start, 0, "the start stays: nothing of the range is missing");
  });
}
