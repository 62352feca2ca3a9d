// The error of a set that cannot be read, with what is wrong with it in one sentence and as a name.

import { AppError } from "../../errors.ts";

/** What is wrong, for whoever tells a district what to do about it. Each has a sentence of its own. */
export type SetFault =
  | "set.missing"
  | "set.kind"
  | "folder.denied"
  | "file.denied"
  | "zip.absolute"
  | "zip.case"
  | "zip.climbs"
  | "zip.damaged"
  | "zip.encrypted"
  | "zip.end"
  | "zip.entries"
  | "zip.entry_bytes"
  | "zip.folders"
  | "zip.header"
  | "zip.link"
  | "zip.list"
  | "zip.list_bytes"
  | "zip.longer"
  | "zip.method"
  | "zip.nameless"
  | "zip.none"
  | "zip.other_format"
  | "zip.over_end"
  | "zip.overlap"
  | "zip.part"
  | "zip.parts"
  | "zip.place"
  | "zip.prefix"
  | "zip.ratio"
  | "zip.shorter"
  | "zip.special"
  | "zip.stored_bytes"
  | "zip.total_bytes"
  | "zip.trailing"
  | "zip.twice"
  | "zip.two_names";

/** @returns AppError `set.unreadable`; its details say which fault it is. */
export function unreadable(fault: SetFault, sentence: string, cause?: unknown): AppError {
  return new AppError("set.unreadable", { message: `reading the set: ${sentence}`, cause, details: { fault } });
}
