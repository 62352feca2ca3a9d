// Judges the rows of one file: content, absent, or unknown, each sent to the sink in the order of the file.
// It keeps true: every row is accounted for once; a key that a refused row carries, or that rows disagree on, is
// claimed and so left as published; a refused row without a readable key suspends deletion by absence.

import type { CsvRow } from "../adapters/oneroster/record-scanner.ts";
import type { FindingCode, ToleratedCode } from "../domain/finding.ts";
import { type CompiledHeader } from "../domain/header.ts";
import { parseSourcedId, type SourcedId } from "../domain/ids.ts";
import type { RowSink } from "../domain/oneroster/cell-codec.ts";
import type { Entity } from "../domain/oneroster/entities.ts";
import type { EntityType } from "../domain/oneroster/entity-types.ts";
import type { Role } from "../domain/oneroster/role.ts";
import { parseRow, type RowResult } from "../domain/parse.ts";
import { unreachable } from "../domain/assert.ts";
import type { Column, FileFindings } from "./finding-log.ts";
import type { ReferenceCheck } from "./references.ts";
import type { Semantics } from "./semantics.ts";
import { Forest } from "./forest.ts";
import { mark, RowHash, type TypeState } from "./type-state.ts";

/** The status by which a row deletes. */
export type DeleteReason = (RowResult & { readonly outcome: "delete" })["reason"];

/** Where in the set something stands: the line of a file, or the item of a page that was pulled. */
export type RowPlace = { readonly file: string; readonly line: number };

/**
 * Takes what a set says, key by key. Calls come in order; `unknown` overrides what was said of its key before.
 * A sink that writes somewhere buffers, and makes `ready` wait until it may be given more.
 */
export interface SetSink {
  content(entity: Entity, place: RowPlace): void;
  /** `reason` is the status of the row. */
  absent(type: EntityType, sourcedId: SourcedId, reason: DeleteReason, place: RowPlace): void;
  /** A refused row has this key, or rows of this key differ; `rule` is the finding's code. */
  unknown(type: EntityType, sourcedId: SourcedId, rule: FindingCode, place: RowPlace): void;
  /** Awaited after every batch of some hundred rows. */
  ready(): Promise<void>;
}

/** What became of the rows so far. */
export type Tally = {
  rows: number;
  entities: number;
  deletes: number;
  rejects: number;
  repeats: number;
  claimed: number;
  derived: number;
  /** Rows with a status; what a file of unknown mode is told by. */
  filledStatus: number;
  suspended: boolean;
  complete: boolean;
};

export function emptyTally(): Tally {
  return {
    rows: 0,
    entities: 0,
    deletes: 0,
    rejects: 0,
    repeats: 0,
    claimed: 0,
    derived: 0,
    filledStatus: 0,
    suspended: false,
    complete: false,
  };
}

export type FileJudgeOptions = {
  /** Where what a line says came from. */
  readonly placeOf: (line: number) => RowPlace;
  readonly header: CompiledHeader;
  readonly mode: "bulk" | "delta" | "by-rows";
  readonly state: TypeState;
  readonly sink: SetSink;
  readonly findings: FileFindings;
  /** By the standard's name of the column, in lower case. */
  readonly columns: ReadonlyMap<string, Column>;
  readonly references: ReferenceCheck;
  readonly semantics: Semantics;
  readonly usersWhole: boolean;
};

export class FileJudge implements RowSink {
  readonly tally = emptyTally();
  readonly #options: FileJudgeOptions;
  readonly #type: EntityType;
  readonly #mode: "bulk" | "delta";
  readonly #byIndex: readonly Column[];
  readonly #hash = new RowHash();
  readonly #key: number;
  readonly #status: number;
  readonly #modified: number;
  /** Orgs and sessions wait for the end of their file, so that parents go before children. */
  readonly #forest: Forest | null;
  /** The last code told in the row at hand that is no tolerance: why it was refused. */
  #why: FindingCode = "row.required";
  /** Whether content that was sent has been overridden. */
  overridden = false;

