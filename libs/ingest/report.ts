// The report of a delivery: the verdict, and what was found, for machines (JSON) and for people (text).
// It keeps true: the strict report (what breaks the standard) and the outcome (what was done about it) stand apart;
// ids, places and rules only, never the value of a cell.

import { collections } from "../domain/api/collections.ts";
import { fileOf } from "../domain/api/pulled.ts";
import type { Finding } from "../domain/finding.ts";
import { entityTypes } from "../domain/oneroster/entity-types.ts";
import type { Judged } from "./judge-set.ts";
import type { KeptGroup } from "./finding-log.ts";
import type { FindingGroup, TypeVerdict, Verdict } from "./verdict.ts";

/** A group of findings of one code in one column of one file. */
export type ReportGroup = FindingGroup & {
  /** The first of them, in the order of the file; all when they were asked for. */
  readonly listed: readonly Finding[];
  /** How many more there are. */
  readonly more: number;
};

/**
 * The document that lies beside a delivery and that `rollcall validate --json` and `rollcall report --json` print.
 *
 * `format`: 1; grows when a field changes its meaning. `verdict`: the outcome, see verdict.ts. `groups`: the strict
 * report, errors first, then by file, code and field; each with `count` (all), `listed` (findings of the one shape:
 * code, severity, file, line, column, field, rule, message, remedy) and `more` (count less listed).
 */
export type Report = {
  readonly format: 1;
  readonly verdict: Verdict;
  readonly groups: readonly ReportGroup[];
};

/** The report of what was judged; it lists what was kept when it was judged. */
export function reportOf({ verdict, groups }: Judged): Report {
  return { format: 1, verdict, groups: groups.map(reportGroup) };
}

function reportGroup({ kept, code, severity, file, field, count }: KeptGroup): ReportGroup {
  return { code, severity, file, field, count, listed: kept, more: count - kept.length };
}

/** How many places a line of the text names. */
const placesShown = 3;

/** The report as text of about eighty columns, ended by a line feed. */
export function renderReport({ verdict, groups }: Report): string {
  return [...outcomeLines(verdict), "", ...strictLines(groups), ""].join("\n");
}

function outcomeLines(verdict: Verdict): readonly string[] {
  const version = verdict.version === null ? "version not known" : `OneRoster ${verdict.version}`;
  const isPulled = verdict.files.some(({ name }) => isPages(name));
  const form = isPulled ? "pulled" : verdict.manifest ? "with manifest" : "without manifest";
  const lines = [
    "Outcome",
    verdict.refusal === null ? "  accepted" : `  refused: ${verdict.refusal}`,
    `  ${version}, ${form}, ${verdict.files.length} ${isPulled ? "collections" : "files"}`,
  ];
  for (const type of entityTypes) {
    const found = verdict.types[type];
    if (found.mode !== "absent" || found.rows > 0) lines.push(`  ${type}: ${typeLine(found)}`);
  }
  const tolerated = Object.entries(verdict.tolerated).map(([code, count]) => `${code} ${count}`);
  if (tolerated.length > 0) lines.push(`  accepted all the same: ${tolerated.join(", ")}`);
  if (verdict.unjudgedReferences > 0) {
    lines.push(`  ${verdict.unjudgedReferences} references cannot be judged by this set alone`);
  }
  return lines;
}

/** Whether a file holds pages that were pulled: its lines are items. */
function isPages(file: string): boolean {
  return collections.some((name) => fileOf(name) === file);
}

function typeLine(type: TypeVerdict): string {
  const parts = [type.mode, `${type.entities} of ${type.derived ? "users" : `${type.rows} rows`}`];
  if (type.deletes > 0) parts.push(`${type.deletes} deletes`);
  if (type.repeats > 0) parts.push(`${type.repeats} repeats`);
  if (type.rejects > 0) parts.push(`${type.rejects} refused`);
  if (type.claimed > 0) parts.push(`${type.claimed} left as published`);
  if (type.withheld) parts.push("checked and kept back by policy");
  parts.push(absenceText(type));
  return parts.join(", ");
}

function absenceText(type: TypeVerdict): string {
  if (type.absence) return "what is missing is deleted";
  if (type.suspended) return "nothing is deleted by absence, because rows cannot be read";
  return "nothing is deleted by absence";
}

function strictLines(groups: readonly ReportGroup[]): readonly string[] {
  if (groups.length === 0) return ["Strict report", "  nothing breaks the standard"];
  const lines = ["Strict report"];
  for (const group of groups) {
    const [first] = group.listed;
    const where = [group.file, group.field].filter((part) => part !== null).join(" ");
    const count = group.count === 1 ? "" : ` (${group.count} times)`;
    lines.push(`  ${group.severity} ${group.code}${where === "" ? "" : ` in ${where}`}${count}`);
    const lineNumbers = group.listed.flatMap((found) => (found.line === null ? [] : [found.line]));
    const shown = lineNumbers.slice(0, placesShown).join(", ");
    const hidden = group.count - Math.min(lineNumbers.length, placesShown);
    const unit = isPages(group.file ?? "") ? "item" : "line";
    if (shown !== "") lines.push(`    ${unit} ${shown}${hidden > 0 ? ` and ${hidden} more` : ""}`);
    if (first !== undefined) lines.push(`    ${first.message} [${first.rule}]`, `    ${first.remedy}`);
  }
  return lines;
}
