// Counts findings by code, file and field, and keeps the first of each group.
// It keeps true: counts are exact however many there are, and memory grows with the groups (codes times columns) and
// at most `most` findings in each, never with the rows.

import { type Finding, finding, type FindingCode, isTolerated, ruleOf } from "../domain/finding.ts";
import type { Binding } from "../domain/oneroster/cell-codec.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";
import type { FindingGroup } from "./verdict.ts";

/** Texts that say more than the register can: what was probably meant, how long is too long. */
export type Wording = { readonly message?: string; readonly remedy?: string };

/** A group with the findings that were kept of it, in the order in which they were met. */
export type KeptGroup = FindingGroup & { readonly kept: readonly Finding[] };

type Group = {
  readonly code: FindingCode;
  readonly file: string | null;
  readonly field: string | null;
  readonly kept: Finding[];
  count: number;
};

/** A column of a file, as findings name it: place counted from 1, null when it is missing; the standard's name, if any. */
export type Column = { readonly column: number | null; readonly field: string | null };

/** The findings of one file; it spares the making of group keys for each row. */
export class FileFindings {
  readonly #log: FindingLog;
  readonly #file: string | null;
  readonly #byCode: Map<FindingCode, Group>[] = [];

  constructor(log: FindingLog, file: string | null) {
    this.#log = log;
    this.#file = file;
  }

  /** @param line counted from 1; null for the file as a whole. */
  add(code: FindingCode, line: number | null, column: Column | null = null, wording: Wording = {}): void {
    const group = this.#group(code, column);
    group.count++;
    if (group.kept.length >= this.#log.most) return;
    const place = { file: this.#file, line, column: column?.column ?? null, field: column?.field ?? null };
    group.kept.push({ ...finding(code, place, this.#log.version, this.#log.binding), ...wording });
  }

  #group(code: FindingCode, column: Column | null): Group {
    // A column that is missing has no place, so several of them would share one.
    if (column !== null && column.column === null) return this.#log.group(code, this.#file, column.field);
    const groups = (this.#byCode[column?.column ?? 0] ??= new Map<FindingCode, Group>());
    const known = groups.get(code);
    if (known !== undefined) return known;
    const group = this.#log.group(code, this.#file, column?.field ?? null);
    groups.set(code, group);
    return group;
  }
}

export class FindingLog {
  /** How many findings of a group are kept. */
  readonly most: number;
  /** Of the set; findings made before it is known name no version. */
  version: Version | null = null;
  /** Which binding its rules are from. */
  binding: Binding = "csv";
  readonly #groups = new Map<string, Group>();

  constructor(most: number) {
    this.most = most;
  }

  ofFile(file: string | null): FileFindings {
    return new FileFindings(this, file);
  }

  /** Takes over a finding that was made elsewhere. */
  take(made: Finding): void {
    const group = this.group(made.code, made.file, made.field);
    group.count++;
    if (group.kept.length < this.most) group.kept.push(made);
  }

  group(code: FindingCode, file: string | null, field: string | null): Group {
    const key = JSON.stringify([code, file, field]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { code, file, field, kept: [], count: 0 };
      this.#groups.set(key, group);
    }
    return group;
  }

  /** Errors first, then by file, code and field. */
  groups(): readonly KeptGroup[] {
    const rank = { error: 0, warning: 1, note: 2 };
    return [...this.#groups.values()]
      .map((group) => ({ ...group, severity: ruleOf(group.code).severity }))
      .toSorted(
        (a, b) =>
          rank[a.severity] - rank[b.severity] ||
          compare(a.file ?? "", b.file ?? "") ||
          compare(a.code, b.code) ||
          compare(a.field ?? "", b.field ?? ""),
      );
  }

  /** How often what was found was accepted all the same. */
  tolerated(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { code, count } of this.#groups.values()) {
      if (isTolerated(code)) counts[code] = (counts[code] ?? 0) + count;
    }
    return Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => compare(a, b)));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
