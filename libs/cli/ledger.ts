// Holds published changes against the ledger that the sample generator wrote beside a night: two accounts of the same
// night, made by code that shares nothing.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

import type { DistrictId } from "../domain/ids.ts";
import { changesetRanges, changesOf } from "./changes.ts";
import type { System } from "./system.ts";

export type LedgerCheck = {
  readonly expected: number;
  readonly published: number;
  /** Lines that are in one account only, at most ten of them. */
  readonly differences: readonly string[];
};

type Line = {
  readonly type: string;
  readonly sourcedId: string;
  readonly op: string;
  readonly changed?: readonly string[];
  /** Deletes above the limits of their type, and deletes that wait for them. */
  readonly suspicious?: boolean;
  readonly waits?: boolean;
};

// Checked and kept back, as is the default of a district's policy.
const keptBack = "demographics";

/**
 * Demographics are left out on both sides: the demo's districts have not switched them on.
 * @param changesets whose changes together are held against the ledger.
 * @param withHeld whether the ledger's suspicious deletes, and those that wait for them, should be among them.
 */
export async function checkLedger(
  system: System,
  about: {
    readonly district: DistrictId;
    readonly ledger: string;
    readonly changesets: readonly number[];
    readonly withHeld: boolean;
  },
): Promise<LedgerCheck> {
  const expected = new Set<string>();
  for await (const text of createInterface({ input: createReadStream(about.ledger) })) {
    const line: Line = JSON.parse(text);
    if (line.type === keptBack) continue;
    if (about.withHeld || (line.suspicious !== true && line.waits !== true)) expected.add(accountOf(line));
  }
  const published = await publishedLines(system, about);
  const differences = [
    ...[...expected].filter((line) => !published.has(line)).map((line) => `only in the ledger: ${line}`),
    ...[...published].filter((line) => !expected.has(line)).map((line) => `only published: ${line}`),
  ];
  return { expected: expected.size, published: published.size, differences: differences.slice(0, 10) };
}

async function publishedLines(
  system: System,
  { district, changesets }: { readonly district: DistrictId; readonly changesets: readonly number[] },
): Promise<ReadonlySet<string>> {
  const lines = new Set<string>();
  for (const range of await changesetRanges(system, { district, from: Math.min(...changesets) })) {
    if (!changesets.includes(range.number)) continue;
    for await (const line of changesOf(system, { district, range, values: false })) lines.add(accountOf(line));
  }
  return lines;
}

function accountOf({ type, sourcedId, op, changed = [] }: Line): string {
  return JSON.stringify([type, sourcedId, op, ...changed]);
}
