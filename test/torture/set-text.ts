// A set as text that can be mutated: its files as lines, each line as cells with their quotes. Made for what the
// generator writes: CRLF, and no line break inside a cell.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type FileText = { readonly header: readonly string[]; rows: string[][] };

/** The files of a set by name without extension, the manifest by property. */
export type SetText = { readonly files: Map<string, FileText>; readonly manifest: Map<string, string> };

export function readSet(folder: string): SetText {
  const files = new Map<string, FileText>();
  const manifest = new Map<string, string>();
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".csv"))) {
    const [header = [], ...rows] = readFileSync(join(folder, name), "utf8").trimEnd().split("\r\n").map(cellsOf);
    if (name === "manifest.csv") for (const [property = "", value = ""] of rows) manifest.set(property, value);
    else files.set(name.slice(0, -".csv".length), { header, rows });
  }
  return { files, manifest };
}

/** Cells of a line as they stand, quotes and all. */
function cellsOf(line: string): string[] {
  return line.match(/(?:^|(?<=,))(?:"(?:[^"]|"")*"|[^,]*)/gu) ?? [];
}

export function copyOf({ files, manifest }: SetText): SetText {
  const copied = [...files].map(
    ([name, { header, rows }]) => [name, { header, rows: rows.map((row) => [...row]) }] as const,
  );
  return { files: new Map(copied), manifest: new Map(manifest) };
}

/** Writes a set into a new folder; a manifest without properties is left out. */
export function writeSet(folder: string, { files, manifest }: SetText, cut: ReadonlyMap<string, number>): void {
  mkdirSync(folder);
  for (const [name, { header, rows }] of files) {
    const text = [header, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
    writeFileSync(join(folder, `${name}.csv`), text.slice(0, cut.get(name) ?? text.length));
  }
  if (manifest.size === 0) return;
  const lines = [...manifest].map(([property, value]) => `${property},${value}\r\n`).join("");
  writeFileSync(join(folder, "manifest.csv"), `propertyName,value\r\n${lines}`);
}
