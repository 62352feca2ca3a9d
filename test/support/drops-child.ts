// A process that uploads sets and watches what was uploaded, to be killed: it says each file that was acknowledged.
// One that goes on after it uploads only what was not.

import { readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Drops } from "../../libs/adapters/drops/drops.ts";
import { openSystem } from "../../libs/cli/system.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { runDrops } from "../../services/ingest-sftp/drops.ts";
import { quietSeconds } from "./drops.ts";
import { districtNamed } from "./system.ts";

const [databaseUrl = "", dataDir = "", first = "0", last = "0", acknowledged = ""] = process.argv.slice(2);
const system = await openSystem({ dataDir, databaseUrl }, createLogger({ name: "drops" }));
const root = join(dataDir, "drops");
const drops = await Drops.open({ sql: system.sql, root });
const files = drops.files({ district: districtNamed("oak"), source: parseSourceId("sftp") ?? fail() }, "198.51.100.7");
const stop = new AbortController();
const watching = runDrops(system, { root, pollIntervalMs: 20, failedPauseMs: 100 }, stop.signal);

function fail(): never {
  throw new Error("sftp is a source id");
}

async function isTaken(set: number): Promise<boolean> {
  const ids: readonly unknown[] = await system.sql("drop_sets").pluck("id");
  return ids.length > set;
}

async function put(path: string, bytes: Buffer): Promise<void> {
  const upload = await files.openWrite(path, { create: true, exclusive: false, truncate: true });
  const half = Math.floor(bytes.length / 2);
  upload.write(0, bytes.subarray(0, half));
  await sleep(15);
  upload.write(half, bytes.subarray(half));
  await upload.close();
}

async function uploadSets(): Promise<void> {
  // What was closed may not have been said any more, and be taken now.
  await sleep(quietSeconds * 3000);
  const known = new Set(acknowledged.split(","));
  for (let set = Number(first); set <= Number(last); set++) {
    writeSync(1, `set ${set}\n`);
    for (const name of readdirSync(join(dataDir, "sets", String(set)))) {
      if ((set === Number(first) && known.has(name)) || (await isTaken(set))) continue;
      await put(`/${name}`, readFileSync(join(dataDir, "sets", String(set), name)));
      writeSync(1, `ack ${set} ${name}\n`);
    }
    while (!(await isTaken(set))) await sleep(20);
    writeSync(1, `taken ${set}\n`);
  }
  while ((await system.sql("drop_sets").where({ state: "taken" }).first("id")) !== undefined) await sleep(20);
}

await Promise.race([uploadSets(), watching]);
stop.abort();
await watching;
await drops.close();
await system.close();
writeSync(1, "done\n");
