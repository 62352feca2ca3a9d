// What the generator knows to have changed between two worlds. Nothing here reads or compares rows: an entity is created
// or deleted because its slot filled or emptied, and a field changed because the schedule changed it.

import type { World } from "./presence.ts";
import type { Table } from "./table.ts";

/** What happens to one slot on the way from a world to the next: ids of what goes and comes, and fields that change. */
export type Step = {
  readonly deleted: string | null;
  readonly created: string | null;
  readonly kept: string | null;
  /** Sorted; only for what is kept. */
  readonly changed: readonly string[];
};

/** How many entities of a type there were and what became of them. */
export type Tally = {
  /** How many there were the night before. */
  published: number;
  created: number;
  updated: number;
  deleted: number;
};

/** Deletes of a type are held when they are more than this share of what was published and more than this many. */
const heldShare = 0.1;
const heldCount = 20;

const none: readonly string[] = [];

/** @param from the world of the night before, null on the first night. */
export function stepOf(table: Table, slot: number, from: World | null, to: World): Step {
  const before = from === null ? null : table.id(slot, from);
  const after = table.id(slot, to);
  if (before === null || before !== after || from === null) {
    return { deleted: before, created: after, kept: null, changed: none };
  }
  let changed = none;
  for (const fact of table.facts) {
    if (fact.state(slot, from) !== fact.state(slot, to)) changed = [...changed, ...fact.fields];
  }
  return { deleted: null, created: null, kept: after, changed: changed.length > 1 ? changed.toSorted() : changed };
}

/** Adds a step to the tally of its type. */
export function count(tally: Tally, step: Step): void {
  if (step.deleted !== null || step.kept !== null) tally.published++;
  if (step.deleted !== null) tally.deleted++;
  if (step.created !== null) tally.created++;
  if (step.changed.length > 0) tally.updated++;
}

/** Whether so many deletes are more than goes out unasked. */
export function isSuspicious(tally: Tally): boolean {
  return tally.deleted > heldCount && tally.deleted > tally.published * heldShare;
}

/** Writes the lines of one table, sorted by sourcedId, through `write`; `pause` is awaited now and then. */
export async function writeLedger(
  table: Table,
  about: {
    readonly from: World | null;
    readonly to: World;
    readonly suspicious: ReadonlySet<string>;
    readonly write: (line: string) => void;
    readonly pause: () => Promise<void>;
  },
): Promise<void> {
  const { from, to, write } = about;
  const split = table.renamable && from !== null && from.renamed !== to.renamed;
  // Ids of the two forms sort apart, so each form gets a pass of its own.
  for (const renamed of split ? [false, true] : [to.renamed]) {
    for (let slot = 0; slot < table.slots; slot++) {
      const step = stepOf(table, slot, from, to);
      if (step.deleted !== null && from !== null && (!split || from.renamed === renamed)) {
        write(line(table, step.deleted, `"deleted"${marks(table, slot, { ...about, from })}`));
      }
      if (step.created !== null && (!split || to.renamed === renamed)) write(line(table, step.created, '"created"'));
      if (step.kept !== null && step.changed.length > 0) {
        write(line(table, step.kept, `"updated","changed":${JSON.stringify(step.changed)}`));
      }
      if (slot % 1024 === 0) await about.pause();
    }
  }
}

function line(table: Table, sourcedId: string, rest: string): string {
  return `{"type":"${table.type}","sourcedId":${JSON.stringify(sourcedId)},"op":${rest}}\n`;
}

function marks(
  table: Table,
  slot: number,
  about: { readonly from: World; readonly to: World; readonly suspicious: ReadonlySet<string> },
): string {
  if (about.suspicious.size === 0) return "";
  if (about.suspicious.has(table.type)) return ',"suspicious":true';
  const waits = table.deletedWith(slot, about.from, about.to).some((type) => about.suspicious.has(type));
  return waits ? ',"waits":true' : "";
}
