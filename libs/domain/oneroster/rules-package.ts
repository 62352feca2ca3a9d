// Rules about a set, its manifest and its tables, as data: what each finding says, where the rule stands, what to do.
// Messages are complete sentences without any value from the files.

export type Severity = "error" | "warning" | "note";

export type RuleEntry = {
  /** error: a breach of the standard. warning: doubtful, or a breach of advice. note: worth knowing. */
  readonly severity: Severity;
  /** The rule's id where several findings belong to one rule; otherwise the code is the rule. */
  readonly rule?: string;
  /** The part of the standard's CSV binding that has the rule; null when the rule is ours. */
  readonly section: string | null;
  /** Accepted all the same, and counted. */
  readonly tolerated?: true;
  readonly message: string;
  readonly remedy: string;
};

const zip = "zip file";
const grammar = "CSV file format";
const manifest = "manifest.csv";
const header = "header rows";

export const packageRules = {
  "csv.bare_cr": {
    severity: "error",
    section: grammar,
    message: "Lines end with bare carriage returns (CR), which do not end a line: the file cannot be read.",
    remedy: "Write CRLF at the end of each line.",
  },
  "csv.blank_line": {
    severity: "warning",
    section: grammar,
    tolerated: true,
    message: "A blank line stands above a row; blank lines are skipped.",
    remedy: "Leave blank lines out.",
  },
  "csv.blank_row": {
    severity: "warning",
    section: grammar,
    tolerated: true,
    message: "All cells of the line are blank; it is skipped like a blank line.",
    remedy: "Delete empty rows in the spreadsheet before it is exported.",
  },
  "csv.bom": {
    severity: "note",
    section: grammar,
    tolerated: true,
    message: "The file begins with a byte order mark, which is skipped.",
    remedy: "Nothing is needed.",
  },
  "csv.bom_twice": {
    severity: "error",
    rule: "csv.bom",
    section: grammar,
    message: "The file begins with two byte order marks, the second of which hides the first column.",
    remedy: "Write one byte order mark, or none.",
  },
  "csv.end_mark": {
    severity: "warning",
    section: grammar,
    tolerated: true,
    message: "A line holds nothing but U+001A (Ctrl-Z), by which old systems end a text; it is skipped.",
    remedy: "Leave the character out.",
  },
  "csv.line_end": {
    severity: "warning",
    section: grammar,
    tolerated: true,
    message: "Lines end with LF where CRLF is due.",
    remedy: "Write CRLF at the end of each line.",
  },
  "csv.newline_in_field": {
    severity: "error",
    section: grammar,
    message: "A field contains a line break.",
    remedy: "Remove line breaks from the value at the source.",
  },
  "csv.quote": {
    severity: "error",
    section: grammar,
    message: "Quotes are unbalanced or stand inside an unquoted field.",
    remedy: "Quote the field and double the quotes inside it.",
  },
  "csv.separator": {
    severity: "error",
    section: grammar,
    message: "The cells are separated by tabs or semicolons where commas are due: the file cannot be read.",
    remedy: "Export with commas between the cells.",
  },
  "csv.utf16": {
    severity: "error",
    rule: "csv.utf8",
    section: grammar,
    message: "The file is written in UTF-16: it cannot be read.",
    remedy: "Export as UTF-8.",
  },
  "csv.utf8": {
    severity: "error",
    section: grammar,
    message: "The bytes are not valid UTF-8.",
    remedy: "Export the file as UTF-8.",
  },
  "manifest.duplicate": {
    severity: "error",
    section: manifest,
    message: "A property stands in the manifest more than once.",
    remedy: "Keep one row per property.",
  },
  "manifest.file_missing": {
    severity: "error",
    section: manifest,
    message: "The manifest lists the file as bulk or delta, and the set does not contain it.",
    remedy: "Send the file, or say absent in the manifest.",
  },
  "manifest.file_unexpected": {
    severity: "error",
    section: manifest,
    message: "The set contains the file, and the manifest says absent or does not list it.",
    remedy: "Say bulk or delta for the file in the manifest.",
  },
  "manifest.header": {
    severity: "error",
    section: manifest,
    message: "The header of the manifest is not exactly propertyName,value.",
    remedy: "Write the header propertyName,value.",
  },
  "manifest.missing": {
    severity: "error",
    section: manifest,
    message: "A required property is not in the manifest.",
    remedy: "Add the property with its value.",
  },
  "manifest.mode": {
    severity: "error",
    section: manifest,
    message: "The mode of a file is not one of absent, bulk, delta.",
    remedy: "Write absent, bulk or delta.",
  },
  "manifest.space": {
    severity: "error",
    section: manifest,
    tolerated: true,
    message: "A property or its value has blanks around it, which are dropped.",
    remedy: "Write properties and values without blanks around them.",
  },
  "manifest.unknown": {
    severity: "warning",
    section: manifest,
    message: "The manifest has a property that the standard does not know.",
    remedy: "Remove the row, or correct the name.",
  },
  "manifest.version": {
    severity: "error",
    section: manifest,
    message: "manifest.version is not 1.0, or oneroster.version is neither 1.1 nor 1.2.",
    remedy: "State manifest.version 1.0 and the OneRoster version of the files.",
  },
  "manifest.width": {
    severity: "error",
    section: manifest,
    message: "A row of the manifest does not have exactly two cells.",
    remedy: "Write one property and its value per row.",
  },
  "pkg.empty": {
    severity: "error",
    section: null,
    message: "The set has no row at all.",
    remedy: "Check the export at the source: nothing is read from an empty set.",
  },
  "pkg.left_alone": {
    severity: "note",
    section: null,
    message: "The file belongs to a part of OneRoster that is recognised and not read.",
    remedy: "Nothing is needed.",
  },
  "pkg.litter": {
    severity: "note",
    section: zip,
    tolerated: true,
    message:
      "The set contains files that an operating system or a tool left behind, such as __MACOSX; they are ignored.",
    remedy: "Nothing is needed.",
  },
  "pkg.manifest_missing": {
    severity: "error",
    section: manifest,
    message: "The set has no manifest.csv; version and modes are told by columns and policy.",
    remedy: "Add a manifest.csv.",
  },
  "pkg.not_oneroster": {
    severity: "error",
    section: null,
    message: "The set is not OneRoster CSV 1.1 or 1.2.",
    remedy: "Export the set as OneRoster CSV 1.1 or 1.2.",
  },
  "pkg.unknown_file": {
    severity: "warning",
    section: zip,
    message: "The set contains a file that the standard does not know; it is ignored.",
    remedy: "Leave the file out.",
  },
  "table.column_missing": {
    severity: "error",
    rule: "table.header_missing",
    section: header,
    tolerated: true,
    message: "A column of the standard is missing; its cells count as blank.",
    remedy: "Add the column; its cells may stay blank.",
  },
  "table.header_case": {
    severity: "error",
    section: header,
    tolerated: true,
    message: "The name of a column is in the wrong letter case.",
    remedy: "Write the name exactly as the standard does.",
  },
  "table.header_duplicate": {
    severity: "error",
    section: header,
    message: "Two columns have the same name.",
    remedy: "Keep one of them.",
  },
  "table.header_empty": {
    severity: "error",
    section: header,
    message: "A column has no name; it is ignored.",
    remedy: "Remove the column, or the comma at the end of the header.",
  },
  "table.header_missing": {
    severity: "error",
    section: header,
    message: "The first line is not a header of this file.",
    remedy: "Write the standard's header as the first line.",
  },
  "table.header_order": {
    severity: "error",
    section: header,
    tolerated: true,
    message: "The columns are not in the standard's order; they are taken by name.",
    remedy: "Put the columns in the standard's order.",
  },
  "table.metadata_name": {
    severity: "error",
    section: header,
    message: "A metadata column has no name after the dot, or one with the character U+0000; it is ignored.",
    remedy: "Name the column metadata. and a name.",
  },
  "table.metadata_position": {
    severity: "error",
    section: header,
    tolerated: true,
    message: "A metadata column stands before a column of the standard.",
    remedy: "Put metadata columns last.",
  },
  "table.no_rows": {
    severity: "error",
    section: "data files",
    message: "The file has a header and no row; nothing is deleted by it.",
    remedy: "Leave the file out and say absent in the manifest.",
  },
  "table.required_column_missing": {
    severity: "error",
    rule: "table.header_missing",
    section: header,
    message: "A column whose values are required is missing; the file cannot be read.",
    remedy: "Add the column with its values.",
  },
  "table.row_width": {
    severity: "error",
    section: grammar,
    message: "The row does not have as many cells as the header.",
    remedy: "Quote values that contain commas, and write every cell.",
  },
  "table.trailing_cell": {
    severity: "error",
    rule: "table.row_width",
    section: grammar,
    tolerated: true,
    message: "The row ends with one empty cell too many, which is ignored.",
    remedy: "Remove the comma at the end of the line.",
  },
  "table.unknown_column": {
    severity: "error",
    section: header,
    tolerated: true,
    message: "A column is not part of the standard; it is ignored.",
    remedy: "Remove the column, or name it metadata. and a name and put it last.",
  },
  "zip.archive": {
    severity: "error",
    section: zip,
    message: "The file is not a readable zip archive.",
    remedy: "Send a complete zip compressed with DEFLATE.",
  },
  "zip.duplicate": {
    severity: "error",
    section: zip,
    message: "Two entries of the archive have the same name.",
    remedy: "Put each file into the archive once.",
  },
  "zip.folder": {
    severity: "error",
    rule: "zip.root",
    section: zip,
    tolerated: true,
    message: "All files stand in one folder of the archive instead of at its root.",
    remedy: "Put the files at the root of the archive.",
  },
  "zip.limits": {
    severity: "error",
    section: null,
    message: "The archive exceeds the limits on size, number of entries or compression ratio.",
    remedy: "Send only the files of the set, or have the limits raised.",
  },
  "zip.root": {
    severity: "error",
    section: zip,
    message: "The archive contains folders, or paths that leave it.",
    remedy: "Put the files at the root of the archive.",
  },
} as const satisfies Readonly<Record<string, RuleEntry>>;
