// What the CSV reader makes of every irregular file we know, and that it says the right physical line.

import { createHash } from "node:crypto";
import { Readable } from "node:stream";

import t from "tap";

import { CsvReading } from "../../../libs/adapters/oneroster/csv.ts";
import { type CsvRow, defaultScanLimits, type ScanLimits } from "../../../libs/adapters/oneroster/record-scanner.ts";

type Seen = readonly [line: number, cells: readonly string[] | string, irregular?: string];

async function read(
  bytes: Buffer | string,
  chunk = 1 << 16,
  limits: ScanLimits = defaultScanLimits,
): Promise<{ readonly rows: readonly Seen[]; readonly reading: CsvReading }> {
  const whole = Buffer.from(bytes);
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; at += chunk) chunks.push(whole.subarray(at, at + chunk));
  const reading = new CsvReading(Readable.from(chunks, { objectMode: false }), limits);
  const rows: Seen[] = [];
  for await (const batch of reading.batches()) for (const row of batch) rows.push(seen(row));
  return { rows, reading };
}

function seen(row: CsvRow): Seen {
  const cells =
    row.fault === null ? row.cells : row.cells.length > 0 ? `${row.fault}:${row.cells[0] ?? ""}` : row.fault;
  return row.irregular === null ? [row.line, cells] : [row.line, cells, row.irregular];
}

const cases: Readonly<Record<string, { readonly text: string | Buffer; readonly rows: readonly Seen[] }>> = {
  "plain lines": {
    text: "a,b\n1,2\n",
    rows: [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
    ],
  },
  "carriage returns and no last line end": {
    text: "a,b\r\n1,2",
    rows: [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
    ],
  },
  "empty cells": {
    text: "a,b,c\n,,\n1,,\n,,3\n",
    rows: [
      [1, ["a", "b", "c"]],
      [2, ["", "", ""]],
      [3, ["1", "", ""]],
      [4, ["", "", "3"]],
    ],
  },
  "blank lines are skipped and counted as lines": {
    text: "a,b\n\n \r\n1,2\n",
    rows: [
      [1, ["a", "b"]],
      [4, ["1", "2"]],
    ],
  },
  "a mark at the head of the file": {
    text: "\ufeffa,b\n1,2\n",
    rows: [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
    ],
  },
  "a mark in the middle stays": {
    text: "a,b\n\ufeff1,2\n",
    rows: [
      [1, ["a", "b"]],
      [2, ["\ufeff1", "2"]],
    ],
  },
  "quoted cells with commas and quotes": {
    text: 'a,b\n"1,""x""",2\n',
    rows: [
      [1, ["a", "b"]],
      [2, ['1,"x"', "2"]],
    ],
  },
  "a line break in a quoted cell": {
    text: 'a,b\n"1\nx",2\n3,4\n',
    rows: [
      [1, ["a", "b"]],
      [2, ["1\nx", "2"], "newline"],
      [4, ["3", "4"]],
    ],
  },
  "an unclosed quote costs its line only": {
    text: 'a,b\n1,"x\n3,4\n5,6\n',
    rows: [
      [1, ["a", "b"]],
      [2, "csv.quote"],
      [3, ["3", "4"]],
      [4, ["5", "6"]],
    ],
  },
  "an unclosed quote that meets a later quote": {
    text: 'a,b\n1,"x\n3,"y, z"\n5,6\n',
    rows: [
      [1, ["a", "b"]],
      [2, "csv.quote"],
      [3, ["3", "y, z"]],
      [4, ["5", "6"]],
    ],
  },
  "two opened quotes that close one another": {
    text: 'a,b\n1,"x\n3,4,"\n5,6\n',
    rows: [
      [1, ["a", "b"]],
      [2, "csv.quote"],
      [3, "csv.quote"],
      [4, ["5", "6"]],
    ],
  },
  "two opened quotes that make a row of the right width": {
    text: 'a,b,c\n1,2,"x\n3,4,"\n5,6,7\n',
    rows: [
      [1, ["a", "b", "c"]],
      [2, "csv.quote"],
      [3, "csv.quote"],
      [4, ["5", "6", "7"]],
    ],
  },
  "an opened quote that swallows a row of another width": {
    text: 'a,b,c\n1,"x,2\n3,"4",5\n5,6,7\n',
    rows: [
      [1, ["a", "b", "c"]],
      [2, "csv.quote"],
      [3, ["3", "4", "5"]],
      [4, ["5", "6", "7"]],
    ],
  },
  "text after a closing quote": {
    text: 'a,b\n"1"x,2\n3,4\n',
    rows: [
      [1, ["a", "b"]],
      [2, "csv.quote"],
      [3, ["3", "4"]],
    ],
  },
  "a quote inside an unquoted cell": {
    text: 'a,b\n5" pipe,2\n3,4\n',
    rows: [
      [1, ["a", "b"]],
      [2, ['5" pipe', "2"], "quote"],
      [3, ["3", "4"]],
    ],
  },
  "blanks around a quoted cell": {
    text: 'a,b\n1, "x" \n3,4\n',
    rows: [
      [1, ["a", "b"]],
      [2, ["1", "x"], "quote"],
      [3, ["3", "4"]],
    ],
  },
  "a bare carriage return": {
    text: "a,b\n1\r2,3\n3,4\n",
    rows: [
      [1, ["a", "b"]],
      [2, "csv.bare_cr"],
      [3, ["3", "4"]],
    ],
  },
  "bytes that are no UTF-8 fault their row alone, and its key can still be read": {
    text: Buffer.from("a,b\n1,Jos\xe9\n3,4\n", "latin1"),
    rows: [
      [1, ["a", "b"]],
      [2, "csv.utf8:1"],
      [3, ["3", "4"]],
    ],
  },
  "a quoted cell after an exotic blank, which the scanner takes for text and fast-csv does not": {
    text: 'a,b\n1,2\n\u00a0"x,y",2\n3,4\n',
    rows: [
      [1, ["a", "b"]],
      [2, ["1", "2"]],
      [3, ["x,y", "2"], "quote"],
      [4, ["3", "4"]],
    ],
  },
  "an empty file": { text: "", rows: [] },
};

