// The files of one set, judged one after the other, with what later files need to know of earlier ones.
// It keeps true that a file which is there but cannot be read suspends deletion by absence, and never counts as empty.

import { CsvReading, type CsvSummary } from "../adapters/oneroster/csv.ts";
import type { CsvRow, ScanLimits } from "../adapters/oneroster/record-scanner.ts";
import { RestReading } from "../adapters/oneroster/rest-reading.ts";
import type { SetEntry } from "../adapters/oneroster/set-reader.ts";
import { fileOf, type PullRecord } from "../domain/api/pulled.ts";
import { assert } from "../domain/assert.ts";
import type { Taken } from "../domain/delivery.ts";
import { type CompiledHeader, compileHeader } from "../domain/header.ts";
import { descriptionOf } from "../domain/oneroster/entities.ts";
import { type EntityType, entityTypes } from "../domain/oneroster/entity-types.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";
import { type Policy, rejectsAlwaysTolerated } from "../domain/policy.ts";
import type { Column, FileFindings, FindingLog } from "./finding-log.ts";
import { emptyTally, FileJudge, type SetSink, type Tally } from "./judge-file.ts";
import { ReferenceCheck, type Target } from "./references.ts";
import { Semantics } from "./semantics.ts";
import { TypeState } from "./type-state.ts";
import { derivedRoles, typesWith, typeVerdict } from "./type-verdicts.ts";
import type { FileVerdict, TypeVerdict, Verdict } from "./verdict.ts";

export type SetJudgeOptions = {
  readonly policy: Policy;
  readonly sink: SetSink;
  readonly version: Version;
  readonly log: FindingLog;
  readonly taken: ReadonlyMap<string, Taken>;
  readonly limits: ScanLimits;
  /** Set where the entries are collections that were pulled. */
  readonly pull: PullRecord | null;
};

/** A table being read: its header, then its rows. */
type Reading = CsvReading | RestReading;

/** Takes everything and keeps nothing: for rows that are checked and go no further. */
export const nowhere: SetSink = {
  content: () => undefined,
  absent: () => undefined,
  unknown: () => undefined,
  ready: () => Promise.resolve(),
};

type JudgedFile = { readonly verdict: TypeVerdict; readonly derived: number; readonly headerOnly: boolean };

export class SetJudge {
  readonly #options: SetJudgeOptions;
  readonly #states = new Map<EntityType, TypeState>(entityTypes.map((type) => [type, new TypeState()]));
  readonly #judged = new Map<EntityType, JudgedFile>();
  readonly #semantics: Semantics;
  #userFindings: FileFindings | null = null;
  #primaryOrg: Column | null = null;
  /** Sentences that refuse the set, in the order in which they were found. */
  readonly refusals: string[] = [];
  /** What the first file is that cannot be read because it is something else: a clause about it; null when none is. */
  shape: string | null = null;
  unjudgedReferences = 0;

