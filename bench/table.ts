// Figures as a table for people, in Markdown, and beside it as JSON for programs.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What stands in a cell, and how many digits after the point. */
export type Cell = string | number | null;

/** The first column holds words, the others figures. */
export function markdown(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const rule = header.map((_, index) => (index === 0 ? "---" : "--:"));
  return [header, rule, ...rows.map((row) => row.map(text))].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Whole where it is large, so that no digit stands there that the next run would change. */
function text(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "string") return cell;
  const digits = Math.abs(cell) >= 1000 || Number.isInteger(cell) ? 0 : Math.abs(cell) >= 100 ? 1 : 2;
  return cell.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** How many times the one is the other. */
export function ratio(one: number, other: number): string {
  return (one / other).toFixed(2);
}

/** Prints what was measured, and keeps it in bench/last-<name>.json. */
export async function report(about: {
  readonly name: string;
  readonly title: string;
  readonly table: string;
  readonly figures: unknown;
}): Promise<void> {
  const { name, title, figures } = about;
  console.log(`${title}\n\n${about.table}\n`);
  const path = join(import.meta.dirname, `last-${name}.json`);
  await writeFile(path, `${JSON.stringify({ title, figures }, null, 2)}\n`);
}

/** The value below which this share of them lies. */
export function quantile(share: number, values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** The middle one by what is measured of it; of two the smaller. */
export function median<T>(runs: readonly T[], measure: (run: T) => number): T {
  const middle = runs.toSorted((a, b) => measure(a) - measure(b))[Math.floor((runs.length - 1) / 2)];
  if (middle === undefined) throw new Error("nothing was measured");
  return middle;
}
