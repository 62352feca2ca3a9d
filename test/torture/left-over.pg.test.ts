// A delivery that was received by a process which then died: it is read before what was received after it, by whoever
// comes first, and only once.

import t from "tap";

import { parseSourceId } from "../../libs/domain/ids.ts";
import { readUnread, receive } from "../../libs/ingest/deliver.ts";
import { checkPublished } from "../support/checker.ts";
import { freshDistrict } from "../support/pipeline.ts";

const source = parseSourceId("files");

void t.test("what was received and left by a crash never brings back what a later delivery replaced", async (t) => {
  const district = await freshDistrict(t);
  const { system, id } = district;
  if (source === null) throw new Error("files is a source id");
  const one = await district.sample({ students: 15, schoolYear: 2199 });
  const two = await district.sample({ students: 15, schoolYear: 2199, night: 2 });
  const left = await receive(system, { district: id, source, path: one.directory });
  t.match(await district.deliver(two.directory), { outcome: "published", delivery: "springfield.files.2" });
  const planned: unknown = await system.sql("plans").orderBy("version").pluck("delivery");
  t.same(planned, ["springfield.files.1", "springfield.files.2"], "in the order of their arrival");
  await checkPublished(t, district, two.directory, "the later one is what is published");

  t.ok(await readUnread(system, left.id));
  t.match(await district.deliver(two.directory), { outcome: "published" });
  t.same(await system.sql("deliveries").orderBy("sequence").pluck("attempt"), [1, 1, 1], "each is read once");
  await checkPublished(t, district, two.directory, "and stays so");
});
