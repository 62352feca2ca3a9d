// What a set says that was taken, before anything of it is received: its files, its manifest, and what a zip lacks.
// It keeps true that half a set is no set in a zip either: the rule is that of loose files.

import { readHasRole, readManifest } from "../../libs/adapters/drops/facts.ts";
import { type DeliveredSet, openSet, type SetEntry } from "../../libs/adapters/oneroster/set-reader.ts";
import { otherFormat } from "../../libs/domain/delivery.ts";
import { lackingAmong, type Needs, type TakenSet } from "../../libs/domain/drop.ts";
import type { ManifestResult } from "../../libs/domain/manifest.ts";
import { isAppError } from "../../libs/errors.ts";

/** null when the set at the path cannot be read. @throws AppError `set.io`. */
export async function contentsOf(path: string): Promise<TakenSet | null> {
  return inSet(path, async (set) => {
    const names = set.entries.map(({ name }) => name.slice(0, -".csv".length));
    return { manifest: await manifestOf(set), names: new Set(names) };
  });
}

/**
 * Why the zip at the path is no whole set; null when it is, or when reading it says better what it is.
 * (A005, A012, A035)
 * @throws AppError `set.io`.
 */
export async function lackOf(
  path: string,
  agreed: Pick<Needs, "settings" | "manifestOptional">,
): Promise<string | null> {
  return inSet(path, async (set) => {
    const there = new Set(set.entries.map(({ name }) => name));
    if (there.size === 0 || otherFormat([...there, ...set.otherNames]) !== null) return null;
    const manifest = await manifestOf(set);
    if (manifest?.outcome === "refused") return null;
    const users = entryOf(set, "users.csv");
    const hasRoleColumn = users === undefined ? null : await readHasRole(await users.open());
    const { missing } = lackingAmong({ ...agreed, manifest, hasRoleColumn }, there);
    const meant = misnamed(set, there);
    // A manifest that can be read says what belongs to the set.
    const lacks = new Set([...missing, ...(manifest === null ? meant.keys() : [])]);
    return lacks.size === 0 ? null : `the zip is not a whole set: ${[...lacks].map(told(meant)).join(", ")}`;
  });
}

const told =
  (meant: ReadonlyMap<string, string>) =>
  (name: string): string => {
    const other = meant.get(name);
    return other === undefined ? `${name} is missing` : `${name} is missing (${other} in it has another name)`;
  };

/** Files that are probably one of the standard by a wrong name, by the name that was meant. */
function misnamed({ notes }: DeliveredSet, there: ReadonlySet<string>): ReadonlyMap<string, string> {
  const meant = new Map<string, string>();
  for (const note of notes)
    if (note.code === "pkg.unknown_file" && note.suggestion !== null && !there.has(note.suggestion))
      meant.set(note.suggestion, note.file);
  return meant;
}

async function manifestOf(set: DeliveredSet): Promise<ManifestResult | null> {
  const entry = entryOf(set, "manifest.csv");
  return entry === undefined ? null : readManifest(await entry.open(), entry.bytes);
}

function entryOf({ entries }: DeliveredSet, wanted: string): SetEntry | undefined {
  return entries.find(({ name }) => name === wanted);
}

async function inSet<T>(path: string, work: (set: DeliveredSet) => Promise<T | null>): Promise<T | null> {
  try {
    const set = await openSet(path);
    try {
      return await work(set);
    } finally {
      set.close();
    }
  } catch (error) {
    if (isAppError(error, "set.unreadable")) return null;
    throw error;
  }
}
