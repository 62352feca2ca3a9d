// Reads one table from the pages of a collection, as a stream of batches of rows: what CsvReading is for a file of CSV.
// It keeps true: rows come in the order of the items, under the number of their item, counted from 1 over all pages; a
// file that has fewer or more items than were pulled is unreadable; memory holds one page.

import { createHash } from "node:crypto";
import type { Readable } from "node:stream";

import type { Collection } from "../../domain/api/collections.ts";
import type { CsvSummary } from "./csv.ts";
import { readPages } from "./pages.ts";
import type { CsvRow } from "./record-scanner.ts";
import { type RestTable, RestRows } from "./rest-rows.ts";
import { unreadable } from "./unreadable.ts";

export type RestCollection = {
  readonly collection: Collection;
  /** How many items were pulled. */
  readonly items: number;
};

const rowsPerBatch = 500;

export class RestReading {
  readonly #source: Readable;
  readonly #from: RestCollection;
  readonly #rows: RestRows;
  readonly #hash = createHash("sha256");
  #bytes = 0;
  /** Of each page so far: its path, and how many items stand before it. */
  readonly #paths: string[] = [];
  readonly #before: number[] = [];

  constructor(source: Readable, from: RestCollection & RestTable) {
    this.#source = source;
    this.#from = from;
    this.#rows = new RestRows(from);
  }

  /**
   * The header in a batch of its own, then the rows.
   * @throws AppError `set.unreadable`, and what the source throws.
   */
  async *batches(): AsyncGenerator<readonly CsvRow[], void, undefined> {
    yield [rowOf(0, this.#rows.header)];
    let items = 0;
    for await (const page of readPages(this.#counted(), this.#from.collection)) {
      this.#paths.push(page.path);
      this.#before.push(items);
      let batch: CsvRow[] = [];
      for (const item of page.items) {
        items++;
        for (const cells of this.#rows.rowsOf(item)) batch.push(rowOf(items, cells));
        if (batch.length < rowsPerBatch) continue;
        yield batch;
        batch = [];
      }
      if (batch.length > 0) yield batch;
    }
    if (items !== this.#from.items) throw unreadable("page.missing", "its pages do not hold what was pulled");
  }

  /** The page that an item came from, and its number there. */
  placeOf(item: number): { readonly file: string; readonly line: number } {
    let low = 0;
    let high = this.#before.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#before[middle] ?? 0) < item) low = middle;
      else high = middle - 1;
    }
    return { file: this.#paths[low] ?? "", line: item - (this.#before[low] ?? 0) };
  }

  /** Pages that can be read have the right shape. */
  shape(): null {
    return null;
  }

  /** True only after the last batch. */
  summary(): CsvSummary {
    return {
      bytes: this.#bytes,
      sha256: this.#hash.copy().digest("hex"),
      bom: false,
      blankLines: 0,
      blankLineAbove: null,
      endMark: null,
      bareLineFeed: false,
      unreadableFrom: null,
    };
  }

  async *#counted(): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of this.#source) {
      const bytes: Buffer = chunk;
      this.#bytes += bytes.length;
      this.#hash.update(bytes);
      yield bytes;
    }
  }
}

function rowOf(line: number, cells: readonly string[]): CsvRow {
  return { line, lines: 1, cells, fault: null, irregular: null };
}
