// What of a topic may be changed, and what would lose records.

import t from "tap";

import { type ActualTopic, differenceOf } from "../../../libs/adapters/kafka/topic-difference.ts";
import { topicSettings } from "../../../libs/adapters/kafka/topic-settings.ts";

const wanted = (name: string): Parameters<typeof differenceOf>[0] => ({
  name,
  partitions: 1,
  replication: 1,
  settings: topicSettings(name),
});

/** A topic as it is when it was made rightly, but for some settings; null: that one is not set. */
function actual(name: string, changed: Readonly<Record<string, string | null>> = {}): ActualTopic {
  const kept = Object.entries({ ...topicSettings(name), ...changed }).flatMap(([key, value]) =>
    value === null ? [] : [[key, value] as const],
  );
  const own = Object.fromEntries(kept);
  return {
    partitions: 1,
    replication: 1,
    own,
    all: { "cleanup.policy": "delete", "retention.ms": "604800000", ...own },
  };
}

t.test("a topic that is missing is made, one that is right is left alone", async (t) => {
  t.strictSame(differenceOf(wanted("changesets"), null), { outcome: "create", topic: "changesets" });
  t.strictSame(differenceOf(wanted("changesets"), actual("changesets")), { outcome: "same", topic: "changesets" });
  t.strictSame(differenceOf(wanted("roster.a"), actual("roster.a")), { outcome: "same", topic: "roster.a" });
});

const allowed: readonly (readonly [string, string, Readonly<Record<string, string | null>>])[] = [
  ["a compacted topic whose policy was reset is repaired", "roster.a", { "cleanup.policy": null }],
  ["a time of keeping that is too short is made longer", "changesets", { "retention.ms": "1000" }],
  ["tombstones that go too soon are kept longer", "roster.a", { "delete.retention.ms": "1000" }],
  ["a setting that nobody named goes back to its default", "roster.a", { "segment.ms": "1000" }],
  ["record times of clients become those of the brokers", "roster.a", { "message.timestamp.type": "CreateTime" }],
  ["a time of deletion says nothing on a compacted topic", "roster.a", { "retention.ms": "99" }],
];
for (const [name, topic, changed] of allowed) {
  void t.test(name, async (t) => {
    const found = differenceOf(wanted(topic), actual(topic, changed));
    t.equal(found.outcome, "change");
    t.strictSame(
      found.outcome === "change" && found.changes.map(({ setting }) => setting),
      Object.keys(changed),
      "exactly that setting is changed",
    );
  });
}

const refused: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  ["a topic kept for ever is not deleted by age", "changesets", { "cleanup.policy": "compact" }],
  ["records are not forgotten earlier", "changesets", { "retention.ms": "99999999999999" }],
  ["records kept without end are not forgotten at all", "changesets", { "retention.ms": "-1" }],
  ["changes are not compacted earlier", "roster.a", { "min.compaction.lag.ms": "99999999999999" }],
  ["tombstones do not go earlier", "roster.a", { "delete.retention.ms": "99999999999999" }],
];
for (const [name, topic, changed] of refused) {
  void t.test(name, async (t) => {
    const found = differenceOf(wanted(topic), actual(topic, changed));
    t.equal(found.outcome, "refuse");
    t.match(found.outcome === "refuse" && found.reasons[0], new RegExp(Object.keys(changed)[0] ?? "", "u"));
  });
}

t.test("keeping without end is not given up for a default that is not known", async (t) => {
  const wide = { ...wanted("changesets"), settings: { "cleanup.policy": "delete", "retention.ms": "1" } };
  const found = differenceOf(wide, { ...actual("changesets", { "retention.ms": "1" }) });
  t.match(found, { outcome: "refuse", reasons: [/retention.bytes from -1/u] });
  t.equal(topicSettings("changesets")["retention.bytes"], "-1");
});

t.test("another number of copies is refused, with what makes it right", async (t) => {
  const found = differenceOf({ ...wanted("roster.a"), replication: 3 }, actual("roster.a"));
  t.match(found, { outcome: "refuse", reasons: [/1 copies and not 3: .*kafka-reassign-partitions/u] });
});

t.test("another number of partitions is refused", async (t) => {
  t.equal(differenceOf(wanted("roster.a"), { ...actual("roster.a"), partitions: 2 }).outcome, "refuse");
});
