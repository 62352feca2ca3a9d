// Reads a CSV file as a stream of batches of rows, with fast-csv, and keeps reading whatever the file holds.
// It keeps true: rows come in file order with their physical line; a record that cannot be read is a broken row at its
// line and the next line is read again; memory holds one block; bytes and hash are those of the file as delivered.

import { createHash } from "node:crypto";
import type { Readable } from "node:stream";

import { parse } from "fast-csv";

import { type FileShape, headBytes, shapeOf } from "./file-shape.ts";
import { type CsvRow, defaultScanLimits, RecordScanner, type ScanLimits, type ScannedBlock } from "./record-scanner.ts";

/** What is known of a file once its last batch was read. */
export type CsvSummary = {
  readonly bytes: number;
  /** Of the bytes as delivered, lower-case hexadecimal. */
  readonly sha256: string;
  readonly bom: boolean;
  readonly blankLines: number;
  /** The first blank line that stands above a row, or null: blank lines at the end are usual. */
  readonly blankLineAbove: number | null;
  /** The line with the mark by which old systems ended a text (U+001A, Ctrl-Z), or null. */
  readonly endMark: number | null;
  /** Whether some line ended with a line feed alone. */
  readonly bareLineFeed: boolean;
  /** The line from which the file was given up, or null. */
  readonly unreadableFrom: number | null;
};

/** One fast-csv stream, fed block by block; a block that it reads otherwise than expected makes it useless. */
class BlockParser {
  readonly #stream = parse<string[], string[]>({ headers: false, ignoreEmpty: false });
  #rows: string[][] = [];
  #failed = false;

  constructor() {
    this.#stream.on("data", (row: string[]) => {
      this.#rows.push(row);
    });
    this.#stream.on("error", () => {
      this.#failed = true;
    });
  }

  /** @returns the rows of the text, or null when they are not as many as the records in it. */
  async parse(text: string, expected: number): Promise<readonly string[][] | null> {
    this.#rows = [];
    // fast-csv takes a mark away from the head of whatever it is given, not only of a file.
    await this.#write(text.charCodeAt(0) === 0xfeff ? `\ufeff${text}` : text);
    while (!this.#failed && this.#stream.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    return this.#failed || this.#rows.length !== expected ? null : this.#rows;
  }

  close(): void {
    this.#stream.destroy();
  }

  #write(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write(text, () => {
        resolve();
      });
    });
  }
}

/** A file being read. Read {@link batches} once to its end, then ask for the {@link summary}. */
export class CsvReading {
  readonly #source: Readable;
  readonly #scanner: RecordScanner;
  readonly #hash = createHash("sha256");
  #bytes = 0;
  #head: Buffer = Buffer.alloc(0);
  #parser = new BlockParser();

  constructor(source: Readable, limits: ScanLimits = defaultScanLimits) {
    this.#source = source;
    this.#scanner = new RecordScanner(limits);
  }

  /**
   * Rows of the file, the header among them, blank lines left out.
   * @throws what the source throws.
   */
  async *batches(): AsyncGenerator<readonly CsvRow[], void, undefined> {
    try {
      for await (const chunk of this.#source) {
        const bytes: Buffer = chunk;
        this.#bytes += bytes.length;
        this.#hash.update(bytes);
        if (this.#head.length < headBytes) this.#head = Buffer.concat([this.#head, bytes]).subarray(0, headBytes);
        const block = this.#scanner.push(bytes);
        if (block.rows.length > 0) yield await this.#fill(block);
      }
      const block = this.#scanner.end();
      if (block.rows.length > 0) yield await this.#fill(block);
    } finally {
      this.#parser.close();
    }
  }

  /** What the file's first bytes say it is instead of CSV; for a file whose header cannot be read. */
  shape(): FileShape | null {
    return shapeOf(this.#head);
  }

  /** True only after the last batch. */
  summary(): CsvSummary {
    const { bom, blankLines, blankLineAbove, endMark, bareLineFeed, unreadableFrom } = this.#scanner;
    const sha256 = this.#hash.copy().digest("hex");
    return { bytes: this.#bytes, sha256, bom, blankLines, blankLineAbove, endMark, bareLineFeed, unreadableFrom };
  }

  async #fill(block: ScannedBlock): Promise<readonly CsvRow[]> {
    if (block.parseable === 0) return block.rows;
    const parsed = await this.#parser.parse(block.text, block.parseable);
    if (parsed === null) return this.#fillOneByOne(block);
    let at = 0;
    for (const row of block.rows) {
      if (isParseable(row)) row.cells = parsed[at++] ?? [];
    }
    return block.rows;
  }

  /** The block was read otherwise than its records were counted: each record alone tells which it was. */
  async #fillOneByOne(block: ScannedBlock): Promise<readonly CsvRow[]> {
    const lines = block.text.split("\n");
    let at = 0;
    for (const row of block.rows) {
      if (!isParseable(row)) continue;
      const record = lines.slice(at, at + row.lines).join("\n");
      at += row.lines;
      this.#renewParser();
      const parsed = await this.#parser.parse(`${record}\n`, 1);
      if (parsed?.[0] === undefined) row.fault = "csv.quote";
      else row.cells = parsed[0];
    }
    this.#renewParser();
    return block.rows;
  }

  #renewParser(): void {
    this.#parser.close();
    this.#parser = new BlockParser();
  }
}

/** Broken records have no text in their block; those with bytes that are no UTF-8 have. */
function isParseable(row: CsvRow): boolean {
  return row.fault === null || row.fault === "csv.utf8";
}