for (const [name, { text, rows }] of Object.entries(cases)) {
  void t.test(`${name}, in one piece and byte by byte`, async (t) => {
    t.strictSame((await read(text)).rows, rows);
    for (const chunk of [1, 2, 3, 7]) t.strictSame((await read(text, chunk)).rows, rows, `chunks of ${chunk}`);
  });
}

void t.test("a line that does not end is broken, and the next is read", async (t) => {
  const limits = { recordBytes: 100, brokenRecords: 10 };
  const text = `a,b\n1,${"x".repeat(500)}\n3,4\n`;
  for (const chunk of [1 << 16, 64, 7]) {
    t.strictSame((await read(text, chunk, limits)).rows, [
      [1, ["a", "b"]],
      [2, "csv.line_length"],
      [3, ["3", "4"]],
    ]);
  }
});

void t.test("after too many broken records the rest is one unreadable stretch", async (t) => {
  const { rows, reading } = await read(`a,b\n${'1,"x"y\n'.repeat(5)}3,4\n`, 5, { recordBytes: 100, brokenRecords: 3 });
  t.strictSame(rows.slice(1), [
    [2, "csv.quote"],
    [3, "csv.quote"],
    [4, "csv.quote"],
    [5, "csv.unreadable_rest"],
  ]);
  t.equal(reading.summary().unreadableFrom, 5);
});

void t.test("the summary tells bytes, hash, mark and blank lines of the file as delivered", async (t) => {
  const text = "\ufeffa,b\n\n1,2\n";
  const { reading } = await read(text);
  t.strictSame(reading.summary(), {
    bytes: 12,
    sha256: createHash("sha256").update(text).digest("hex"),
    bom: true,
    blankLines: 1,
    blankLineAbove: 2,
    endMark: null,
    bareLineFeed: true,
    unreadableFrom: null,
  });
});

void t.test("blank lines count as a fault above a row, and Ctrl-Z is told", async (t) => {
  t.match((await read("a,b\n1,2\n\n\n")).reading.summary(), { blankLines: 2, blankLineAbove: null, endMark: null });
  const { rows, reading } = await read("a,b\r\n1,2\r\n\r\n3,4\r\n\u001a", 3);
  t.equal(rows.length, 3);
  t.match(reading.summary(), { blankLineAbove: 3, endMark: 5 });
});

void t.test("the first bytes tell what a file is instead of CSV", async (t) => {
  const text = "sourcedId,name,type\r\no1,North,school\r\n";
  const utf16 = Buffer.from(text, "utf16le");
  const shapes: readonly (readonly [Buffer | string, string | undefined])[] = [
    [text, undefined],
    [`\ufeff${text}`, undefined],
    ["sourcedId\r", undefined],
    ["", undefined],
    [Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]), "csv.utf16"],
    [Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]).swap16(), "csv.utf16"],
    [utf16, "csv.utf16"],
    [`\ufeff\ufeff${text}`, "csv.bom_twice"],
    [text.replaceAll(",", "\t"), "csv.separator"],
    [text.replaceAll(",", ";"), "csv.separator"],
    [text.replaceAll("\r\n", "\r"), "csv.bare_cr"],
    ["\u0089PNG\r\n\u001a\n\0\0\0", undefined],
    ["<html>\t<body>;\r</html>\r", undefined],
    [text.replaceAll("\r\n", "\r\r\n"), "csv.bare_cr"],
  ];
  for (const [bytes, code] of shapes) {
    const { reading } = await read(bytes, 1);
    t.equal(reading.shape()?.code, code, JSON.stringify(bytes.toString("latin1")));
  }
});
