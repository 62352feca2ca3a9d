// Finds where records begin and end in the bytes of a CSV file, before a parser sees them.
// It keeps true: every record carries the physical line on which it begins, counted from 1; one stray quote costs one
// line and never the rest of the file; memory holds one block, whatever the file contains.
// The cells themselves are fast-csv's business: this only decides which bytes are a record that it can read.

import { isUtf8 } from "node:buffer";

/** Why a record cannot be used. `csv.utf8` still has cells: the bytes that are no text stand as U+FFFD. */
export type CsvFault = "csv.quote" | "csv.bare_cr" | "csv.utf8" | "csv.line_length" | "csv.unreadable_rest";

/** A record as found. `cells` is empty until the parser has filled it, and stays so for a broken one. */
export type CsvRow = {
  /** The physical line on which it begins, counted from 1. */
  readonly line: number;
  /** How many physical lines it takes. */
  readonly lines: number;
  cells: readonly string[];
  fault: CsvFault | null;
  /** What the strict report must say although the record was read. */
  readonly irregular: "newline" | "quote" | null;
};

/** Records of one block: `text` holds those that are to be parsed, in order, each ended by a line feed. */
export type ScannedBlock = { readonly rows: CsvRow[]; readonly text: string; readonly parseable: number };

export type ScanLimits = {
  /** A record longer than this many bytes is broken: an unclosed quote would otherwise swallow the file. */
  readonly recordBytes: number;
  /** After this many broken records the rest of the file is one unreadable stretch. */
  readonly brokenRecords: number;
};

/** 64 KiB is forty times the longest row of a district we know; ten thousand broken records are no roster. */
export const defaultScanLimits: ScanLimits = { recordBytes: 65_536, brokenRecords: 10_000 };

const lf = 10;
const cr = 13;
const space = 32;
const tab = 9;
const quote = 34;
const comma = 44;
const substitute = 26;

type Quoted = {
  end: number;
  newlines: number;
  separators: number;
  /** Commas within quotes. */
  inner: number;
  odd: boolean;
  outcome: "record" | "broken" | "more";
};

/**
 * The state machine of RFC 4180 over one record that holds a quote, with the two liberties that fast-csv takes:
 * blanks around a quoted field are dropped, and a quote inside an unquoted field is a character.
 *
 * start -> quoted -> closed -> start on a comma; start -> plain -> start on a comma; a line feed outside quotes ends.
 */
function scanQuoted(bytes: Uint8Array, start: number, end: number, last: boolean, found: Quoted): void {
  let state: "start" | "plain" | "quoted" | "closed" = "start";
  found.newlines = 0;
  found.separators = 0;
  found.inner = 0;
  found.odd = false;
  let blank = false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (state === "quoted") {
      if (byte === quote) {
        if (bytes[at + 1] === quote && at + 1 < end) at++;
        else state = "closed";
      } else if (byte === lf) found.newlines++;
      else if (byte === comma) found.inner++;
    } else if (byte === lf) {
      found.end = at;
      found.outcome = "record";
      return;
    } else if (byte === comma) {
      found.separators++;
      state = "start";
      blank = false;
    } else if (byte === quote) {
      if (state === "closed") return broken(found);
      found.odd ||= state === "plain" || blank;
      if (state === "start") state = "quoted";
    } else if (byte === cr) {
      if (at + 1 < end && bytes[at + 1] !== lf) return broken(found);
    } else if (byte === space || byte === tab) {
      blank = true;
      found.odd ||= state === "closed";
    } else if (state === "closed") return broken(found);
    else state = "plain";
  }
  found.end = end;
  found.outcome = state !== "quoted" && last ? "record" : "more";
}

function broken(found: Quoted): void {
  found.outcome = "broken";
}

