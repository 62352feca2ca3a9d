// Sets that are broken in seeded ways, delivered through the whole pipeline as a second night, with no limit to hold
// anything back: it never crashes, and it deletes nothing that the mutation did not ask for. `TORTURE=1` tries five
// hundred, `SEED=7` one alone.

import { join } from "node:path";

import t from "tap";

import { changesetRanges, changesOf } from "../../libs/cli/changes.ts";
import { outcomeOf } from "../../libs/cli/outcome.ts";
import { withServices } from "../../libs/cli/services.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import { type Policy, parsePolicy } from "../../libs/domain/policy.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { checkPublished } from "../support/checker.ts";
import { freshDistrict, type TestDistrict } from "../support/pipeline.ts";
import { Random } from "../support/seeded.ts";
import { type Mutated, mutate, operationNames } from "./mutation.ts";
import { readSet, writeSet } from "./set-text.ts";

const isTorture = process.env["TORTURE"] === "1";
const alone = Number(process.env["SEED"] ?? 0);
const count = isTorture ? 250 : 20;
const students = 15;
t.setTimeout(isTorture ? 1_800_000 : 120_000);

/** Nothing is ever held: whatever the pipeline concludes goes out. */
function boundless(): Policy {
  const none = { share: 1, count: 1e9 };
  const deletes = Object.fromEntries(entityTypes.map((type) => [type, none]));
  const parsed = parsePolicy({ limits: { deletes, idsChanged: { ...none, tolerance: 0 } }, maximumRejectShare: 1 });
  if (parsed.outcome === "faults") throw new Error(parsed.faults.join());
  return parsed.policy;
}

for (const version of ["1.2", "1.1"] as const) {
  void t.test(`${count} mutated sets of version ${version} delete nothing that was not asked for`, async (t) => {
    const district = await freshDistrict(t, boundless());
    const { directory } = await district.sample({ students, version, schoolYear: 2199 });
    const base = readSet(directory);
    const seeds = alone > 0 ? [alone] : Array.from({ length: Math.max(count, operationNames.length) }, (_, n) => n + 1);
    let asked = 0;
    await withServices(district.system, async (signal) => {
      await deliverSet(district, directory, signal);
      for (const seed of seeds) {
        const mutated = mutate(new Random(seed, seeds.length), base, seed);
        const folder = join(district.system.folder, `mutated-${seed}`);
        writeSet(folder, mutated.set, mutated.cut);
        const fault = faultOf(mutated, await deliverSet(district, folder, signal));
        if (fault !== null) t.fail(`SEED=${seed}: ${mutated.what.join(", and ")}: ${fault}`);
        asked += mutated.asked.size;
        await deliverSet(district, directory, signal);
      }
    });
    t.ok(asked > 0 || alone > 0, `${asked} deletes were asked for`);
    await checkPublished(t, district, directory, "the whole set again restores everything");
  });
}

const source = parseSourceId("files");

/** @returns `type sourcedId` of what was deleted; null when the set was refused. */
async function deliverSet(
  district: TestDistrict,
  path: string,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | null> {
  const { system, id } = district;
  if (source === null) throw new Error("files is a source id");
  const { id: delivery, verdict } = await deliver(system, { district: id, source, path, signal });
  if (verdict.outcome === "refused") return null;
  const { outcome, reason, changeset } = await outcomeOf(system, { district: id, delivery });
  // A delete still waits for a child of which the set says nothing certain: held is no fault.
  if (outcome === "stopped" || changeset === null) throw new Error(`${delivery} is ${outcome}: ${reason ?? ""}`);
  const deleted = new Set<string>();
  for (const range of await changesetRanges(system, { district: id, from: changeset.number })) {
    for await (const { op, type, sourcedId } of changesOf(system, { district: id, range, values: false }))
      if (op === "deleted") deleted.add(`${type} ${sourcedId}`);
  }
  return deleted;
}

function faultOf({ asked, isExact }: Mutated, deleted: ReadonlySet<string> | null): string | null {
  if (deleted === null) return isExact ? "is refused" : null;
  const extra = [...deleted].filter((key) => !asked.has(key));
  if (extra.length > 0) return `${extra.length} deletes that nobody asked for, such as ${extra.slice(0, 3).join(", ")}`;
  const missing = isExact ? [...asked].filter((key) => !deleted.has(key)) : [];
  if (missing.length > 0) return `${missing.length} deletes are missing, such as ${missing.slice(0, 3).join(", ")}`;
  return null;
}
