// Pins schemas: `node libs/adapters/registry/pin.ts` gives every new or changed record of schemas/ the next id, and keeps
// the form it has now under schemas/pinned. No id ever changes its meaning, except by `--unreleased`, which pins a
// changed record anew under the id it has: right only while no log holds a record written with it. A form that cannot
// read, or be read by, every form before it is refused.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../errors.ts";
import { incompatibilities } from "./compatibility.ts";
import { changedRecords, pinnedFile, pinOf, readPins, readSources, schemasDir } from "./repository.ts";
import type { Pin } from "./repository.ts";
import { inlined } from "./schema-text.ts";

/**
 * @param options.unreleased keep the ids of changed records, and drop those of records that are gone.
 * @returns what was pinned anew.
 * @throws AppError `registry.incompatible` naming record and field, unless unreleased: nothing was pinned.
 */
export function pinSchemas(folder: string, options: { readonly unreleased: boolean }): readonly Pin[] {
  const incompatible = options.unreleased ? [] : incompatibilities(folder);
  if (incompatible.length > 0) throw new AppError("registry.incompatible", { message: incompatible.join("; ") });
  const sources = readSources(folder);
  const before = readPins(folder);
  const pins = new Map(
    before.filter((pin) => !options.unreleased || sources.has(pin.name)).map((pin) => [pin.id, pin]),
  );
  const current = new Map(before.map((pin) => [pin.name, pin.id]));
  let last = Math.max(0, ...before.map((pin) => pin.id));
  const added = changedRecords(sources, before).map((name) => {
    const kept = options.unreleased ? current.get(name) : undefined;
    return pinOf(kept ?? ++last, name, inlined(name, sources));
  });
  for (const pin of added) pins.set(pin.id, pin);
  mkdirSync(join(folder, "pinned"), { recursive: true });
  for (const pin of before) if (!pins.has(pin.id)) rmSync(join(folder, pinnedFile(pin)), { force: true });
  for (const pin of added) writeJson(join(folder, pinnedFile(pin)), inlined(pin.name, sources));
  writeJson(join(folder, "ids.json"), register([...pins.values()]));
  return added;
}

function register(pins: readonly Pin[]): object {
  return Object.fromEntries(pins.toSorted((a, b) => a.id - b.id).map(({ id, ...rest }) => [id, rest]));
}

function writeJson(path: string, json: object): void {
  writeFileSync(path, `${JSON.stringify(json, null, 2)}\n`);
}

if (import.meta.main) {
  const added = pinSchemas(schemasDir, { unreleased: process.argv.includes("--unreleased") });
  for (const pin of added) process.stdout.write(`${pin.id} ${pin.name} ${pin.crc64}\n`);
  process.stdout.write(added.length === 0 ? "every schema is pinned\n" : `${added.length} pinned\n`);
}