/** Cuts a stream of chunks into blocks of records. Feed it with {@link push}, then {@link end} once. */
export class RecordScanner {
  readonly #limits: ScanLimits;
  #carry: Buffer = Buffer.alloc(0);
  #line = 1;
  #first = true;
  #width = -1;
  #broken = 0;
  /** Set while the tail of an over-long line is skipped. */
  #skipping = false;
  #stopped = false;
  /** Whether the file began with a byte order mark. */
  bom = false;
  blankLines = 0;
  /** The first blank line that stands above a record, or null. */
  blankLineAbove: number | null = null;
  /** The line that holds nothing but the mark by which old systems ended a text (U+001A), or null. */
  endMark: number | null = null;
  #firstBlank = 0;
  /** Whether some line ended with a line feed alone. */
  bareLineFeed = false;

  #rows: CsvRow[] = [];
  #pieces: string[] = [];
  #parseable = 0;
  #bytes: Buffer = this.#carry;
  /** Bytes `[#from, #to)` of the block that are to be parsed and were not yet made text. */
  #from = 0;
  #to = 0;
  /** Index in #rows of the first record of that stretch. */
  #fromRow = 0;
  readonly #quoted: Quoted = { end: 0, newlines: 0, separators: 0, inner: 0, odd: false, outcome: "more" };

  constructor(limits: ScanLimits) {
    this.#limits = limits;
  }

  /** The line on which the unreadable rest begins, or null. */
  get unreadableFrom(): number | null {
    return this.#stopped ? this.#line : null;
  }

  /** Records that end in what was pushed so far. */
  push(chunk: Buffer): ScannedBlock {
    return this.#scan(this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]), false);
  }

  /** The last record, when it has no line end of its own. */
  end(): ScannedBlock {
    return this.#scan(this.#carry, true);
  }