  constructor(options: SetJudgeOptions) {
    this.#options = options;
    const states = { user: this.#state("user"), class: this.#state("class"), org: this.#state("org") };
    this.#semantics = new Semantics(states, options.policy);
  }

  /** Reads one file to its end. */
  async judge(entry: SetEntry, type: EntityType): Promise<FileVerdict> {
    const findings = this.#options.log.ofFile(entry.name);
    const reading = await this.#read(entry, type);
    const batches = reading.batches();
    const first = await firstBatch(batches);
    const header = this.#header(first[0], type, findings, reading);
    if (header === null) this.#nameShape(entry.name, reading);
    const mode = this.#takenOf(type);
    let tally: Tally;
    if (header === null) tally = await unreadRows(first, batches);
    else tally = await this.#rows({ entry, reading, type, header, mode, findings, first: first.slice(1), batches });
    const summary = reading.summary();
    const { bytes, sha256, unreadableFrom } = summary;
    tally.complete = header !== null && unreadableFrom === null;
    tellSummary(summary, findings);
    // A file that is something else may be one endless line to us: that is no header without rows.
    const headerOnly = tally.rows === 0 && (header !== null || reading.shape() === null);
    // That no item has a part of this kind says as much as a file that is not there.
    if (headerOnly && header?.isMade === true) return { name: entry.name, bytes, sha256, type, state: "empty" };
    if (headerOnly) findings.add("table.no_rows", null);
    this.#conclude(type, tally, mode, headerOnly);
    this.#judgeShare(entry.name, type, tally);
    const state = header === null ? "unreadable" : headerOnly ? "empty" : "read";
    return { name: entry.name, bytes, sha256, type, state };
  }

  /** After the last file: what needs all of them. */
  finish(): void {
    if (this.#userFindings === null || !this.#isWhole("user") || !this.#isWhole("role")) return;
    this.#semantics.finishRoles(this.#userFindings, this.#primaryOrg);
  }

  types(): Verdict["types"] {
    return typesWith((type) => {
      const users = this.#judged.get("user");
      if (type === "role" && this.#options.version === "1.1" && users !== undefined) {
        return derivedRoles(users.verdict, users.derived);
      }
      const file = this.#judged.get(type);
      if (file !== undefined) return file.verdict;
      const mode = this.#options.pull === null ? this.#takenOf(type) : "absent";
      return typeVerdict(emptyTally(), mode === "by-rows" ? "absent" : mode, false);
    });
  }

  /** Whether the type's file is there without a row. */
  isHeaderOnly(type: EntityType): boolean {
    return this.#judged.get(type)?.headerOnly ?? false;
  }

  async #read(entry: SetEntry, type: EntityType): Promise<Reading> {
    const { pull, version, limits } = this.#options;
    if (pull === null) return new CsvReading(await entry.open(), limits);
    const pulled = pull.collections.find(({ name }) => fileOf(name) === entry.name);
    assert(pulled !== undefined, "each file of a pull is one of its collections");
    const { name: collection, items, metadata } = pulled;
    return new RestReading(await entry.open(), { collection, items, metadata, type, version });
  }

  #header(row: CsvRow | undefined, type: EntityType, findings: FileFindings, reading: Reading): CompiledHeader | null {
    if (row === undefined || (row.fault !== null && row.fault !== "csv.utf8")) {
      findings.add(reading.shape()?.code ?? "table.header_missing", row?.line ?? null);
      return null;
    }
    const binding = this.#options.pull === null ? "csv" : "rest";
    const header = compileHeader(descriptionOf(type), this.#options.version, row.cells, binding);
    const shape = header.fatal === null ? null : reading.shape();
    if (shape !== null) {
      // Said once and by name: that columns are missing, too, would only hide it.
      findings.add(shape.code, row.line);
      return null;
    }
    if (row.fault !== null) findings.add(row.fault, row.line);
    for (const { code, column, field } of header.findings) {
      findings.add(
        code,
        binding === "csv" ? row.line : null,
        column < 0 && field === null ? null : { column: column < 0 ? null : column + 1, field },
      );
    }
    return header.fatal === null ? header : null;
  }

  async #rows(file: {
    readonly entry: SetEntry;
    readonly reading: Reading;
    readonly type: EntityType;
    readonly header: CompiledHeader;
    readonly mode: Taken;
    readonly findings: FileFindings;
    readonly first: readonly CsvRow[];
    readonly batches: AsyncGenerator<readonly CsvRow[], void, undefined>;
  }): Promise<Tally> {
    const { entry, reading, type, header, findings } = file;
    const sink = this.#isWithheld(type) ? nowhere : this.#options.sink;
    const columns = columnsOf(header);
    const references = this.#references(type, file.mode === "bulk", columns, findings);
    const judge = new FileJudge({
      placeOf:
        reading instanceof RestReading ? (line) => reading.placeOf(line) : (line) => ({ file: entry.name, line }),
      header,
      mode: file.mode === "absent" ? "bulk" : file.mode,
      state: this.#state(type),
      sink,
      findings,
      columns,
      references,
      semantics: this.#semantics,
      usersWhole: this.#isWhole("user"),
    });
    await judgeRows(judge, file.first, { sink, findings });
    for await (const batch of file.batches) await judgeRows(judge, batch, { sink, findings });
    judge.finish();
    await sink.ready();
    if (judge.overridden && header.derived !== null) await this.#overriddenRoles(entry, judge, sink);
    if (type === "user") {
      this.#userFindings = findings;
      this.#primaryOrg = columns.get("primaryorgsourcedid") ?? null;
    }
    this.unjudgedReferences += references.unjudged;
    return judge.tally;
  }

  /**
   * Reads a 1.1 users file again: rows that later rows contradicted had sent roles, whose ids are not kept.
   * Rare, and it costs no memory in the usual case.
   */
  async #overriddenRoles(entry: SetEntry, judge: FileJudge, sink: SetSink): Promise<void> {
    const again = await this.#read(entry, "user");
    let isHeader = true;
    for await (const batch of again.batches()) {
      for (const row of isHeader ? batch.slice(1) : batch) judge.overriddenRoles(row);
      isHeader = false;
      await sink.ready();
    }
  }

  #references(
    type: EntityType,
    bulk: boolean,
    columns: ReadonlyMap<string, Column>,
    findings: FileFindings,
  ): ReferenceCheck {
    return new ReferenceCheck({
      type,
      bulk,
      columns,
      findings,
      own: this.#state(type),
      targetOf: (target): Target => ({
        state: this.#state(target),
        whole: this.#isWhole(target),
        missingFile: !this.#judged.has(target),
      }),
    });
  }

  #conclude(type: EntityType, tally: Tally, taken: Taken, headerOnly: boolean): void {
    const mode = taken === "by-rows" ? (tally.filledStatus === 0 ? "bulk" : "delta") : taken;
    const verdict = typeVerdict(tally, mode, this.#isWithheld(type));
    this.#judged.set(type, { verdict, derived: tally.derived, headerOnly });
  }

  #judgeShare(file: string, type: EntityType, { rows, rejects }: Tally): void {
    const { maximumRejectShare } = this.#options.policy;
    if (this.#isWithheld(type) || rejects <= rejectsAlwaysTolerated || rejects <= rows * maximumRejectShare) return;
    const share = `${Math.round(maximumRejectShare * 1000) / 10} %`;
    this.refusals.push(
      `Of the ${rows} rows of ${file}, ${rejects} are refused: more than the ${share} that the policy allows.`,
    );
  }

  #nameShape(file: string, reading: Reading): void {
    const shape = reading.shape();
    if (shape !== null) this.shape ??= `${file} ${shape.clause}`;
  }

  #takenOf(type: EntityType): Taken {
    const name = descriptionOf(type).file[this.#options.version];
    return (name === null ? undefined : this.#options.taken.get(name)) ?? "absent";
  }

  #isWithheld(type: EntityType): boolean {
    return type === "demographics" && !this.#options.policy.demographics;
  }

  /** Whether an id that is missing in the type's file is missing at the source. */
  #isWhole(type: EntityType): boolean {
    const verdict = this.#judged.get(type)?.verdict;
    return verdict?.mode === "bulk" && verdict.complete && verdict.rows > 0 && !verdict.suspended;
  }

  #state(type: EntityType): TypeState {
    const state = this.#states.get(type) ?? new TypeState();
    this.#states.set(type, state);
    return state;
  }
}

