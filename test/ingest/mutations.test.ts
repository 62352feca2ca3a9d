// Sets broken at random, by seed: judging always ends in a verdict, accounts for every row, and a row that the
// mutation did not touch is never lost without deletion by absence being suspended or the key being claimed.

import { Readable } from "node:stream";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import t from "tap";

import type { DeliveredSet } from "../../libs/adapters/oneroster/set-reader.ts";
import { defaultPolicy } from "../../libs/domain/policy.ts";
import { type Judged, judgeSet } from "../../libs/ingest/judge-set.ts";
import { RecordingSink } from "./recording-sink.ts";

const count = 300;
const folder = new URL("../fixtures/v12-bulk", import.meta.url).pathname;
const whole = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));

/** Numbers from 0 up to one, the same for a seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const junk = ['"', ",", "\r", "\n", "\0", "\ufeff", "é", '""', "\r\n", '",', "~", " ", "tobedeleted", "x".repeat(300)];

/** One file with one to three faults below its header. */
function mutated(bytes: Buffer, next: () => number): Buffer {
  let result = bytes;
  const head = bytes.indexOf("\n") + 1;
  for (let n = 1 + Math.floor(next() * 3); n > 0; n--) {
    const at = head + Math.floor(next() * Math.max(result.length - head, 1));
    const piece = Buffer.from(next() < 0.2 ? [0xe9] : (junk[Math.floor(next() * junk.length)] ?? ""));
    const cut = next() < 0.5 ? Math.floor(next() * 4) : 0;
    result = Buffer.concat([result.subarray(0, at), piece, result.subarray(at + cut)]);
  }
  return result;
}

function setOf(files: ReadonlyMap<string, Buffer>): DeliveredSet {
  const entries = [...files].map(([name, bytes]) => ({
    name,
    bytes: bytes.length,
    open: () => Promise.resolve(Readable.from([bytes], { objectMode: false })),
  }));
  return { entries, otherNames: [], notes: [], close: () => undefined };
}

async function judge(
  files: ReadonlyMap<string, Buffer>,
): Promise<{ readonly judged: Judged; readonly sink: RecordingSink }> {
  const sink = new RecordingSink();
  return { judged: await judgeSet({ set: setOf(files), policy: defaultPolicy, sink }), sink };
}

void t.test(`${count} broken sets each end in a verdict that loses no row unnoticed`, async (t) => {
  const names = [...whole.keys()].filter((name) => name !== "manifest.csv");
  const before = await judge(whole);
  let noticed = 0;
  for (let seed = 1; seed <= count; seed++) {
    const next = random(seed);
    const name = names[Math.floor(next() * names.length)] ?? "users.csv";
    const bytes = mutated(whole.get(name) ?? Buffer.alloc(0), next);
    const { judged, sink } = await judge(new Map([...whole, [name, bytes]]));
    if (judged.groups.length > 0) noticed++;
    for (const [type, verdict] of Object.entries(judged.verdict.types)) {
      const { rows, entities, deletes, rejects, repeats, derived, absence } = verdict;
      if (!derived && entities + deletes + rejects + repeats !== rows) t.fail(`seed ${seed}: rows of ${type}`);
      if (!absence) continue;
      const text = bytes.toString();
      for (const key of before.sink.standing.keys()) {
        const [keyType, id = ""]: readonly string[] = JSON.parse(key);
        // An id that no longer stands at the head of a line was itself struck: the row has another key now.
        const stands = text.includes(`\n${id},`) || whole.get(name)?.includes(`\n${id},`) === false;
        if (keyType === type && stands && !sink.standing.has(key)) t.fail(`seed ${seed}: ${key} of ${name} is lost`);
      }
    }
  }
  t.ok(noticed > count / 3, `${noticed} of them have findings`);
});

void t.test("a manifest broken at random never crashes", async (t) => {
  const manifest = whole.get("manifest.csv") ?? Buffer.alloc(0);
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const { judged } = await judge(new Map([...whole, ["manifest.csv", mutated(manifest, random(seed))]]));
    outcomes.add(judged.verdict.outcome);
  }
  t.strictSame([...outcomes].toSorted(), ["accepted", "refused"]);
});