  constructor(options: FileJudgeOptions) {
    const { header } = options;
    this.#options = options;
    this.#type = header.description.type;
    // Rows of a file that the manifest does not list are read as bulk; what they fill in tells the mode at the end.
    this.#mode = options.mode === "delta" ? "delta" : "bulk";
    // Properties of an item have names, and no place.
    const isCsv = header.binding === "csv";
    this.#byIndex = header.fieldNames.map((field, index) => ({ column: isCsv ? index + 1 : null, field }));
    this.#key = header.sourcedId?.index ?? -1;
    this.#status = header.status?.index ?? -1;
    this.#modified = header.dateLastModified?.index ?? -1;
    const buffered = this.#type === "org" || this.#type === "academicSession";
    this.#forest = buffered ? new Forest() : null;
  }

  finding(code: FindingCode, column: number, line: number): void {
    this.#why = code;
    this.#options.findings.add(code, line, this.#columnAt(column));
  }

  tolerated(code: ToleratedCode, column: number, line: number): void {
    if (this.#options.mode === "by-rows" && (code === "row.bulk_forbidden" || code === "row.mode_conflict")) return;
    this.#options.findings.add(code, line, this.#columnAt(column));
  }

  row(row: CsvRow): void {
    this.tally.rows++;
    if (row.fault !== null) return this.#faulty(row);
    if (row.irregular !== null) {
      this.#options.findings.add(row.irregular === "newline" ? "csv.newline_in_field" : "csv.quote", row.line);
    }
    const { cells, line } = row;
    if (this.#status >= 0 && cells[this.#status] !== "") this.tally.filledStatus++;
    const result = parseRow(this.#options.header, cells, line, this.#mode, this);
    switch (result.outcome) {
      case "entity":
        return this.#entity(result, cells, line);
      case "delete":
        return this.#delete(result, cells, line);
      case "reject":
        return this.#reject(result.sourcedId, this.#why, line);
      default:
        return unreachable(result);
    }
  }

  /** After the last row: sends what waited for the end of the file. */
  finish(): void {
    const { references, findings, columns, state } = this.#options;
    this.#forest?.walk({
      find: (id) => state.find(id),
      send: (entity, entry, line) => {
        if (entity.type === "org" || entity.type === "academicSession") {
          if (entity.parentSourcedId !== null) references.parent(entity.parentSourcedId, line);
        }
        if (!state.has(entry, mark.claimed)) this.#send(entity, [], line);
      },
      cycle: (line) => findings.add("sem.parent_cycle", line, columns.get("parentsourcedid") ?? null),
    });
    references.finish(!this.tally.suspended);
  }

  /** A row of the second reading of a 1.1 users file: the roles of an overridden user are as unknown as the user. */
  overriddenRoles(row: CsvRow): void {
    if (row.fault !== null) return;
    const result = parseRow(this.#options.header, row.cells, row.line, this.#mode, deaf);
    if (result.outcome !== "entity") return;
    const entry = this.#options.state.find(result.entity.sourcedId);
    if (entry < 0 || !this.#options.state.has(entry, mark.overridden)) return;
    for (const role of result.derived) this.#unknown("role", role.sourcedId, "ref.duplicate_id", row.line);
  }

  #faulty(row: CsvRow): void {
    const { findings, header } = this.#options;
    switch (row.fault) {
      case "csv.utf8": {
        findings.add("csv.utf8", row.line);
        const key = row.cells.length === header.width ? (row.cells[this.#key] ?? "") : "";
        return this.#reject(key.includes("\ufffd") ? null : parseSourcedId(key), "csv.utf8", row.line);
      }
      case "csv.quote":
        findings.add("csv.quote", row.line);
        break;
      case "csv.bare_cr":
        findings.add("csv.newline_in_field", row.line, null, { message: "The line contains a bare carriage return." });
        break;
      case "csv.line_length":
        findings.add("csv.quote", row.line, null, { message: "The line is longer than 65,536 bytes." });
        break;
      case "csv.unreadable_rest":
        findings.add("csv.quote", row.line, null, {
          message: "Too many lines cannot be read: the file is given up here.",
        });
        break;
      case null:
        break;
      default:
        return unreachable(row.fault);
    }
    this.#reject(null, "csv.quote", row.line);
  }

  #entity(result: RowResult & { readonly outcome: "entity" }, cells: readonly string[], line: number): void {
    const { entity, derived } = result;
    const entry = this.#admit(entity.sourcedId, mark.content, cells, line);
    if (entry < 0) return;
    const { state, references, semantics, findings, columns, usersWhole } = this.#options;
    this.tally.entities++;
    this.tally.derived += derived.length;
    if (isSpecial(entity)) state.set(entry, mark.special);
    references.check(entity, line);
    semantics.check(entity, entry, line, { findings, references, columns, usersWhole });
    for (const role of derived) references.one("orgSourcedIds", role.orgSourcedId, line);
    if (this.#forest === null) this.#send(entity, derived, line);
    else this.#forest.add(entity, entry, line);
  }

  #delete(result: RowResult & { readonly outcome: "delete" }, cells: readonly string[], line: number): void {
    const { sourcedId, reason } = result;
    if (this.#admit(sourcedId, mark.deleted, cells, line) < 0) return;
    this.tally.deletes++;
    this.#options.sink.absent(this.#type, sourcedId, reason, this.#options.placeOf(line));
  }

  /** @returns the entry of a row that is the first of its key, -1 when the row repeats or contradicts an earlier one. */
  #admit(sourcedId: SourcedId, which: number, cells: readonly string[], line: number): number {
    const { state, findings } = this.#options;
    const before = state.keys.size;
    const entry = state.insert(sourcedId);
    this.#hash.of(cells, this.#modified);
    if (entry === before) {
      state.marks[entry] = which;
      state.lines[entry] = line;
      state.low[entry] = this.#hash.low;
      state.high[entry] = this.#hash.high;
      return entry;
    }
    const key = this.#columnAt(this.#key);
    const same = state.low[entry] === this.#hash.low && state.high[entry] === this.#hash.high;
    if (same && state.has(entry, which) && !state.has(entry, mark.claimed)) {
      this.tally.repeats++;
      findings.add("ref.duplicate_row", line, key);
      return -1;
    }
    findings.add("ref.duplicate_id", line, key);
    this.tally.rejects++;
    this.#claim(entry, sourcedId, "ref.duplicate_id", line);
    return -1;
  }

  #reject(sourcedId: SourcedId | null, why: FindingCode, line: number): void {
    this.tally.rejects++;
    if (sourcedId === null) {
      this.tally.suspended = true;
      return;
    }
    const { state } = this.#options;
    const before = state.keys.size;
    const entry = state.insert(sourcedId);
    if (entry === before) {
      state.lines[entry] = line;
      state.marks[entry] = 0;
    } else this.#options.findings.add("ref.duplicate_id", line, this.#columnAt(this.#key));
    this.#claim(entry, sourcedId, why, line);
  }

  /** From now on nothing certain is known of the key; what was sent of it is overridden, once. */
  #claim(entry: number, sourcedId: SourcedId, why: FindingCode, line: number): void {
    const { state, findings } = this.#options;
    if (state.has(entry, mark.claimed)) return;
    const was = state.marks[entry] ?? 0;
    if ((was & (mark.content | mark.deleted)) !== 0) {
      // The first row of the key is refused with the others.
      findings.add("ref.duplicate_id", state.lines[entry] ?? 0, this.#columnAt(this.#key));
      this.tally.rejects++;
      if ((was & mark.content) !== 0) {
        this.tally.entities--;
        this.overridden = true;
        state.set(entry, mark.overridden);
      } else this.tally.deletes--;
    }
    state.set(entry, mark.claimed);
    this.#unknown(this.#type, sourcedId, why, line);
    this.tally.claimed++;
  }

  #unknown(type: EntityType, sourcedId: SourcedId, why: FindingCode, line: number): void {
    this.#options.sink.unknown(type, sourcedId, why, this.#options.placeOf(line));
  }

  #send(entity: Entity, derived: readonly Role[], line: number): void {
    const place = this.#options.placeOf(line);
    this.#options.sink.content(entity, place);
    for (const role of derived) this.#options.sink.content(role, place);
  }

  #columnAt(index: number): Column | null {
    return index < 0 ? null : (this.#byIndex[index] ?? { column: index + 1, field: null });
  }
}

const deaf: RowSink = { finding: () => undefined, tolerated: () => undefined };

/** A school, or an org whose type is an extension and may be one; a school year, likewise. */
function isSpecial(entity: Entity): boolean {
  if (entity.type === "org") return entity.orgType === "school" || entity.orgType.startsWith("ext:");
  if (entity.type === "academicSession") {
    return entity.sessionType === "schoolYear" || entity.sessionType.startsWith("ext:");
  }
  return false;
}