  #scan(bytes: Buffer, last: boolean): ScannedBlock {
    this.#rows = [];
    this.#pieces = [];
    this.#parseable = 0;
    this.#bytes = bytes;
    let at = 0;
    if (this.#first && (bytes.length >= 3 || last)) {
      this.#first = false;
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
        this.bom = true;
        at = 3;
      }
    }
    this.#restartStretch(at);
    if (!this.#first) at = this.#scanRecords(at, last);
    this.#flush(last);
    this.#carry = this.#stopped ? Buffer.alloc(0) : bytes.subarray(at);
    return { rows: this.#rows, text: this.#pieces.join(""), parseable: this.#parseable };
  }

  #scanRecords(start: number, last: boolean): number {
    const bytes = this.#bytes;
    let at = start;
    while (at < bytes.length && !this.#stopped) {
      const next = this.#skipping ? this.#skipLine(at) : this.#scanRecord(at, last);
      if (next < 0) break;
      at = next;
    }
    return at;
  }

  /** @returns where the next record begins, or -1 when this one does not end in these bytes. */
  #scanRecord(at: number, last: boolean): number {
    const bytes = this.#bytes;
    const length = bytes.length;
    let hasQuote = false;
    let bareCr = false;
    let blank = true;
    let end = at;
    for (; end < length; end++) {
      const byte = bytes[end] ?? 0;
      if (byte === lf) break;
      if (byte > space) {
        blank = false;
        if (byte === quote) hasQuote = true;
      } else if (byte === cr && end + 1 < length && bytes[end + 1] !== lf) bareCr = true;
    }
    if (end === length && !last) {
      if (end - at <= this.#limits.recordBytes) return -1;
      this.#skipping = true;
      return this.#refuse(at, length, "csv.line_length", false);
    }
    if (end - at > this.#limits.recordBytes) return this.#refuse(at, end + 1, "csv.line_length");
    if (hasQuote) return this.#scanQuotedRecord(at, end, last);
    if (bareCr) return this.#refuse(at, end + 1, "csv.bare_cr");
    if (blank) return this.#skipBlank(at, end + 1);
    if (this.#width < 0) this.#width = countSeparators(bytes, at, end);
    this.#accept(end + 1, null, 1);
    return end + 1;
  }

  #scanQuotedRecord(at: number, lineEnd: number, last: boolean): number {
    const found = this.#quoted;
    const limit = Math.min(this.#bytes.length, Math.max(at + this.#limits.recordBytes, lineEnd + 1));
    scanQuoted(this.#bytes, at, limit, last && limit === this.#bytes.length, found);
    if (found.outcome === "more" && limit === this.#bytes.length && !last && limit - at < this.#limits.recordBytes) {
      return -1;
    }
    // A record over several lines whose width is not the header's, or with half a row's worth of commas within quotes, is an
    // opened quote that met another by chance: taken for one row, it would hide the rows between.
    const swallowed =
      found.newlines > 0 &&
      this.#width >= 0 &&
      (found.separators !== this.#width || found.inner * 2 >= Math.max(this.#width, 1));
    if (found.outcome !== "record" || swallowed) return this.#refuse(at, lineEnd + 1, "csv.quote");
    if (this.#width < 0) this.#width = found.separators;
    this.#accept(found.end + 1, found.newlines > 0 ? "newline" : found.odd ? "quote" : null, found.newlines + 1);
    return found.end + 1;
  }

  #accept(next: number, irregular: CsvRow["irregular"], lines: number): void {
    if (this.#firstBlank !== 0) this.blankLineAbove ??= this.#firstBlank;
    this.#rows.push({ line: this.#line, lines, cells: [], fault: null, irregular });
    this.#line += lines;
    this.#to = next;
    if (next <= this.#bytes.length && this.#bytes[next - 2] !== cr) this.bareLineFeed = true;
  }

  #skipBlank(at: number, next: number): number {
    this.#flush(false);
    this.blankLines++;
    const mark = this.#bytes.indexOf(substitute, at);
    if (mark >= 0 && mark < next) this.endMark ??= this.#line;
    else if (this.#firstBlank === 0) this.#firstBlank = this.#line;
    this.#line++;
    this.#restartStretch(next);
    return next;
  }

  #refuse(at: number, next: number, fault: CsvFault, lineEnds = true): number {
    this.#flush(false);
    this.#broken++;
    this.#stopped = this.#broken > this.#limits.brokenRecords;
    const why = this.#stopped ? "csv.unreadable_rest" : fault;
    this.#rows.push({ line: this.#line, lines: 1, cells: [], fault: why, irregular: null });
    // A record refused first of all is the header: its width is nobody's, and the rows after it are judged without it.
    if (this.#width < 0) this.#width = countSeparators(this.#bytes, at, next - 1);
    if (lineEnds && !this.#stopped) this.#line++;
    this.#restartStretch(next);
    return next;
  }

  #skipLine(at: number): number {
    const end = this.#bytes.indexOf(lf, at);
    const next = end < 0 ? this.#bytes.length : end + 1;
    if (end >= 0) {
      this.#skipping = false;
      this.#line++;
    }
    this.#restartStretch(next);
    return next;
  }

  #restartStretch(at: number): void {
    this.#from = at;
    this.#to = at;
    this.#fromRow = this.#rows.length;
  }

  /** Turns the stretch of records found so far into text; bytes that are not UTF-8 fault their record alone. */
  #flush(last: boolean): void {
    if (this.#to === this.#from) return;
    const stretch = this.#bytes.subarray(this.#from, Math.min(this.#to, this.#bytes.length));
    if (!isUtf8(stretch)) this.#faultBytes(stretch);
    this.#parseable += this.#rows.length - this.#fromRow;
    this.#pieces.push(stretch.toString("utf8"));
    if (last && this.#to > this.#bytes.length) this.#pieces.push("\n");
    this.#restartStretch(this.#to);
  }

  #faultBytes(stretch: Buffer): void {
    let at = 0;
    for (const row of this.#rows.slice(this.#fromRow)) {
      let end = at;
      for (let n = 0; n < row.lines; n++) {
        const next = stretch.indexOf(lf, end);
        end = next < 0 ? stretch.length : next + 1;
      }
      if (!isUtf8(stretch.subarray(at, end))) row.fault = "csv.utf8";
      at = end;
    }
  }
}

function countSeparators(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) if (bytes[at] === comma) count++;
  return count;
}
