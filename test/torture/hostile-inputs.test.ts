// Zips and CSV files that are broken in seeded ways: whatever they hold, reading them ends, in memory that does not grow
// with what they claim, with a result or with the error of a set that cannot be read. `TORTURE=1` tries a thousand of each,
// `SEED=7` one alone.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";

import t from "tap";

import { CsvReading } from "../../libs/adapters/oneroster/csv.ts";
import type { CsvRow } from "../../libs/adapters/oneroster/record-scanner.ts";
import { openSet } from "../../libs/adapters/oneroster/set-reader.ts";
import { defaultPolicy } from "../../libs/domain/policy.ts";
import { isAppError } from "../../libs/errors.ts";
import { validatePath } from "../../libs/ingest/validate.ts";
import { type RawEntry, rawZip } from "../adapters/oneroster/raw-zip.ts";
import { Random } from "../support/seeded.ts";

const isTorture = process.env["TORTURE"] === "1";
const alone = Number(process.env["SEED"] ?? 0);
const count = isTorture ? 1000 : 100;
const seeds = alone > 0 ? [alone] : Array.from({ length: count }, (_, n) => n + 1);
/** Node's own ups and downs are half of this. */
const growthMost = 250e6;
t.setTimeout(isTorture ? 600_000 : 60_000);

type Mutation = (random: Random, bytes: Buffer) => Buffer;

const limits = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff];

/** What a stranger's program or line may do to any bytes. */
const anywhere: readonly Mutation[] = [
  (random, bytes) => {
    const at = random.below(bytes.length);
    bytes[at] = random.below(256);
    return bytes;
  },
  (random, bytes) => bytes.subarray(0, random.below(bytes.length)),
  (random, bytes) => bytes.subarray(random.below(bytes.length)),
  (random, bytes) => spliced(random, bytes, Buffer.alloc(0)),
  (random, bytes) => spliced(random, bytes, slice(random, bytes)),
  (random, bytes) => spliced(random, bytes, noise(random, 40)),
];

const inZips: readonly Mutation[] = [
  ...anywhere,
  (random, bytes) => overwritten(random, bytes),
  (random, bytes) => overwritten(random, bytes),
  (random, bytes) => overwritten(random, bytes),
  (random, bytes) => Buffer.concat([bytes, honestZip(random)]),
  // The end of a 64-bit zip, which may say anything.
  (random, bytes) => {
    const end = bytes.lastIndexOf("PK\u0005\u0006", undefined, "latin1");
    const record = Buffer.concat([Buffer.from("PK\u0006\u0006"), noise(random, 52, 52)]);
    const locator = Buffer.concat([Buffer.from("PK\u0006\u0007"), noise(random, 16, 16)]);
    if (random.chance(0.7)) locator.fill(0, 8, 16).writeUInt32LE(Math.max(0, end), 8);
    return end < 0 ? bytes : Buffer.concat([bytes.subarray(0, end), record, locator, bytes.subarray(end)]);
  },
];

const inText: readonly Mutation[] = [
  ...anywhere,
  ...['"', '""', ",", "\r", "\n", "\r\n", "\0", "\u001a", "\ufeff", '"\n', '",', "\ud800", "é", ";", "\t"].map(
    (text): Mutation =>
      (random, bytes) =>
        spliced(random, bytes, Buffer.from(text), 0),
  ),
  (random, bytes) => spliced(random, bytes, Buffer.from([0xc3, 0x28, 0xf0, 0x80]), 0),
  (random, bytes) =>
    spliced(random, bytes, Buffer.alloc(random.below(200_000), random.pick(["a", '"', ",", "\n", "\r"])), 0),
  (_, bytes) => Buffer.from(bytes.toString("utf8"), "utf16le"),
];

function noise(random: Random, most: number, least = 0): Buffer {
  return Buffer.from(Array.from({ length: least + random.below(most - least + 1) }, () => random.below(256)));
}

function slice(random: Random, bytes: Buffer): Buffer {
  const from = random.below(bytes.length);
  return bytes.subarray(from, from + random.below(200));
}

/** Other bytes in place of some, at any place. */
function spliced(random: Random, bytes: Buffer, other: Buffer, most = 60): Buffer {
  const at = random.below(bytes.length);
  return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at + random.below(most + 1))]);
}

/** A number at its limits, mostly where a header has one. */
function overwritten(random: Random, bytes: Buffer): Buffer {
  const headers = ["PK\u0001\u0002", "PK\u0003\u0004", "PK\u0005\u0006"].flatMap((mark) => placesOf(bytes, mark));
  const at = headers.length > 0 ? random.pick(headers) + 4 + random.below(42) : random.below(bytes.length);
  const value = random.chance(0.5) ? random.pick(limits) : random.below(2 ** 32);
  if (at + 4 > bytes.length) return bytes;
  if (random.chance(0.5)) bytes.writeUInt16LE(value & 0xffff, at);
  else bytes.writeUInt32LE(value >>> 0, at);
  return bytes;
}

function placesOf(bytes: Buffer, mark: string): readonly number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(mark, 0, "latin1"); at >= 0; at = bytes.indexOf(mark, at + 1, "latin1")) found.push(at);
  return found;
}

