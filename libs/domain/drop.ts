// What lies in a source's folder: nothing, something that waits, or whole sets.
//
//   nothing ──a file──▶ waiting ──all there, closed and still──▶ complete ──taken──▶ nothing
//                         ▲ └─overwritten, torn, one more─┘
//
// It keeps true: half a set is never complete; only what came since the last taken set counts, because that was moved
// away or is known as taken; and what is missing, unfinished or wrongly named is told by name.

import { unreachable } from "./assert.ts";
import { takenFiles } from "./delivery.ts";
import type { ManifestResult } from "./manifest.ts";
import { dataFiles } from "./oneroster/entities.ts";
import type { DropSettings } from "./source.ts";

export type DropFile = {
  /** From the source's root, as in /users.csv. */
  readonly path: string;
  /** taken: it was part of a set, and lies where it may only be read. */
  readonly state: "open" | "closed" | "torn" | "taken";
  readonly bytes: number;
  /** For how long it has been as it is. */
  readonly stillMs: number;
  /** known: one of the standard's names; litter: what a desktop leaves behind. */
  readonly kind: "known" | "zip" | "litter" | "other";
  /** The name of the standard that was probably meant, of `other`. */
  readonly suggestion: string | null;
};

export type Drop = {
  readonly files: readonly DropFile[];
  readonly settings: Pick<DropSettings, "path" | "format" | "quietSeconds" | "requiredFiles">;
  readonly manifestOptional: boolean;
  /** What manifest.csv says; null when there is none that is closed. */
  readonly manifest: ManifestResult | null;
  /** Whether users.csv names its users' roles itself; null when it cannot be asked. */
  readonly hasRoleColumn: boolean | null;
};

/** A whole set. Its files are taken together. */
export type CompleteSet = { readonly kind: "files" | "zip"; readonly files: readonly DropFile[] };

export type Odd = {
  readonly path: string;
  /** name: not one of the standard's; folder: it lies in another than agreed; format: loose or zipped against agreement. */
  readonly why: "name" | "folder" | "format";
  /** The path that was probably meant. */
  readonly suggestion: string | null;
};

/** How far an upload came; null while it goes on. */
export type Unfinished = { readonly path: string; readonly state: "open" | "torn"; readonly bytes: number | null };

/** What is not whole yet. With no file missing or unfinished it only has to lie still for the quiet period. */
export type Waiting = {
  /** Names of files that the set needs and that did not come since the last one. */
  readonly missing: readonly string[];
  readonly unfinished: readonly Unfinished[];
  /** What is there, whole. */
  readonly received: readonly string[];
  readonly odd: readonly Odd[];
  /** Why the manifest cannot be read, or null. */
  readonly manifest: string | null;
};

export type Judgement = {
  /** In the order in which they became whole. */
  readonly complete: readonly CompleteSet[];
  readonly waiting: Waiting | null;
};

const manifestFile = "manifest.csv";

/** Files without which a set without a manifest is none, unless the district was told others (A005, A020). */
export const baseFiles: readonly string[] = ["academicSessions", "classes", "courses", "enrollments", "orgs", "users"];

const knownFiles: ReadonlySet<string> = new Set([...dataFiles("1.1"), ...dataFiles("1.2")]);

/**
 * Each zip is a set of its own; all loose files together are one.
 * (A005, A012, A034 to A036, C015, D011, D012)
 */
export function judgeDrop(drop: Drop): Judgement {
  const { path, format, quietSeconds } = drop.settings;
  const present = drop.files.filter(({ state, kind }) => state !== "taken" && kind !== "litter");
  const here = present.filter((file) => folderOf(file.path) === path);
  const zips = format === "files" ? [] : here.filter(({ kind }) => kind === "zip");
  const loose = format === "zip" ? [] : here.filter(({ kind }) => kind !== "zip");
  const isStill = (file: DropFile): boolean => file.state === "closed" && file.stillMs >= quietSeconds * 1000;
  const complete: CompleteSet[] = zips.filter(isStill).map((file) => ({ kind: "zip", files: [file] }));
  const lacking = lackingOf(drop, loose);
  const isWhole =
    loose.some(({ kind }) => kind === "known") && lacking.missing.length === 0 && !mayBeMisnamed(drop, loose);
  // A file of another name that was cut short is a failed try of a client: it does not belong to the set.
  const own = loose.filter(({ kind, state }) => kind === "known" || state !== "torn");
  const isTaken = isWhole && own.every(isStill);
  if (isTaken) complete.push({ kind: "files", files: own });
  const taken = new Set(complete.flatMap(({ files }) => files));
  const rest = present.filter((file) => !taken.has(file));
  return {
    complete: complete.toSorted((a, b) => stillFor(b) - stillFor(a)),
    waiting: rest.length === 0 ? null : waitingOf(drop, { rest, lacking: isTaken ? nothingLacking : lacking }),
  };
}

