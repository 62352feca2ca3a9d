// Kills the process that receives and takes sets, in mid-upload, in mid-take and while it reads, and lets a client go on
// that uploads again only what was not acknowledged. `TORTURE=1` kills at twenty points, `SEED=7` at other ones.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import t from "tap";

import { placeOf } from "../../libs/adapters/drops/place.ts";
import type { LandedFile } from "../../libs/ports.ts";
import { type Child, start } from "../support/child.ts";
import { deliveryStates, type DropDistrict, dropDistrict, setOf, setStates } from "../support/drops.ts";
import { Random } from "../support/seeded.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const points = isTorture ? 20 : 3;
const setsMost = points + 2;
const child = join(import.meta.dirname, "..", "support", "drops-child.ts");

/** What the client knows: how far it is, and which files of that set are safe. */
type Known = { readonly set: number; readonly acknowledged: readonly string[]; readonly isDone: boolean };

const moments = ["upload", "take", "read"] as const;
type Moment = (typeof moments)[number];

const contents = (set: number): ReadonlyMap<string, string> => setOf("v12-bulk", `Title ${set}`);

function writeSets(folder: string): void {
  for (let set = 0; set < setsMost; set++) {
    mkdirSync(join(folder, "sets", String(set)), { recursive: true });
    for (const [name, text] of contents(set)) writeFileSync(join(folder, "sets", String(set), name), text);
  }
}

function run({ system }: DropDistrict, known: Known, last: number): Child {
  const { set, acknowledged } = known;
  const numbers = [String(set), String(last)];
  return start([process.execPath, child, system.database.url, system.folder, ...numbers, acknowledged.join(",")]);
}

/** Resolves at the moment, or when the process has ended. */
async function reached(
  district: DropDistrict,
  running: Child,
  { moment, random }: { readonly moment: Moment; readonly random: Random },
): Promise<void> {
  if (moment === "upload") {
    await Promise.race([running.said("set "), running.ended]);
    await sleep(random.below(200));
    return;
  }
  const { sets } = placeOf(district.root, district);
  mkdirSync(sets, { recursive: true });
  const watching = new AbortController();
  const seen = new Promise<void>((resolve) => {
    watch(sets, { signal: watching.signal }, () => resolve());
  });
  await Promise.race([seen, running.ended]);
  watching.abort();
  if (moment === "read") await sleep(random.below(300));
}

/** What the dead process left, in words. */
async function lying(district: DropDistrict): Promise<string> {
  const { sets } = placeOf(district.root, district);
  const files = await district.system.sql("drop_files").pluck<string[]>("state");
  const aside = existsSync(sets) ? readdirSync(sets).length : 0;
  const taken = (await setStates(district)).filter((state) => state === "taken").length;
  return `rows ${files.join(" ")}; ${aside} sets put aside, ${taken} recorded`;
}

/** Adds what a process said to what the client knew. */
async function after(running: Child, before: Known): Promise<Known> {
  const { stdout, stderr, signal } = await running.ended;
  if (signal === null && !stdout.includes("done\n")) throw new Error(`it ended by itself: ${stderr}`);
  const lines = stdout.split("\n").slice(0, -1);
  const set = Number(lines.findLast((line) => line.startsWith("set "))?.slice("set ".length) ?? before.set);
  const own = lines.filter((line) => line.startsWith(`ack ${set} `)).map((line) => line.slice(`ack ${set} `.length));
  const kept = set === before.set ? before.acknowledged : [];
  return { set, acknowledged: [...kept, ...own], isDone: stdout.includes("done\n") };
}

t.test(
  "I24 what was acknowledged to a client is not lost, and no set is delivered twice, whenever the process is killed",
  { timeout: isTorture ? 600_000 : 120_000 },
  async (t) => {
    const district = await dropDistrict(t);
    const { system } = district;
    writeSets(system.folder);
    const random = new Random(seed, points);
    let known: Known = { set: 0, acknowledged: [], isDone: false };
    for (let point = 0; point < points; point++) {
      const moment = moments[point % moments.length] ?? "upload";
      const running = run(district, known, setsMost - 2);
      await reached(district, running, { moment, random });
      running.kill("SIGKILL");
      known = await after(running, known);
      t.comment(
        `SEED=${seed} ${moment}: set ${known.set}, ${known.acknowledged.length} safe; ${await lying(district)}`,
      );
      // Whoever starts it again need not wait for what the dead one held.
      await system.sql("leases").update({ expires_at: "-infinity" });
    }
    const last = known.isDone ? setsMost - 1 : known.set + 1;
    known = await after(
      run(district, known.isDone ? { set: last, acknowledged: [], isDone: false } : known, last),
      known,
    );
    t.equal(known.isDone, true, "what was acknowledged was enough for every set to become whole");
    const sets = Array.from({ length: last + 1 }, (_, set) => set);
    t.same(
      await setStates(district),
      sets.map(() => "delivered"),
    );
    t.same(
      await deliveryStates(district),
      sets.map(() => "accepted"),
      "each set is one delivery",
    );
    const delivered: readonly (readonly LandedFile[])[] = await system
      .sql("deliveries")
      .orderBy("sequence")
      .pluck("files");
    const hashes = sets.map((set) => [...contents(set)].map(([name, text]) => `${name} ${sha256(text)}`).toSorted());
    const landed = delivered.map((files) => files.map((file) => `${file.name} ${file.sha256}`).toSorted());
    t.same(landed, hashes, "each with its own files, in their order");
  },
);

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
