// Archives that a person hands over damaged, or with names that no database takes.

import { once } from "node:events";
import { createWriteStream, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";
import { ZipFile } from "yazl";

import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver, type ReadDelivery } from "../../libs/ingest/deliver.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";

const fixture = new URL("../fixtures/v12-bulk", import.meta.url).pathname;
const { signal } = new AbortController();

/** A zip of the fixture and one file beside it. */
async function zipAt(path: string, beside: string): Promise<Buffer> {
  const zip = new ZipFile();
  for (const name of readdirSync(fixture)) zip.addFile(join(fixture, name), name);
  zip.addBuffer(Buffer.from("x"), beside);
  zip.end();
  const out = createWriteStream(path);
  zip.outputStream.pipe(out);
  await once(out, "close");
  return readFileSync(path);
}

function handOver({ system, id }: TestDistrict, path: string): Promise<ReadDelivery> {
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  return deliver(system, { district: id, source, path, signal });
}

t.test("a zip with a damaged entry is refused with a sentence, and leaves no delivery", async (t) => {
  const district = await freshDistrict(t);
  const path = join(t.testdir(), "set.zip");
  const bytes = await zipAt(path, "notes.txt");
  const at = bytes.indexOf("users.csv") + "users.csv".length + 2;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  writeFileSync(path, bytes);
  await t.rejects(handOver(district, path), {
    code: "set.unreadable",
    message: "reading the set: the zip's entry users.csv is damaged",
  });
  t.strictSame(await district.system.sql("deliveries").where({ district: district.id }).select("id"), []);
});

t.test("a name with U+0000 in a zip is stored escaped, and the set is read", async (t) => {
  const district = await freshDistrict(t);
  const path = join(t.testdir(), "set.zip");
  const bytes = await zipAt(path, "xQQQy.txt");
  writeFileSync(path, bytes.toString("latin1").replaceAll("xQQQy", "x\0\0\0y"), "latin1");
  const { id, verdict } = await handOver(district, path);
  t.equal(verdict.outcome, "accepted");
  t.match(await district.system.sql("deliveries").where({ id }).first("beside"), {
    beside: { otherNames: ["x\\u0000\\u0000\\u0000y.txt"] },
  });
});
