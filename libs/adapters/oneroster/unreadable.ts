// The error of a set that cannot be read, with what is wrong with it in one sentence and as a name.
// It keeps true that a machine which fails is never said to be a fault of the set: that may be read later.

import { AppError } from "../../errors.ts";

/** What is wrong, for whoever tells a district what to do about it. Each has a sentence of its own. */
export type SetFault =
  | "set.missing"
  | "set.kind"
  | "folder.denied"
  | "file.denied"
  | "page.damaged"
  | "page.missing"
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

/** What the system says of a path that will say the same tomorrow. Everything else is the machine: too many open files, a disk. */
const lasting: ReadonlySet<string> = new Set([
  "EACCES",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "EPERM",
]);

/** @returns AppError `set.unreadable`; its details say which fault it is. `set.io` when the machine failed. */
export function unreadable(fault: SetFault, sentence: string, cause?: unknown): AppError {
  const { code } = systemError(cause) ?? { code: null };
  if (code !== null && !lasting.has(code)) return new AppError("set.io", { cause, details: { code } });
  return new AppError("set.unreadable", { message: `reading the set: ${sentence}`, cause, details: { fault } });
}

/** The system's own error, if there is one among the causes. */
function systemError(thrown: unknown): { readonly code: string } | null {
  if (!(thrown instanceof Error)) return null;
  if ("syscall" in thrown && "code" in thrown && typeof thrown.code === "string") return { code: thrown.code };
  return systemError(thrown.cause);
}