async function judgeRows(
  judge: FileJudge,
  rows: readonly CsvRow[],
  { sink, findings }: { readonly sink: SetSink; readonly findings: FileFindings },
): Promise<void> {
  for (const row of rows) {
    // Spreadsheets write a line of commas where a row was cleared. No cell of it holds anything, so that there is no key
    // in it and nothing that a shifted key could stand in: it hides no record, and need not suspend deletion by absence.
    if (row.fault === null && row.cells.every((cell) => cell === "")) findings.add("csv.blank_row", row.line);
    else judge.row(row);
  }
  await sink.ready();
}

/** What is to be said of the file's form as a whole. */
export function tellSummary({ bom, bareLineFeed, blankLineAbove, endMark }: CsvSummary, findings: FileFindings): void {
  if (bom) findings.add("csv.bom", null);
  if (bareLineFeed) findings.add("csv.line_end", null);
  if (blankLineAbove !== null) findings.add("csv.blank_line", blankLineAbove);
  if (endMark !== null) findings.add("csv.end_mark", endMark);
}

async function firstBatch(batches: AsyncGenerator<readonly CsvRow[], void, undefined>): Promise<readonly CsvRow[]> {
  const first = await batches.next();
  return first.done === true ? [] : first.value;
}

/** The rows below a header that says nothing: none can be read, so each may be any key. */
async function unreadRows(
  first: readonly CsvRow[],
  batches: AsyncGenerator<readonly CsvRow[], void, undefined>,
): Promise<Tally> {
  const tally = emptyTally();
  tally.rows = Math.max(first.length - 1, 0);
  for await (const batch of batches) tally.rows += batch.length;
  tally.rejects = tally.rows;
  tally.suspended = true;
  return tally;
}

function columnsOf(header: CompiledHeader): ReadonlyMap<string, Column> {
  const columns = new Map<string, Column>();
  for (const [index, field] of header.fieldNames.entries()) {
    if (field !== null)
      columns.set(field.toLowerCase(), { column: header.binding === "csv" ? index + 1 : null, field });
  }
  return columns;
}
