// The list of topics: names, keys and records are what the rest of the system takes them for.

import { strict as assert } from "node:assert";

import t from "tap";

import { readSources, schemasDir } from "../libs/adapters/registry/repository.ts";
import { parseDistrictId } from "../libs/domain/ids.ts";
import {
  allTopics,
  controlKey,
  controlTopics,
  districtTopic,
  districtTopicKinds,
  districtTopics,
  topicTable,
} from "../libs/topics.ts";

const schemas = [...readSources(schemasDir).keys()];

t.test("every topic is listed once, under the name by which the code knows it", async (t) => {
  const known = [...Object.values(controlTopics), ...Object.values(districtTopics)].map(({ name }) => name);
  t.strictSame(allTopics.map(({ name }) => name).toSorted(), known.toSorted());
  t.equal(new Set(known).size, known.length);
  const { logins, ...others } = controlTopics;
  t.equal(logins.name, "sso.logins");
  for (const [key, { name }] of Object.entries(others)) t.equal(name, key);
  for (const [key, { name }] of Object.entries(districtTopics)) t.equal(name, `${kebab(key)}.<district>`);
});

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`);
}

t.test("a district's topic bears its id, within what Kafka allows for a name", async (t) => {
  const longest = parseDistrictId("x".repeat(63));
  assert(longest !== null);
  t.equal(districtTopic("roster", longest), `roster.${longest}`);
  for (const kind of districtTopicKinds) t.match(districtTopic(kind, longest), /^[a-z0-9.-]{1,200}$/u);
});

t.test("every record that a topic names has a schema, and every schema of the wire has a topic", async (t) => {
  const named = allTopics.flatMap(({ records }) => records);
  for (const record of named) {
    const found = schemas.filter((name) =>
      record.endsWith(".*") ? name.startsWith(record.slice(0, -1)) : name === record,
    );
    t.ok(found.length > 0, record);
  }
  const within = new Set([
    ...["AccountLink", "Count", "DeliveredType", "PlanPart"].map((name) => `rollcall.control.${name}`),
    ...["Course", "School", "Student", "Term"].map((name) => `rollcall.teacher.${name}`),
  ]);
  const homeless = schemas.filter(
    (name) =>
      !within.has(name) &&
      name !== "rollcall.log.Writer" &&
      named.every((record) => (record.endsWith(".*") ? !name.startsWith(record.slice(0, -1)) : record !== name)),
  );
  t.strictSame(homeless, []);
});

t.test("entities and requests expire, and a roster is kept as its last state by key", async (t) => {
  const day = 86_400_000;
  t.strictSame(districtTopics.entities.kept, { policy: "delete", retentionMs: 7 * day });
  t.strictSame(districtTopics.roster.kept, {
    policy: "compact",
    minLagMs: 7 * day,
    maxLagMs: 14 * day,
    tombstoneMs: 30 * day,
  });
  const { licenses, accounts, ...events } = controlTopics;
  for (const { name, kept } of Object.values(events)) t.equal(kept.policy, "delete", name);
  for (const { name, kept } of [licenses, accounts]) t.equal(kept.policy, "compact", name);
});

t.test("every topic has one kind of key, a writer and a reader", async (t) => {
  for (const { name, key, writers, readers } of allTopics) {
    t.match(
      key,
      /^(?:entity key|license|account|person, (?:product|class)|district(?:, source|, code|, issuer, subject)?)$/u,
      name,
    );
    t.ok(writers.length > 0 && readers.length > 0, name);
  }
  const { roster, registrations, teacherRosters } = districtTopics;
  const writers = [roster, registrations, teacherRosters].map((topic) => [...topic.writers]);
  t.strictSame(writers, [["diff"], ["registration"], ["rosters"]], "a compacted topic has one writing service");
});

t.test("a control key is a JSON array, so that no two lists of parts share one", async (t) => {
  t.equal(controlKey("oak", "sftp"), '["oak","sftp"]');
  t.not(controlKey("a,b"), controlKey("a", "b"));
  t.not(controlKey('a","b'), controlKey("a", "b"));
});

t.test("the table has a row for every topic", async (t) => {
  const rows = topicTable().split("\n");
  t.equal(rows.length, allTopics.length + 2);
  for (const [index, { name }] of allTopics.entries()) t.ok(rows[index + 2]?.startsWith(`| \`${name}\` |`), name);
  for (const row of rows) t.equal(row.split("|").length, 8, "six columns");
});
