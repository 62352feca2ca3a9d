// Tells by the first bytes of a file why nothing of it can be read: another encoding, another separator, other line ends.
// It keeps true that a shape is only a name for what went wrong: no file that can be read is refused by it.

import type { FindingCode } from "../../domain/finding.ts";

/** How many bytes of a file are looked at. */
export const headBytes = 4096;

/** What a file is instead; each has a finding of its own and a clause that ends a sentence, with what to do. */
export type FileShape = { readonly code: FindingCode; readonly clause: string };

const utf16: FileShape = { code: "csv.utf16", clause: "is written in UTF-16: export as UTF-8" };
const twoMarks: FileShape = { code: "csv.bom_twice", clause: "begins with two byte order marks: write one, or none" };
const tabs: FileShape = { code: "csv.separator", clause: "separates its cells by tabs: export with commas" };
const semicolons: FileShape = {
  code: "csv.separator",
  clause: "separates its cells by semicolons: export with commas",
};
const bareReturns: FileShape = {
  code: "csv.bare_cr",
  clause: "ends its lines with bare carriage returns: export with CRLF at the end of each line",
};

/** A byte order mark, or letters of two bytes each. */
// oxlint-disable-next-line no-control-regex -- zero bytes are what tells
const utf16Form = /^(?:\u00ff\u00fe|\u00fe\u00ff|(?:[^\0]\0){2}|(?:\0[^\0]){2})/u;
const firstColumn = /sourcedid|propertyname/iu;
const mark = "\u00ef\u00bb\u00bf";

/**
 * What the first bytes of a file say of it, or null when they are nothing special.
 * Ask only of a file whose header could not be read: a header of one column may hold a tab in good faith.
 */
export function shapeOf(head: Buffer): FileShape | null {
  const text = head.toString("latin1");
  if (utf16Form.test(text)) return utf16;
  if (text.startsWith(mark + mark)) return twoMarks;
  const [line = ""] = text.split(/[\r\n]/u, 1);
  // Without a name of a first column it is no table at all: an image also holds tabs and returns.
  if (!firstColumn.test(line)) return null;
  if (!line.includes(",") && line.includes("\t")) return tabs;
  if (!line.includes(",") && line.includes(";")) return semicolons;
  // Returns alone from end to end, or several before each line feed, as a file has that was converted twice.
  const alone = !text.includes("\n") && /\r./su.test(text);
  return alone || text.startsWith("\r\r\n", line.length) ? bareReturns : null;
}
