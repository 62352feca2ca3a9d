// Ways to break a set, and the model of what each of them asks for: which keys it may delete, and no others. The model
// knows the set as text and nothing of how the pipeline reads it.

import type { Random } from "../support/seeded.ts";
import { types } from "../sample/naive.ts";
import { copyOf, type FileText, type SetText } from "./set-text.ts";

export type Mutated = {
  readonly set: SetText;
  readonly what: readonly string[];
  /** Length in characters at which a file is cut off, by its name. */
  readonly cut: ReadonlyMap<string, number>;
  /** `type sourcedId` of what may be deleted. */
  readonly asked: ReadonlySet<string>;
  /** Whether exactly that must be deleted: nothing in the set makes it doubtful. */
  readonly isExact: boolean;
};

const typeOfFile = new Map<string, string>(types.map(([type, file]) => [file, type]));
const junk = ['"', ",", "\r", "\n", "\0", "\ufeff", "é", '""', "\r\n", '",', "~", " ", "x".repeat(300), '"\r\n"'];
/** Cells that say which keys there are, or that one is to go: to change them is to ask for it. */
const meaningful = new Set(["sourcedId", "status", "role", "orgSourcedIds"]);

type Working = {
  readonly random: Random;
  readonly set: SetText;
  readonly name: string;
  readonly file: FileText;
  readonly asked: Set<string>;
  readonly cut: Map<string, number>;
};

type Operation = { readonly isExact: boolean; readonly apply: (working: Working) => void };

const operations: ReadonlyMap<string, Operation> = new Map([
  ["rows are missing", { isExact: true, apply: dropRows }],
  ["rows are marked tobedeleted", { isExact: true, apply: (working) => mark(working, "tobedeleted") }],
  ["rows are marked inactive", { isExact: true, apply: (working) => mark(working, "inactive") }],
  ["rows stand in another order", { isExact: true, apply: shuffleRows }],
  ["columns stand in another order", { isExact: true, apply: shuffleColumns }],
  ["a cell is nonsense", { isExact: false, apply: nonsense }],
  ["junk stands within cells", { isExact: false, apply: junkInCells }],
  ["a key is missing", { isExact: false, apply: blankKey }],
  ["a row stands twice, differently", { isExact: false, apply: differingDuplicate }],
  ["a row is too wide or too narrow", { isExact: false, apply: wrongWidth }],
  ["a file has its header alone", { isExact: false, apply: headerAlone }],
  ["a file is missing", { isExact: false, apply: ({ set, name }) => void set.files.delete(name) }],
  ["a file is empty", { isExact: false, apply: ({ cut, name }) => void cut.set(name, 0) }],
  ["a file is cut off", { isExact: false, apply: cutOff }],
  ["the manifest says delta, and rows are missing", { isExact: true, apply: deltaWithoutRows }],
  ["the manifest says absent", { isExact: false, apply: ({ set, name }) => declare(set, name, "absent") }],
  ["the column of the keys has another name", { isExact: false, apply: renameKeyColumn }],
]);

export const operationNames = [...operations.keys()];

/** One or two mutations of a set; the first seeds take one kind each, alone. */
export function mutate(random: Random, base: SetText, seed: number): Mutated {
  const set = copyOf(base);
  const [asked, cut] = [new Set<string>(), new Map<string, number>()];
  const alone = operationNames[seed - 1];
  const kinds = alone === undefined ? [random.pick(operationNames), random.pick(operationNames)] : [alone];
  const what: string[] = [];
  for (const kind of kinds) {
    const names = [...set.files.keys()].filter((each) => typeOfFile.has(each) && each !== "demographics");
    const name = random.pick(names);
    const file = set.files.get(name);
    if (file === undefined || file.rows.length === 0) continue;
    operations.get(kind)?.apply({ random, set, name, file, asked, cut });
    what.push(`${name}: ${kind}`);
  }
  const isExact = kinds.length === 1 && kinds.every((kind) => operations.get(kind)?.isExact === true);
  return { set, what, cut, asked, isExact };
}

function someRows({ random, file }: Working): readonly string[][] {
  return random.shuffled(file.rows).slice(0, 1 + random.below(5));
}

function column({ header }: FileText, name: string): number {
  return header.indexOf(name);
}

