// The file names of a set: which are OneRoster's, which come near, which are a desktop's litter.
// It keeps true that only exact names are ever read; a near miss is told to a person, never used.

import { dataFiles } from "../../domain/oneroster/entities.ts";

/** Every file name of OneRoster 1.1 and 1.2, with extension. */
export const knownNames: ReadonlySet<string> = new Set([
  "manifest.csv",
  ...[...dataFiles("1.1"), ...dataFiles("1.2")].map((name) => `${name}.csv`),
]);

// `expected.jsonl` is the ledger that `rollcall sample` writes beside its sets.
const litter = new Set([".ds_store", "thumbs.db", "desktop.ini", "expected.jsonl"]);

/** Whether a path inside a set was put there by an operating system and says nothing. */
export function isLitter(path: string): boolean {
  const parts = path.split("/");
  const name = parts.at(-1) ?? "";
  return parts.includes("__MACOSX") || name.startsWith("._") || litter.has(name.toLowerCase());
}

// Controls; what only formats, such as marks that turn the direction of writing; halves of characters; line separators.
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A name as it may be stored and shown: what a terminal would obey, or a database refuse (U+0000), is written as an
 * escape, such as `\u0000`.
 */
export function printable(name: string): string {
  return name.replaceAll(unprintable, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
  });
}

/**
 * The known name that an unknown one was probably meant to be, or null: another letter case, a second extension,
 * a copy's number, or up to two letters off.
 */
export function nearestName(name: string): string | null {
  const plain = name
    .toLowerCase()
    .replace(/\.(?:txt|xls|xlsx|bak|gz|zip)$/u, "")
    .replace(/[ _-]*(?:\(\d+\)|copy)?\.csv$/u, ".csv");
  if (!plain.endsWith(".csv")) return nearest(`${plain}.csv`, 0);
  return nearest(plain, 2);
}

function nearest(plain: string, most: number): string | null {
  let best: string | null = null;
  let least = most + 1;
  for (const known of knownNames) {
    const distance = editDistance(plain, known.toLowerCase(), least);
    if (distance < least) {
      least = distance;
      best = known;
    }
  }
  return best;
}

/** Levenshtein's distance, given up (as `enough`) once it cannot be smaller than that. */
export function editDistance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? enough;
}