type Lacking = Pick<Waiting, "missing" | "manifest">;

const nothingLacking: Lacking = { missing: [], manifest: null };

function stillFor({ files }: CompleteSet): number {
  return Math.min(...files.map(({ stillMs }) => stillMs));
}

/** What the loose files need to be a set. */
function lackingOf(drop: Drop, loose: readonly DropFile[]): Lacking {
  const known = loose.filter(({ kind }) => kind === "known");
  // Files of other names alone are none, and wait for nothing.
  return known.length === 0 ? nothingLacking : lackingAmong(drop, new Set(known.map(({ path }) => nameOf(path))));
}

/** What a set needs to be judged whole. */
export type Needs = Pick<Drop, "manifest" | "manifestOptional" | "hasRoleColumn"> & {
  readonly settings: Pick<DropSettings, "requiredFiles">;
};

/** What the files of these names need to be a set. @param there names as in users.csv. */
export function lackingAmong(
  { manifest, settings, manifestOptional, hasRoleColumn }: Needs,
  there: ReadonlySet<string>,
): Lacking {
  const without = (names: readonly string[]): readonly string[] =>
    names.map((name) => `${name}.csv`).filter((name) => !there.has(name));
  if (manifest?.outcome === "manifest") {
    const listed = [...manifest.modes].flatMap(([name, mode]) => (mode === "absent" ? [] : [name]));
    return { missing: without(listed.filter((name) => knownFiles.has(name))), manifest: null };
  }
  // A manifest that cannot be read does not say what belongs to the set: it is refused once the usual files are there.
  const needed = settings.requiredFiles.length > 0 ? settings.requiredFiles : baseFiles;
  const roles = settings.requiredFiles.length === 0 && hasRoleColumn === false ? ["roles"] : [];
  const own = manifestOptional ? [] : ["manifest"];
  return { missing: without([...own, ...needed, ...roles]), manifest: manifest?.refusal ?? null };
}

/**
 * Whether a file that the set has not got may lie there by a wrong name. A manifest that can be read says what belongs to
 * the set; without it, Manifest.csv may be the one that makes a delta of it.
 */
function mayBeMisnamed({ manifest }: Drop, loose: readonly DropFile[]): boolean {
  if (manifest?.outcome === "manifest") return false;
  const there = new Set(loose.map(({ path }) => nameOf(path)));
  return loose.some(({ suggestion }) => suggestion !== null && !there.has(suggestion));
}

function waitingOf(
  { settings }: Drop,
  { rest, lacking }: { readonly rest: readonly DropFile[]; readonly lacking: Lacking },
): Waiting {
  const odd = rest.flatMap((file) => oddOf(file, settings) ?? []);
  const isOdd = (file: DropFile): boolean => odd.some(({ path, why }) => path === file.path && why !== "name");
  return {
    ...lacking,
    unfinished: rest.flatMap(({ path, state, bytes }) =>
      state === "open" || state === "torn" ? [{ path, state, bytes: state === "open" ? null : bytes }] : [],
    ),
    received: rest.filter((file) => file.state === "closed" && file.kind !== "other" && !isOdd(file)).map(byPath),
    odd,
  };
}

