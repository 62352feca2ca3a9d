// What a district is told about its sets, in its own folder: that a set was received, and what became of it. Written for
// the administrator of a school's computers, as text and as JSON.
// It keeps true: names of files, lines, rules, ids and counts, never the value of a cell.

import { unreachable } from "../domain/assert.ts";
import type { Count } from "../records.ts";
import type { Report, ReportGroup } from "./report.ts";

export type ReceivedFile = { readonly name: string; readonly bytes: number };

export type Received = {
  readonly format: 1;
  readonly report: "received";
  readonly district: string;
  readonly source: string;
  readonly files: readonly ReceivedFile[];
  /** When the set was complete; ISO 8601, UTC. */
  readonly completeAt: string;
  /** When its files are read, for a district that has a time for it; null: at once. */
  readonly readFrom: string | null;
};

export type Held = {
  readonly type: string;
  readonly count: number;
  readonly causes: readonly string[];
};

export type Result = {
  readonly format: 1;
  readonly report: "result";
  readonly district: string;
  readonly source: string;
  readonly completeAt: string;
  /** The id to name when you ask about it; null: there was nothing to deliver. */
  readonly delivery: string | null;
  /**
   * same: as the last accepted set, nothing to do; refused: nothing of it is used; published: all of it is, but what was
   * declined;
   * held: some or all of it waits for a person at the vendor; waits: an earlier set has to be decided first;
   * superseded: a newer set was taken in its place.
   */
  readonly outcome: "same" | "refused" | "published" | "held" | "waits" | "superseded";
  /** Of `same`: what became of the last ones so far; null when nobody has to know. */
  readonly last: Result["outcome"] | null;
  /** One sentence, or null. */
  readonly reason: string | null;
  /** What was published of it, by type and op. */
  readonly counts: readonly Count[];
  readonly held: readonly Held[];
  /** What was held, and what a person at the vendor did not want. */
  readonly declined: readonly Held[];
  /** Everything that was found, as `rollcall report` has it; null when the files could not be read at all. */
  readonly findings: Report | null;
};

const places = 5;

export function receivedText(received: Received, timeZone: string): string {
  const { district, completeAt, readFrom, files } = received;
  const when =
    readFrom === null ? "the files are checked" : `the files are checked at ${localTime(readFrom, timeZone)}`;
  return lines([
    `Your roster files for ${district} were received.`,
    "",
    `Complete since: ${localTime(completeAt, timeZone)}`,
    "Files:",
    ...files.map(({ name, bytes }) => `  ${name}  ${bytes} bytes`),
    "",
    `What happens next: ${when}. A second report, whose name contains`,
    '"result", says what became of them. You need not do anything until then.',
  ]);
}

export function resultText(result: Result, timeZone: string): string {
  const { completeAt, delivery } = result;
  return lines([
    headline(result),
    "",
    `Received: ${localTime(completeAt, timeZone)}`,
    ...(delivery === null ? [] : [`Number of this delivery, to be named when you ask: ${delivery}`]),
    ...countLines(result),
    ...heldLines(result),
    ...fixLines(result.findings),
    "",
    "What to do next:",
    ...nextSteps(result),
  ]);
}

function headline(result: Result): string {
  const { outcome, last, reason, district, declined } = result;
  const why = reason === null ? "" : ` ${sentence(reason)}`;
  switch (outcome) {
    case "same":
      if (last === "held")
        return `Your roster files for ${district} are the same as the last ones, which wait to be confirmed.`;
      if (isDeclined(result))
        return `Your roster files for ${district} are the same as the last ones, whose changes were looked at and not wanted.`;
      return `Your roster files for ${district} are the same as the last ones. Nothing had to be changed.`;
    case "refused":
      return `Your roster files for ${district} were NOT accepted. Nothing was changed.${why}`;
    case "published":
      if (declined.length > 0)
        return `Your roster files for ${district} were accepted. A part of the changes was looked at and not wanted; your roster has the rest.`;
      if (reason !== null) return `Your roster files for ${district} were accepted.${why}`;
      return `Your roster files for ${district} were accepted, and your roster is up to date.`;
    case "held":
      return `Your roster files for ${district} were accepted. A part of the changes waits to be confirmed.`;
    case "waits":
      return `Your roster files for ${district} were accepted, and wait for the decision about an earlier set.`;
    case "superseded":
      return `Your roster files for ${district} were not used, because newer ones came.${why}`;
    default:
      return unreachable(outcome);
  }
}

function countLines({ counts, outcome }: Result): readonly string[] {
  if (counts.length === 0) return outcome === "published" ? ["", "Nothing differed from what we had."] : [];
  const byType = new Map<string, string[]>();
  for (const { type, op, count } of counts) byType.set(type, [...(byType.get(type) ?? []), `${count} ${op}`]);
  return ["", "Changed:", ...[...byType].map(([type, parts]) => `  ${type}: ${parts.join(", ")}`)];
}

