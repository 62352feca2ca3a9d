// The figures of a run as a table for people; the same figures stand in last.json.

export type Line = {
  readonly stage: string;
  readonly rows: number;
  readonly seconds: number;
  /** Of the stage's own process. */
  readonly cpuSeconds: number;
  readonly peakMb: number;
};

export type Yardsticks = { readonly fastCsv: Line; readonly copy: Line };

/** Rows a second of each line, and how many times the yardsticks' time per row it takes. */
export function table(lines: readonly Line[], { fastCsv, copy }: Yardsticks): string {
  const header = ["stage", "rows", "seconds", "cpu s", "rows/s", "peak MB", "time ÷ fast-csv", "time ÷ COPY"];
  const body = lines.map((line) => [
    line.stage,
    line.rows.toLocaleString("en"),
    line.seconds.toFixed(2),
    line.cpuSeconds.toFixed(2),
    Math.round(line.rows / line.seconds).toLocaleString("en"),
    line.peakMb.toFixed(0),
    perRow(line, fastCsv).toFixed(2),
    perRow(line, copy).toFixed(2),
  ]);
  const rule = header.map((_, index) => (index === 0 ? "---" : "--:"));
  return [header, rule, ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** How many times the yardstick's time a row takes. */
export function perRow(line: Line, yardstick: Line): number {
  return line.seconds / line.rows / (yardstick.seconds / yardstick.rows);
}

/** The middle one by seconds; of two the faster. */
export function median<T extends { readonly seconds: number }>(runs: readonly T[]): T {
  const middle = runs.toSorted((a, b) => a.seconds - b.seconds)[Math.floor((runs.length - 1) / 2)];
  if (middle === undefined) throw new Error("nothing was measured");
  return middle;
}