function oddOf({ path, kind, suggestion }: DropFile, settings: Pick<DropSettings, "path" | "format">): Odd | null {
  const meant = suggestion ?? (kind === "other" ? null : nameOf(path));
  const better = meant === null ? null : `${settings.path === "/" ? "" : settings.path}/${meant}`;
  if (folderOf(path) !== settings.path) return { path, why: "folder", suggestion: better };
  if (kind === "other") return { path, why: "name", suggestion: better };
  const isAgreed = settings.format === "any" || (settings.format === "zip") === (kind === "zip");
  return isAgreed ? null : { path, why: "format", suggestion: null };
}

function byPath({ path }: { readonly path: string }): string {
  return path;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** What a set that was taken holds: its manifest, if any, and its files' names without extension. */
export type TakenSet = { readonly manifest: ManifestResult | null; readonly names: ReadonlySet<string> };

/** Whether a newer set says everything that an older one does: each of its files, in bulk. Then the older one may be skipped. */
export function replaces(newer: TakenSet, older: TakenSet): boolean {
  const [now, before] = [modesOf(newer), modesOf(older)];
  if (now === null || before === null || before.size === 0) return false;
  return [...before.keys()].every((name) => now.get(name) === "bulk");
}

/** Modes of the files that count; null when the manifest does not say them. */
function modesOf({ manifest, names }: TakenSet): ReadonlyMap<string, string> | null {
  if (manifest?.outcome === "refused") return null;
  const version = manifest?.version ?? "1.2";
  const { taken } = takenFiles({ manifest, version, present: names });
  return new Map([...taken].filter(([name, mode]) => mode !== "absent" && names.has(name)));
}

/** Whether something of a set lies there, and not only what no set has a use for. */
export function isOfSet({ received, unfinished, odd }: Waiting): boolean {
  const strange = new Set(odd.filter(({ why, suggestion }) => why !== "format" && suggestion === null).map(byPath));
  return received.length > 0 || odd.length > strange.size || unfinished.some(({ path }) => !strange.has(path));
}

/** What is awaited, for the administrator of a school's computers. */
export function waitingText(
  waiting: Waiting,
  { district, since }: { readonly district: string; readonly since: string },
): string {
  const { missing, unfinished, odd, manifest, received } = waiting;
  if (!isOfSet(waiting)) return leftOverText(waiting, district);
  const list = (head: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ["", head, ...lines.map((line) => `  ${line}`)];
  return [
    `Your roster files for ${district} are not complete yet, so nothing was done with them.`,
    "",
    `Waiting since: ${since}`,
    ...list("Still missing:", missing),
    ...list(
      "Not uploaded to the end; upload them again:",
      unfinished.map(({ path, bytes }) => `${shown(path)}  ${bytes === null ? "running" : `${bytes} bytes so far`}`),
    ),
    ...list("There, but not usable as it is:", odd.map(oddText)),
    ...list("manifest.csv cannot be read:", manifest === null ? [] : [manifest]),
    ...list("Received:", received.map(shown)),
    "",
    "What to do next: upload what is named above. A set counts once all of its files came after the last set.",
    ...(missing.includes(manifestFile) ? ["Your files need a manifest.csv that lists them."] : []),
    "",
  ].join("\n");
}

function leftOverText({ odd, unfinished }: Waiting, district: string): string {
  const paths = new Set([...odd, ...unfinished].map(byPath));
  return [
    `In the folder for the roster files of ${district} lies what is not used.`,
    "",
    "Left over:",
    ...[...paths].map((path) => `  ${shown(path)}`),
    "",
    "What to do next: delete it. None of it has a name of OneRoster, and nothing waits for it.",
    "",
  ].join("\n");
}

/** A client chose the name: nothing in it may move a cursor or hide a part. */
function shown(path: string): string {
  return path.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
}

function oddText({ path: name, why, suggestion }: Odd): string {
  const path = shown(name);
  const meant = suggestion === null ? "" : ` Did you mean ${suggestion}?`;
  switch (why) {
    case "name":
      return `${path}  is not a name of OneRoster.${meant}`;
    case "folder":
      return `${path}  lies in another folder than agreed.${meant}`;
    case "format":
      return `${path}  was agreed to come otherwise: ${path.toLowerCase().endsWith(".zip") ? "as loose files" : "in a zip"}.`;
    default:
      return unreachable(why);
  }
}
