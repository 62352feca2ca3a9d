// Writing CSV as RFC 4180 and section 1.2 of the CSV binding want it: CRLF, and quotes only where they are needed.

/** One line with its line end. Cells must not hold line breaks: the binding forbids them, and the generator makes none. */
export function csvLine(cells: readonly string[]): string {
  let line = "";
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] ?? "";
    if (i > 0) line += ",";
    line += cell.includes(",") || cell.includes('"') ? `"${cell.replaceAll('"', '""')}"` : cell;
  }
  return `${line}\r\n`;
}
