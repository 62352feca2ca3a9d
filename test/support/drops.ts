// A district that delivers by itself: its source, a client that uploads, and the watcher beside the test.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { ZipFile } from "yazl";

import { Drops } from "../../libs/adapters/drops/drops.ts";
import type { DropFiles } from "../../libs/adapters/drops/files.ts";
import { placeOf } from "../../libs/adapters/drops/place.ts";
import { type DistrictId, parseSourceId, type SourceId } from "../../libs/domain/ids.ts";
import { defaultDropSettings, type DropSettings } from "../../libs/domain/source.ts";
import { runDrops } from "../../services/ingest-sftp/drops.ts";
import { addDistrict, freshSystem, type TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

/** Names and contents. */
export type SetOfFiles = ReadonlyMap<string, string>;

export type DropDistrict = {
  readonly system: TestSystem;
  readonly district: DistrictId;
  readonly source: SourceId;
  readonly drops: Drops;
  readonly files: DropFiles;
  /** The folder of all drops. */
  readonly root: string;
  /** What the client sees as its root. */
  readonly folder: string;
};

export const quietSeconds = 0.3;
const address = "198.51.100.7";

/** A district with one source, whose sets are whole once they were still for {@link quietSeconds}. */
export async function dropDistrict(
  t: Teardown,
  {
    kind = "sftp",
    settings = {},
  }: { readonly kind?: "sftp" | "folder"; readonly settings?: Partial<DropSettings> } = {},
): Promise<DropDistrict> {
  const system = await freshSystem(t);
  const district = await addDistrict(system, "oak");
  const source = parseSourceId(kind);
  if (source === null) throw new Error("both kinds are ids");
  const all = JSON.stringify({ ...defaultDropSettings, quietSeconds, ...settings });
  await system.sql("sources").insert({ district, id: source, kind, settings: all });
  const root = join(system.folder, "drops");
  const drops = await Drops.open({ sql: system.sql, root });
  t.teardown(() => drops.close());
  const key = { district, source };
  return { system, district, source, drops, root, files: drops.files(key, address), folder: placeOf(root, key).files };
}

/** The files of a fixture; `change` is put for the first title of its courses, so that two sets differ. */
export function setOf(fixture: string, change?: string): Map<string, string> {
  const folder = join(import.meta.dirname, "..", "fixtures", fixture);
  const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]));
  if (change === undefined) return files;
  const lines = (files.get("courses.csv") ?? "").split("\n");
  const column = (lines[0] ?? "").trim().split(",").indexOf("title");
  const cells = (lines[1] ?? "").split(",");
  cells[column] = change;
  return files.set("courses.csv", [lines[0], cells.join(","), ...lines.slice(2)].join("\n"));
}

export async function upload(files: DropFiles, path: string, text: string | Uint8Array): Promise<void> {
  const opened = await files.openWrite(path, { create: true, exclusive: false, truncate: true });
  opened.write(0, Buffer.from(text));
  await opened.close();
}

/** The set as one zip. */
export async function zipOf(set: SetOfFiles): Promise<Uint8Array> {
  const zip = new ZipFile();
  for (const [name, text] of set) zip.addBuffer(Buffer.from(text), name);
  zip.end();
  const parts: Buffer[] = [];
  for await (const part of zip.outputStream) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

export async function uploadSet(files: DropFiles, set: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  for (const [name, text] of set) await upload(files, `/${name}`, text);
}

/** Runs the watcher beside the work; what it throws fails the test. */
export async function whileWatching(
  { system, root }: Pick<DropDistrict, "root"> & { readonly system: Parameters<typeof runDrops>[0] },
  work: () => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const watching = runDrops(system, { root, pollIntervalMs: 40, failedPauseMs: 100 }, stop.signal);
  try {
    await Promise.race([work(), watching]);
  } finally {
    stop.abort();
    await watching;
  }
}

/** States of the sets in the order in which they were taken. */
export async function setStates({ system }: DropDistrict): Promise<readonly string[]> {
  return system.sql("drop_sets").orderBy("taken_at").pluck("state");
}

/** States of the deliveries in their order. */
export async function deliveryStates({ system }: DropDistrict): Promise<readonly string[]> {
  return system.sql("deliveries").orderBy("sequence").pluck("state");
}

/** What is waited for; null: for nothing. */
export async function waitingState({ system }: DropDistrict): Promise<unknown> {
  const row: { readonly state: unknown } | undefined = await system.sql("drop_waits").first("state");
  return row?.state ?? null;
}

const patienceMs = 30_000;

export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + patienceMs; !(await isSo()); await sleep(25))
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
}

/** Long enough for a whole set to have been taken. */
export async function aWhile(): Promise<void> {
  await sleep(quietSeconds * 1000 * 3);
}