/** A row that goes takes along the roles that are made of it, which version 1.1 has in the users' rows. */
function ask({ name, file, asked, set }: Working, row: readonly string[]): void {
  const id = row[column(file, "sourcedId")] ?? "";
  asked.add(`${typeOfFile.get(name) ?? ""} ${id}`);
  if (name !== "users" || set.files.has("roles")) return;
  const role = row[column(file, "role")] ?? "";
  const orgs = (row[column(file, "orgSourcedIds")] ?? "").replaceAll('"', "").split(",");
  for (const org of orgs) asked.add(`role ~${id}~${role}~${org}`);
}

function dropRows(working: Working): void {
  const gone = new Set(someRows(working));
  // A file of which no row is left deletes nothing: that is a mutation of its own.
  const kept = working.file.rows.filter((row) => !gone.has(row));
  if (kept.length === 0) return;
  working.file.rows = kept;
  for (const row of gone) ask(working, row);
}

function mark(working: Working, status: string): void {
  const at = column(working.file, "status");
  for (const row of someRows(working)) {
    row[at] = status;
    row[column(working.file, "dateLastModified")] = "2025-09-01T00:00:00.000Z";
    ask(working, row);
  }
}

function shuffleRows({ random, file }: Working): void {
  file.rows = [...random.shuffled(file.rows)];
}

function shuffleColumns({ random, set, name, file }: Working): void {
  const order = random.shuffled(file.header.map((_, index) => index));
  const ordered = (row: readonly string[]): string[] => order.map((index) => row[index] ?? "");
  set.files.set(name, { header: ordered(file.header), rows: file.rows.map(ordered) });
}

/** A place in a row that no key and no status depends on. */
function harmlessColumn({ random, file, set }: Working): number {
  const isFree = (cell: string): boolean => !meaningful.has(cell) || (set.files.has("roles") && cell === "role");
  const free = file.header.flatMap((cell, index) => (isFree(cell) ? [index] : []));
  return random.pick(free);
}

function nonsense(working: Working): void {
  for (const row of someRows(working)) row[harmlessColumn(working)] = working.random.pick(["?", "", "-1", "32/13/99"]);
}

function junkInCells(working: Working): void {
  const { random } = working;
  for (const row of someRows(working)) {
    const index = harmlessColumn(working);
    const cell = row[index] ?? "";
    const at = random.below(cell.length + 1);
    const cut = random.chance(0.5) ? random.below(4) : 0;
    row[index] = cell.slice(0, at) + random.pick(junk) + cell.slice(at + cut);
  }
}

function blankKey(working: Working): void {
  for (const row of someRows(working)) row[column(working.file, "sourcedId")] = working.random.pick(["", " ", '""']);
}

function differingDuplicate(working: Working): void {
  for (const row of someRows(working)) {
    const twin = [...row];
    twin[harmlessColumn(working)] = "other";
    working.file.rows.splice(working.random.below(working.file.rows.length + 1), 0, twin);
  }
}

function wrongWidth(working: Working): void {
  for (const row of someRows(working)) {
    if (working.random.chance(0.5)) row.splice(harmlessColumn(working), 1);
    else row.splice(harmlessColumn(working), 0, "more", "cells");
  }
}

function headerAlone({ file }: Working): void {
  file.rows = [];
}

/** What stood behind the cut is missing, and of the row that it struck the key may be shortened. */
function cutOff(working: Working): void {
  const { random, file, name, cut } = working;
  const lengths = [file.header, ...file.rows].map((row) => row.join(",").length + 2);
  const header = lengths[0] ?? 0;
  const at = header + random.below(lengths.reduce((sum, length) => sum + length, 0) - header);
  cut.set(name, at);
  let end = header;
  for (const row of file.rows) {
    end += row.join(",").length + 2;
    if (end > at) ask(working, row);
  }
}

function declare(set: SetText, name: string, mode: string): void {
  set.manifest.set(`file.${name}`, mode);
}

function deltaWithoutRows({ random, set, name, file }: Working): void {
  declare(set, name, "delta");
  file.rows = file.rows.filter(() => random.chance(0.5));
}

function renameKeyColumn({ set, name, file }: Working): void {
  set.files.set(name, { ...file, header: file.header.map((cell) => (cell === "sourcedId" ? "sourceId" : cell)) });
}
