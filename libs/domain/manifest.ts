// Reads manifest.csv (CSV binding, section "manifest.csv"): which version the set has and how each file is meant.
// It keeps true: what can be told is told, in any order of rows and with rows missing; a manifest that contradicts
// itself, or cannot be understood, refuses the set whole, because every deletion by absence rests on it.

import { type Finding, finding, type FindingCode } from "./finding.ts";
import { dataFiles } from "./oneroster/entities.ts";
import type { Version } from "./oneroster/enumerations.ts";

export type FileMode = "absent" | "bulk" | "delta";

export type Manifest = {
  /** null when the manifest does not say: the columns tell. */
  readonly version: Version | null;
  /** By file name without extension; a file that is not listed is missing here. */
  readonly modes: ReadonlyMap<string, FileMode>;
  readonly findings: readonly Finding[];
};

export type ManifestResult =
  | ({ readonly outcome: "manifest" } & Manifest)
  | { readonly outcome: "refused"; readonly refusal: string; readonly findings: readonly Finding[] };

/** A row of the manifest with its physical line; `cells` is null for a row that could not be read as CSV. */
export type ManifestRow = { readonly line: number; readonly cells: readonly string[] | null };

type Property = { readonly value: string; readonly line: number };

const manifestFile = "manifest.csv";
const header = ["propertyName", "value"] as const;
const versionForm = /^v?(1\.[012])(?:\.\d+)?$/iu;

class Refused {
  readonly refusal: string;
  constructor(refusal: string) {
    this.refusal = refusal;
  }
}

/** All rows of manifest.csv, the header among them. */
export function parseManifest(rows: readonly ManifestRow[]): ManifestResult {
  const findings: Finding[] = [];
  const report = (code: FindingCode, line: number | null, field: string | null = null): void => {
    findings.push(finding(code, { file: manifestFile, line, field }, null));
  };
  const properties = propertiesOf(rows, report);
  if (properties instanceof Refused) return { outcome: "refused", refusal: properties.refusal, findings };
  const version = versionOf(properties, report);
  if (version instanceof Refused) return { outcome: "refused", refusal: version.refusal, findings };
  const modes = modesOf(properties, report);
  if (modes instanceof Refused) return { outcome: "refused", refusal: modes.refusal, findings };
  reportNames(properties, version, report);
  return { outcome: "manifest", version, modes, findings };
}

type Report = (code: FindingCode, line: number | null, field?: string | null) => void;

/** Where property and value stand, and with which row the properties begin. */
type Layout = { readonly name: number; readonly value: number; readonly first: number };

function layoutOf(rows: readonly ManifestRow[], report: Report): Layout | Refused {
  const cells = rows[0]?.cells ?? null;
  if (cells === null) return new Refused("manifest.csv is empty or its header cannot be read.");
  const names = cells.map((cell) => cell.trim().toLowerCase());
  const name = names.indexOf("propertyname");
  const value = names.indexOf("value");
  if (name >= 0 && value >= 0) {
    if (cells.length !== 2 || cells[0] !== header[0] || cells[1] !== header[1])
      report("manifest.header", rows[0]?.line ?? 1);
    return { name, value, first: 1 };
  }
  if (/^(?:manifest|oneroster|file|source)\./iu.test(names[0] ?? "")) {
    report("manifest.header", rows[0]?.line ?? 1);
    return { name: 0, value: 1, first: 0 };
  }
  report("manifest.header", rows[0]?.line ?? 1);
  return new Refused("manifest.csv does not begin with the header propertyName,value.");
}

function propertiesOf(rows: readonly ManifestRow[], report: Report): ReadonlyMap<string, Property> | Refused {
  const layout = layoutOf(rows, report);
  if (layout instanceof Refused) return layout;
  const properties = new Map<string, Property>();
  for (const { line, cells } of rows.slice(layout.first)) {
    if (cells === null) return new Refused(`manifest.csv cannot be read at line ${line}.`);
    if (cells.length !== 2) report("manifest.width", line);
    const name = (cells[layout.name] ?? "").trim();
    const value = (cells[layout.value] ?? "").trim();
    if (name === "") continue;
    if (name !== cells[layout.name] || value !== (cells[layout.value] ?? "")) report("manifest.space", line);
    const before = properties.get(name);
    if (before !== undefined) {
      report("manifest.duplicate", line);
      if (before.value.toLowerCase() !== value.toLowerCase() && !name.startsWith("source.")) {
        return new Refused(`manifest.csv states a property on line ${before.line} and otherwise on line ${line}.`);
      }
      continue;
    }
    properties.set(name, { value, line });
  }
  return properties.size > 0 ? properties : new Refused("manifest.csv has no property.");
}

function versionOf(properties: ReadonlyMap<string, Property>, report: Report): Version | null | Refused {
  const own = properties.get("manifest.version");
  if (own !== undefined && own.value !== "1.0") report("manifest.version", own.line);
  const stated = properties.get("oneroster.version");
  if (stated === undefined || stated.value === "") {
    // With it missing the set can still be told by its columns; the finding comes with the other missing rows.
    if (stated !== undefined) report("manifest.version", stated.line);
    return null;
  }
  const version = versionForm.exec(stated.value)?.[1];
  if (version !== stated.value) report("manifest.version", stated.line);
  if (version === "1.1" || version === "1.2") return version;
  return new Refused(
    version === "1.0"
      ? "The manifest says OneRoster 1.0, which is not supported: export the set as OneRoster 1.1 or 1.2."
      : "The manifest states a OneRoster version that is neither 1.1 nor 1.2.",
  );
}

function modesOf(properties: ReadonlyMap<string, Property>, report: Report): ReadonlyMap<string, FileMode> | Refused {
  const modes = new Map<string, FileMode>();
  for (const [name, { value, line }] of properties) {
    if (!name.startsWith("file.")) continue;
    const mode = value.toLowerCase();
    if (mode !== value || mode === "") report("manifest.mode", line);
    // A blank says nothing: the file is treated as if it were not listed.
    if (mode === "") continue;
    if (mode !== "absent" && mode !== "bulk" && mode !== "delta") {
      report("manifest.mode", line);
      return new Refused(`manifest.csv gives a mode on line ${line} that is none of absent, bulk and delta.`);
    }
    modes.set(name.slice("file.".length), mode);
  }
  return modes;
}

function reportNames(properties: ReadonlyMap<string, Property>, version: Version | null, report: Report): void {
  const files = dataFiles(version ?? "1.2").map((name) => `file.${name}`);
  const required = ["manifest.version", "oneroster.version", ...(version === null ? [] : files)];
  for (const name of required) if (!properties.has(name)) report("manifest.missing", null, name);
  const known = new Set([...required, ...files, "source.systemName", "source.systemCode"]);
  for (const [name, { line }] of properties) if (!known.has(name)) report("manifest.unknown", line);
}
