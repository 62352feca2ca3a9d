// A finding: something wrong with a set, a file or a row, with its place, its rule and its remedy.
// It keeps true that no finding carries a cell's value: everything but the place comes from the register.

import type { Version } from "./oneroster/enumerations.ts";
import { packageRules, type RuleEntry, type Severity } from "./oneroster/rules-package.ts";
import { rowRules } from "./oneroster/rules-row.ts";

/** Every code, with severity, rule, message and remedy. */
export const findingRegister = { ...packageRules, ...rowRules } as const;

export type FindingCode = keyof typeof findingRegister;

/** Codes of what is reported, accepted and counted. */
export type ToleratedCode = {
  [C in FindingCode]: (typeof findingRegister)[C] extends { readonly tolerated: true } ? C : never;
}[FindingCode];

/** One shape for all findings; what does not apply is null. */
export type Finding = {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Name of the file in the set, with extension. */
  readonly file: string | null;
  /** Line in the file, counted from 1; the header is line 1. Of a collection that was pulled: the item, from 1. */
  readonly line: number | null;
  /** Place of the cell in the line, counted from 1. */
  readonly column: number | null;
  /** The standard's name of the column. */
  readonly field: string | null;
  /** Name of the rule and where it stands: `row.enum (CSV binding 1.2, enumerations)`. */
  readonly rule: string;
  readonly message: string;
  readonly remedy: string;
};

/** Where a finding is. What is left out is null in the finding. */
export type Place = {
  readonly file?: string | null;
  readonly line?: number | null;
  readonly column?: number | null;
  readonly field?: string | null;
};

/** What the register says of a code. */
export function ruleOf(code: FindingCode): RuleEntry {
  return findingRegister[code];
}

/** Whether a row, file or set with this finding is accepted all the same. */
export function isTolerated(code: FindingCode): code is ToleratedCode {
  return ruleOf(code).tolerated === true;
}

/**
 * The finding with its texts from the register.
 * @param version of the set; null when it is not known, or not yet.
 */
export function finding(
  code: FindingCode,
  place: Place,
  version: Version | null,
  from: "csv" | "rest" = "csv",
): Finding {
  const entry = ruleOf(code);
  const name = from === "csv" ? "CSV binding" : "REST binding";
  const binding = version === null ? name : `${name} ${version}`;
  const field = place.field ?? null;
  return {
    code,
    severity: entry.severity,
    file: place.file ?? null,
    line: place.line ?? null,
    column: place.column ?? null,
    field,
    rule: `${entry.rule ?? code} (${entry.section === null ? "Rollcall" : `${binding}, ${entry.section}`})`,
    message: field === null ? entry.message : `${field}: ${entry.message}`,
    remedy: entry.remedy,
  };
}