const names = ["users.csv", "orgs.csv", "manifest.csv", "classes.csv", "notes.txt", "more.zip"];

function honestZip(random: Random): Buffer {
  const entries = random.some(names, 0.5).map((name): RawEntry => ({
    name,
    content: random.chance(0.1) ? Buffer.alloc(random.below(3_000_000)) : honestCsv(random),
    method: random.pick([0, 8]),
    descriptor: random.chance(0.3),
  }));
  return rawZip(entries);
}

function honestCsv(random: Random): Buffer {
  const cell = (): string =>
    random.pick(["", "a", "x y", '"q, r"', '"a ""b"" c"', '"two\r\nlines"', "Müller", "2025-08-18"]);
  const width = 1 + random.below(6);
  const row = (): string => Array.from({ length: width }, cell).join(",");
  const header = ["sourcedId", "status", "dateLastModified", "name", "type", "identifier"].slice(0, width).join(",");
  return Buffer.from([header, ...Array.from({ length: random.below(60) }, row), ""].join(random.pick(["\r\n", "\n"])));
}

function mutated(random: Random, bytes: Buffer, mutations: readonly Mutation[]): Buffer {
  let result = random.chance(0.05) ? noise(random, 2000) : bytes;
  for (let n = 1 + random.below(random.pick([1, 2, 6])); n > 0 && result.length > 0; n--)
    result = Buffer.from(random.pick(mutations)(random, result));
  return result;
}

/** Reads all of a zip. @throws AppError `set.unreadable`, and where more or less comes out than is said. */
async function readZip(path: string): Promise<"read"> {
  const set = await openSet(path);
  try {
    for (const entry of set.entries) {
      let bytes = 0;
      for await (const chunk of await entry.open()) bytes += Buffer.from(chunk).length;
      if (bytes !== entry.bytes) throw new Error(`${entry.name} has ${bytes} bytes, not ${entry.bytes}`);
    }
    return "read";
  } finally {
    set.close();
  }
}

async function rowsOf(bytes: Buffer, chunk: number): Promise<readonly CsvRow[]> {
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  };
  const rows: CsvRow[] = [];
  for await (const batch of new CsvReading(Readable.from(pieces(), { objectMode: false })).batches())
    rows.push(...batch);
  return rows;
}

/** Tries all seeds; whoever fails is named with its seed. @returns by how many bytes the process grew at most. */
async function eachSeed(fail: (said: string) => unknown, attempt: (random: Random) => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  for (const seed of seeds) {
    try {
      await attempt(new Random(seed, 1));
    } catch (error) {
      fail(`SEED=${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    most = Math.max(most, process.memoryUsage.rss());
  }
  return most - before;
}

void t.test(`${count} hostile zips end in a result or a refusal`, async (t) => {
  const path = join(t.testdir(), "set.zip");
  const ends = { read: 0, refused: 0 };
  const faults = new Set<string>();
  const grown = await eachSeed(t.fail.bind(t), async (random) => {
    writeFileSync(path, mutated(random, honestZip(random), inZips));
    const end = await readZip(path).catch((error: unknown) => {
      if (!isAppError(error, "set.unreadable")) throw error;
      faults.add(String(error.details["fault"]));
      return "refused" as const;
    });
    ends[end]++;
  });
  t.comment(`seeds ${seeds[0]} to ${seeds.at(-1)}: ${ends.read} read, ${ends.refused} refused`);
  t.comment(
    `${faults.size} faults: ${[...faults].toSorted().join(" ")}; the process grew by ${Math.round(grown / 1e6)} MB`,
  );
  t.ok(alone > 0 || (ends.read > 5 && faults.size > 8), "both were tried");
  t.ok(grown < growthMost, `${grown} bytes`);
});

void t.test(`${count} hostile CSV files end, and are the same rows however they come in`, async (t) => {
  const folder = join(t.testdir(), "set");
  mkdirSync(folder);
  let faults = 0;
  const grown = await eachSeed(t.fail.bind(t), async (random) => {
    const bytes = mutated(random, honestCsv(random), inText);
    const whole = await rowsOf(bytes, Math.max(1, bytes.length));
    faults += whole.filter(({ fault }) => fault !== null).length;
    for (const [index, { line }] of whole.entries())
      if (line <= (whole[index - 1]?.line ?? 0)) throw new Error(`line ${line} comes after a later one`);
    const pieces = await rowsOf(bytes, 1 + random.below(bytes.length > 20_000 ? 70_000 : 300));
    if (JSON.stringify(pieces) !== JSON.stringify(whole)) throw new Error("in pieces it has other rows");
    writeFileSync(join(folder, "users.csv"), bytes);
    await validatePath(folder, defaultPolicy);
  });
  t.comment(
    `seeds ${seeds[0]} to ${seeds.at(-1)}: ${faults} faulty rows; the process grew by ${Math.round(grown / 1e6)} MB`,
  );
  t.ok(alone > 0 || faults > 10, "some rows are faulty");
  t.ok(grown < growthMost, `${grown} bytes`);
});
