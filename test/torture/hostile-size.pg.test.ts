// A set of a gigabyte is received, as loose files and as a zip, in memory that does not grow with it. `TORTURE=1` runs it.

import { once } from "node:events";
import { createWriteStream, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import t from "tap";
import { ZipFile } from "yazl";

import { parseSourceId } from "../../libs/domain/ids.ts";
import { receive } from "../../libs/ingest/deliver.ts";
import { freshDistrict } from "../support/pipeline.ts";
import { Random } from "../support/seeded.ts";

const isTorture = process.env["TORTURE"] === "1";
const gigabyte = 1e9;
/** A fifth of the set: of a set held whole it would be five times as much. */
const growthMost = 200e6;
t.setTimeout(600_000);

/** Rows as a district has them, until there are so many bytes. */
function* rows(bytes: number): Generator<Buffer> {
  const random = new Random(1, 1);
  yield Buffer.from("sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role\r\n");
  for (let written = 0, number = 0; written < bytes;) {
    const lines = Array.from(
      { length: 1000 },
      () => `e${number++},c${random.below(9e4)},s1,u${random.below(9e5)},student`,
    );
    const chunk = Buffer.from(`${lines.join("\r\n")}\r\n`);
    written += chunk.length;
    yield chunk;
  }
}

async function zipped(folder: string, path: string): Promise<string> {
  const zip = new ZipFile();
  zip.addFile(join(folder, "enrollments.csv"), "enrollments.csv", { compressionLevel: 1 });
  zip.end();
  const out = createWriteStream(path);
  zip.outputStream.pipe(out);
  await once(out, "close");
  return path;
}

/** How many bytes this process grows by at most while the work runs. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(most, process.memoryUsage.rss()) - before;
}

t.test("a gigabyte is received in flat memory", { skip: !isTorture && "TORTURE=1 runs it" }, async (t) => {
  const { system, id: district } = await freshDistrict(t);
  const source = parseSourceId("files");
  if (source === null) throw new Error("files is a source id");
  const folder = join(system.folder, "set");
  mkdirSync(folder);
  await pipeline(Readable.from(rows(gigabyte)), createWriteStream(join(folder, "enrollments.csv")));
  const zip = await zipped(folder, join(system.folder, "set.zip"));
  const { size } = statSync(join(folder, "enrollments.csv"));
  for (const path of [folder, zip]) {
    const begun = performance.now();
    const grown = await growth(async () => {
      const { files } = await receive(system, { district, source, path });
      t.match(files, [{ name: "enrollments.csv", bytes: size }]);
    });
    const rate = Math.round(size / 1e3 / (performance.now() - begun));
    t.comment(`${path === zip ? "zip" : "loose files"}: ${rate} MB/s, grown by ${Math.round(grown / 1e6)} MB`);
    t.ok(grown < growthMost, `${grown} bytes`);
  }
  const [hash, ...others] = await system.sql("deliveries").distinct("set_hash").pluck<string[]>("set_hash");
  t.ok(hash !== undefined && others.length === 0, "both are the same set");
});