/** Why something is held, in words, by the cause that a plan names. */
const causeWords: Readonly<Record<string, string>> = {
  "delete-limit": "more would be removed than usual",
  "waits-for-children": "it waits for what belongs to it and is held too",
  "ids-changed": "most ids vanished while as many new ones came: they may have been renamed",
  "before-start": "your start date is not yet there",
  "doubted-absence": "your system may have shown less than there is",
  "orgs-narrowed": "schools that were shared with us no longer are",
  "scope-narrowed": "our access covers less than before",
  "permission-changed": "our permission was changed",
  "school-year-ended": "the school year is over",
  "collection-forbidden": "data that were shared with us no longer are",
  "place-changed": "your system was found at another address",
};

function heldLines({ held, declined }: Result): readonly string[] {
  return [
    ...causeLines("Held, until a person has looked at it:", held),
    ...causeLines("Not changed, because a person looked at it and did not want it:", declined),
  ];
}

function causeLines(head: string, all: readonly Held[]): readonly string[] {
  if (all.length === 0) return [];
  const words = ({ causes }: Held): string => causes.map((cause) => causeWords[cause] ?? cause).join("; ");
  const line = (each: Held): string =>
    `  ${each.type}: ${each.count}${each.causes.length === 0 ? "" : ` (${words(each)})`}`;
  return ["", head, ...all.map(line)];
}

function fixLines(findings: Report | null): readonly string[] {
  if (findings === null) return [];
  const { groups, verdict } = findings;
  const refused = Object.values(verdict.types).reduce((sum, { rejects }) => sum + rejects, 0);
  const errors = errorsOf(findings);
  const warnings = groups.length - errors.length;
  const cascaded = groups
    .filter(({ code }) => code === "ref.missing_record")
    .reduce((sum, { count }) => sum + count, 0);
  const text: string[] = [];
  if (errors.length > 0) text.push("", "To be mended at the source, worst first:", ...errors.flatMap(groupLines));
  if (refused > 0)
    text.push("", `${refused} rows could not be used. What we had of those records before stays as it was.`);
  if (cascaded > 0)
    text.push(`${cascaded} rows refer to records that are not in your files, or whose row could not be used.`);
  if (warnings > 0)
    text.push("", `There are ${warnings} kinds of smaller remarks; the JSON file beside this one has them.`);
  return text;
}

/** What has to be mended. A manifest that the district need not have is none of it. */
function errorsOf({ groups, verdict }: Report): readonly ReportGroup[] {
  const isNeeded = verdict.outcome === "refused";
  return groups.filter(({ severity, code }) => severity === "error" && (isNeeded || code !== "pkg.manifest_missing"));
}

function groupLines(group: ReportGroup): readonly string[] {
  const [first] = group.listed;
  const where = [group.file, group.field].filter((part) => part !== null).join(", column ");
  const numbers = group.listed.flatMap(({ line }) => (line === null ? [] : [line])).slice(0, places);
  const hidden = group.count - numbers.length;
  const more = numbers.length > 0 && hidden > 0 ? ` and ${hidden} more` : "";
  const at = numbers.length === 0 ? "" : `, line ${numbers.join(", ")}${more}`;
  const head = where === "" ? [] : [`  ${where}${at}`];
  return [...head, ...(first === undefined ? [] : [`    ${first.message}`, `    ${first.remedy}`])];
}

function nextSteps(result: Result): readonly string[] {
  const { outcome, last, held, findings } = result;
  const hasErrors = findings !== null && errorsOf(findings).length > 0;
  switch (outcome) {
    case "refused":
      if (isDeclined(result)) return declinedSteps;
      return ["  Correct what is named above, and upload all files of the set again."];
    case "held":
      return heldSteps(held);
    case "waits":
      return ["  Nothing now. Once the earlier set is decided, this one follows by itself."];
    case "published":
    case "same":
    case "superseded":
      if (last === "held") return heldSteps(held);
      if (isDeclined(result)) return declinedSteps;
      return [hasErrors ? "  Correct what is named above before the next upload." : "  Nothing."];
    default:
      return unreachable(outcome);
  }
}

/** Whether a person did not want all of it. The files themselves may have been as they should be. */
function isDeclined({ outcome, last, declined, findings }: Result): boolean {
  return (
    declined.length > 0 || last === "refused" || (outcome === "refused" && findings?.verdict.outcome === "accepted")
  );
}

const declinedSteps = ["  Correct the export. If what was not wanted is right, tell your contact at the vendor."];

function heldSteps(held: readonly Held[]): readonly string[] {
  return [
    `  If ${held.length === 0 ? "this" : "what is held"} is right, ask your contact at the vendor to confirm it.`,
    "  If it is not, correct the export and upload all files of the set again.",
  ];
}

/** The time of the district's clock, with its zone. */
export function localTime(iso: string, timeZone: string): string {
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    dateStyle: "short",
    timeStyle: "medium",
    hourCycle: "h23",
  });
  return `${format.format(new Date(iso))} (${timeZone})`;
}

function sentence(text: string): string {
  // The letter case of a file's name counts.
  const isName = /^\S+\.(?:csv|zip)\b/iu.test(text);
  const first = isName ? text : text.slice(0, 1).toUpperCase() + text.slice(1);
  return first.endsWith(".") ? first : `${first}.`;
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
