// Receiving and reading: what the records of a delivery say, what a second reading may change, who may deliver.

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import { type DeliveryId, parseSourceId, type SourceId } from "../../libs/domain/ids.ts";
import { deliver, readDelivery, readUnread, receive } from "../../libs/ingest/deliver.ts";
import type { Report } from "../../libs/ingest/report.ts";
import type { Landing } from "../../libs/ports.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const fixture = (name: string): string => new URL(`../fixtures/${name}`, import.meta.url).pathname;

const sourceNamed = (id: string): SourceId => {
  const source = parseSourceId(id);
  if (source === null) throw new Error(`${id} is no source id`);
  return source;
};
const files = sourceNamed("files");
const { signal } = new AbortController();

async function handOver({ system, id }: TestDistrict, path: string): Promise<DeliveryId> {
  return (await deliver(system, { district: id, source: files, path, signal })).id;
}

t.test("a record of what is absent says by which status its row deletes", async (t) => {
  const district = await freshDistrict(t);
  await handOver(district, fixture("v11-delta-inactive"));
  const old = district.edited(fixture("v11-delta-inactive"), {
    "enrollments.csv": (text) => text.replace("inactive", "tobedeleted"),
  });
  await handOver(district, old);
  const absent = (await district.records("entities")).filter(({ name }) => name === "rollcall.entity.Absent");
  t.match(absent, [
    { key: '["enrollment","e3"]', value: { reason: "inactive" } },
    { key: '["enrollment","e3"]', value: { reason: "tobedeleted" } },
  ]);
  t.equal(absent.length, 2);
});

/** A landing that stores nothing before as many files have come as are expected. */
function landingTogether(landing: Landing, expected: number): Landing {
  let come = 0;
  let open = (): void => undefined;
  const all = new Promise<void>((resolve) => (open = resolve));
  return {
    put: async (name, content) => {
      if (++come === expected) open();
      await all;
      return landing.put(name, content);
    },
    open: (sha256) => landing.open(sha256),
    putDocument: (delivery, name, text) => landing.putDocument(delivery, name, text),
    document: (delivery, name) => landing.document(delivery, name),
    has: (sha256) => landing.has(sha256),
    contents: () => landing.contents(),
    deleteContent: (sha256) => landing.deleteContent(sha256),
    deleteDocuments: (district) => landing.deleteDocuments(district),
    deleteDocumentsOf: (delivery) => landing.deleteDocumentsOf(delivery),
    deleteUnfinished: (ageMs) => landing.deleteUnfinished(ageMs),
  };
}

t.test("of two sources that deliver a district's first sets at once, one is refused", async (t) => {
  const { system, id } = await freshDistrict(t);
  const context = { ...system, landing: landingTogether(system.landing, 2) };
  const path = fixture("v11-bulk");
  const both = ["north", "south"].map((name) => receive(context, { district: id, source: sourceNamed(name), path }));
  const results = await Promise.allSettled(both);
  t.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  t.match(
    results.find(({ status }) => status === "rejected"),
    { reason: { code: "source.second" } },
  );
  t.equal((await system.sql("deliveries").select("id")).length, 1);
  t.equal((await system.sql("sources").select("id")).length, 1);
});

t.test("a source that is disabled delivers nothing, and another one may then", async (t) => {
  const district = await freshDistrict(t);
  const { system, id } = district;
  const path = fixture("v12-bulk");
  await handOver(district, path);
  await system.sql("sources").update({ disabled_at: new Date() });
  await t.rejects(handOver(district, path), { code: "source.disabled" });
  const other = await deliver(system, { district: id, source: sourceNamed("other"), path, signal });
  t.match(other.verdict, { outcome: "accepted" });
  t.equal((await system.sql("deliveries").select("id")).length, 2);
});

const withDemographics = (district: TestDistrict): string => {
  const folder = district.edited(fixture("v12-bulk"), {
    "manifest.csv": (text) => text.replace("file.demographics,absent", "file.demographics,bulk"),
  });
  const rows = ["sourcedId,status,dateLastModified,birthDate", "u3,,,2010-01-01", "u4,,,01/02/03"];
  writeFileSync(join(folder, "demographics.csv"), rows.join("\r\n"));
  return folder;
};

const found = ({ groups }: Report): readonly string[] =>
  groups.filter(({ file }) => file === "demographics.csv").map(({ code }) => code);

t.test("the report of a delivery stays when its range is filled again", async (t) => {
  const district = await freshDistrict(t);
  const id = await handOver(district, withDemographics(district));
  const first = await district.report(id);
  t.ok(first.groups.some(({ file, field }) => file === "demographics.csv" && field === "birthDate"));
  const { verdict } = await readDelivery(district.system, { id, signal });
  t.equal(verdict.outcome, "accepted");
  t.same(await district.report(id), first);
});

t.test("demographics that were kept back are not missing where a reading begins again from landing", async (t) => {
  const district = await freshDistrict(t);
  const path = withDemographics(district);
  const { id, files: landed } = await receive(district.system, { district: district.id, source: files, path });
  t.notOk(landed.some(({ name }) => name === "demographics.csv"));
  t.ok(await readUnread(district.system, id));
  const report = await district.report(id);
  t.equal(report.verdict.outcome, "accepted");
  t.same(found(report), ["pkg.left_alone"]);
  const [file] = report.verdict.files.filter(({ name }) => name === "demographics.csv");
  t.match(file, { state: "left-alone", bytes: statSync(join(path, "demographics.csv")).size });
});

t.test("a delivery of which nothing else is left is refused, although a file of it was kept back", async (t) => {
  const district = await freshDistrict(t);
  const id = await handOver(district, withDemographics(district));
  await district.system.sql("deliveries").where({ id }).update({ files: "[]" });
  const { verdict } = await readDelivery(district.system, { id, signal });
  t.equal(verdict.outcome, "refused");
});
