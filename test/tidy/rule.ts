// What a rule is, and the walk that most rules share.

import { Visitor, type VisitorObject } from "oxc-parser";
import type { Source, TextFile } from "./source.ts";

/** A breach of a rule: where, in words that help to mend it. */
export type Fault = { readonly path: string; readonly line: number; readonly what: string };

/** A piece of source that breaks a rule, or (in `allowed`) that must not be taken for a breach. */
export type Plant = readonly [path: string, text: string];

export type Rule<File extends TextFile = Source> = {
  readonly name: string;
  readonly check: (file: File) => readonly Fault[];
  /** Each of these must be caught: a rule that never was is not known to work. */
  readonly planted: readonly Plant[];
  /** Each of these must pass. */
  readonly allowed: readonly Plant[];
};

/** Line of a position in a text, counted from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

type Report = (node: { readonly start: number }, what: string) => void;

/** A check that visits the syntax tree of those files whose path the pattern matches. */
export function visiting(where: RegExp, visitor: (report: Report, source: Source) => VisitorObject): Rule["check"] {
  return (source) => {
    if (!where.test(source.path)) return [];
    const faults: Fault[] = [];
    const report: Report = (node, what) => {
      faults.push({ path: source.path, line: lineAt(source.text, node.start), what });
    };
    new Visitor(visitor(report, source)).visit(source.program);
    return faults;
  };
}

/**
 * A visitor that reports each specifier of an import or re-export for which `judge` finds words.
 * A specifier that is computed when it runs is judged as `*`.
 */
export function importing(judge: (specifier: string) => string | undefined, report: Report): VisitorObject {
  const look = (node: { readonly start: number }, specifier: unknown): void => {
    const what = judge(typeof specifier === "string" ? specifier : "*");
    if (what !== undefined) report(node, what);
  };
  return {
    ImportDeclaration: (node) => look(node, node.source.value),
    ExportAllDeclaration: (node) => look(node, node.source.value),
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) look(node, node.source.value);
    },
    ImportExpression: (node) => look(node, node.source.type === "Literal" ? node.source.value : undefined),
    TSImportType: (node) => look(node, node.source.value),
  };
}
