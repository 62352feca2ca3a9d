// A pull received, read and read again: once, with what is known of it, and with its causes in the record.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { fileOf, type PullRecord } from "../../libs/domain/api/pulled.ts";
import { parseSourceId, type SourceId } from "../../libs/domain/ids.ts";
import { type DeliveryRow, readDelivery } from "../../libs/ingest/deliver.ts";
import { lastPulled, type PulledFile, receivePulled } from "../../libs/ingest/pulled-set.ts";
import { controlTopics } from "../../libs/topics.ts";
import { type ItemTexts, pageLines, pullOf } from "../support/pages.ts";
import { freshDistrict, type TestDistrict, topicRecords } from "../support/pipeline.ts";

const { signal } = new AbortController();

const source = parseSourceId("api");
if (source === null) throw new Error("it is a source's id");
const api: SourceId = source;

const orgs = [
  '{"sourcedId":"o1","name":"N","type":"school","metadata":{"a":1}}',
  '{"sourcedId":"o2","name":"S","type":"castle"}',
];
const user = (id: string): string =>
  `{"sourcedId":"${id}","enabledUser":"true","givenName":"A","familyName":"B","roles":[{"roleType":"primary","role":"teacher","org":"o1"}]}`;

function spooled(district: TestDistrict, items: ItemTexts): readonly PulledFile[] {
  const folder = district.folder();
  return pullOf({ version: "1.2", items }).collections.map(({ name }) => {
    const path = join(folder, fileOf(name));
    writeFileSync(path, pageLines(name, items[name] ?? []).join(""));
    return { collection: name, path };
  });
}

type Came = { readonly row: DeliveryRow | null; readonly recorded: readonly (string | null)[] };

async function receive(district: TestDistrict, items: ItemTexts, more: Partial<PullRecord> = {}): Promise<Came> {
  const recorded: (string | null)[] = [];
  const row = await receivePulled(district.system, {
    district: district.id,
    source: api,
    files: spooled(district, items),
    pull: { ...pullOf({ version: "1.2", items, metadata: ["a", "nul\0", "b"] }), ...more },
    record: (_trx, delivery) => Promise.resolve(void recorded.push(delivery?.id ?? null)),
  });
  return { row, recorded };
}

async function read(district: TestDistrict, { row }: Came): Promise<void> {
  if (row === null) throw new Error("it was received");
  const { verdict } = await readDelivery(district.system, { id: row.id, signal });
  t.equal(verdict.outcome, "accepted");
}

t.test("a pull is received once, remembered, and filled again from landing", async (t) => {
  const district = await freshDistrict(t);
  const { sql } = district.system;
  const items = { orgs, users: [user("u1"), user("u2")] };
  // What a database cannot hold, as in a token's scopes, ends no pull.
  const seen = { orgs: ["o1", "o\0"], scopes: ["r", "s\0", "\uD800"], revision: "7\0", sessionsEnd: "2027\0" };
  const first = await receive(district, items, { seen, baseUrl: "https://sis.example/\0a" });
  t.match(await sql("deliveries").first(sql.raw("beside -> 'pull' as pull")), {
    pull: {
      baseUrl: "https://sis.example/a",
      seen: { orgs: ["o1"], scopes: ["r"], revision: null, sessionsEnd: null },
    },
  });
  t.same(first.recorded, [first.row?.id]);
  await read(district, first);
  const again = await receive(district, items, { seen, baseUrl: "https://sis.example/\0a" });
  t.same(again, { row: null, recorded: [null] }, "the same again is no delivery, and is recorded all the same");

  const other = await receive(district, { orgs, users: [user("u1")] }, { causes: ["orgs-narrowed"] });
  await read(district, other);
  await read(district, other);
  const deliveries = (await topicRecords(district.system, controlTopics.deliveries.name)).map(({ value }) => value);
  t.match(deliveries, [
    { attempt: 1, causes: [], version: "1.2" },
    { attempt: 1, causes: ["orgs-narrowed"] },
    { attempt: 2, causes: ["orgs-narrowed"] },
  ]);
  const types = deliveries.map((value) =>
    typeof value === "object" && value !== null && "types" in value ? value.types : null,
  );
  t.same(types[2], types[1], "a second reading says the same");
  t.match(JSON.stringify(types[1]), /"role","mode":"bulk","absence":true/u);

  const [, stored] = await sql("deliveries").orderBy("sequence").select("read_as", "state");
  t.match(stored, { read_as: { "orgs.jsonl": "whole", "users.jsonl": "whole" } });
  const entities = await district.records("entities");
  t.ok(entities.some(({ key, name }) => key === '["org","o2"]' && name === "rollcall.entity.Unknown"));
  const last = await lastPulled(sql, { district: district.id, source: api });
  t.match(last, { causes: ["orgs-narrowed"], collections: [{ name: "orgs", items: 2, metadata: ["a", "b"] }, {}] });
});

t.test("what its row cannot be told of is not received", async (t) => {
  const district = await freshDistrict(t);
  const items = { orgs };
  const gone = receivePulled(district.system, {
    district: district.id,
    source: api,
    files: spooled(district, items),
    pull: pullOf({ version: "1.2", items }),
    record: () => Promise.reject(new Error("the pull was ended by others")),
  });
  await t.rejects(gone, { message: "the pull was ended by others" });
  t.same(await district.system.sql("deliveries").select("id"), []);
  t.equal(await lastPulled(district.system.sql, { district: district.id, source: api }), null);
});
