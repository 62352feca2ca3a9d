// A source: one way in which a district delivers. The settings here say how sets come and when they are read; those of a
// source that is pulled are in api/settings.ts.
// It keeps true that settings in use are whole and valid: every field has a value, and all faults are told at once.

import { type Read, reader } from "./fields.ts";

/** `files`: by `rollcall deliver`; `sftp`: by our server; `folder`: into a folder that another server fills. */
export const dropKinds = ["files", "sftp", "folder"] as const;
export type DropKind = (typeof dropKinds)[number];

/** `api`: pulled by us. */
export type SourceKind = DropKind | "api";

export type DropSettings = {
  /** Folder of the set, from the account's root; `/` unless the district was told another (A034, D011). */
  readonly path: string;
  /** What is taken for a set: loose files, one zip, or whichever comes (D012). */
  readonly format: "any" | "files" | "zip";
  /** For how long all files must have been as they are. */
  readonly quietSeconds: number;
  /** Files, without extension, that a set without a manifest must have; empty: what the district's features need. */
  readonly requiredFiles: readonly string[];
  /** After how many minutes of waiting people are told. */
  readonly waitingNoticeMinutes: number;
  /** Addresses and networks, such as 198.51.100.0/24, from which the account may sign in; empty: any (A030). */
  readonly addresses: readonly string[];
  /** When a complete set is read: a pattern of cron in the district's time zone; null: at once. */
  readonly window: string | null;
  /** When a set is expected: a pattern of cron in the district's time zone; null: at no time. */
  readonly expected: string | null;
  /** How many minutes after that silence is told. */
  readonly graceMinutes: number;
  /** The folder on this machine that another server fills; null for `sftp`. */
  readonly folder: string | null;
  /** Whether that folder may only be read: then sets are left in it, and what was read is known by its hashes. */
  readonly readOnly: boolean;
};

export const defaultDropSettings: DropSettings = {
  path: "/",
  format: "any",
  quietSeconds: 60,
  requiredFiles: [],
  waitingNoticeMinutes: 120,
  addresses: [],
  window: null,
  expected: null,
  graceMinutes: 60,
  folder: null,
  readOnly: false,
};

const secondsMost = 86_400;
const minutesMost = 43_200;

/** What settings are checked by that the domain cannot know. Each says whether the text is valid. */
export type SourceChecks = {
  readonly isCron: (pattern: string) => boolean;
  readonly isNetwork: (address: string) => boolean;
  readonly isFile: (name: string) => boolean;
};

/**
 * Settings from JSON; what is left out has its default.
 * @returns the settings, or every fault at once, each naming its field.
 */
export function parseDropSettings(
  value: unknown,
  checks: SourceChecks,
):
  | { readonly outcome: "settings"; readonly settings: DropSettings }
  | { readonly outcome: "faults"; readonly faults: readonly string[] } {
  const read = reader();
  const top = read.fields(value ?? {}, "settings", Object.keys(defaultDropSettings));
  const base = defaultDropSettings;
  const settings: DropSettings = {
    path: pathOf(read.text(top["path"], "path", base.path), read),
    format: read.oneOf(top["format"], "format", ["any", "files", "zip"]),
    quietSeconds: read.number(top["quietSeconds"], "quietSeconds", base.quietSeconds, secondsMost),
    requiredFiles: listed(read, { value: top["requiredFiles"], field: "requiredFiles", isValid: checks.isFile }),
    waitingNoticeMinutes: read.number(
      top["waitingNoticeMinutes"],
      "waitingNoticeMinutes",
      base.waitingNoticeMinutes,
      minutesMost,
    ),
    addresses: listed(read, { value: top["addresses"], field: "addresses", isValid: checks.isNetwork }),
    window: patternOf(read, { value: top["window"], field: "window", isValid: checks.isCron }),
    expected: patternOf(read, { value: top["expected"], field: "expected", isValid: checks.isCron }),
    graceMinutes: read.number(top["graceMinutes"], "graceMinutes", base.graceMinutes, minutesMost),
    folder: top["folder"] === undefined || top["folder"] === null ? null : read.text(top["folder"], "folder", ""),
    readOnly: read.boolean(top["readOnly"], "readOnly", base.readOnly),
  };
  return read.faults.length > 0 ? { outcome: "faults", faults: read.faults } : { outcome: "settings", settings };
}

type Checked = {
  readonly value: unknown;
  readonly field: string;
  readonly isValid: (text: string) => boolean;
};

function listed(read: Read, { value, field, isValid }: Checked): readonly string[] {
  const texts = read.texts(value, field);
  const bad = texts.filter((text) => !isValid(text));
  if (bad.length > 0) read.faults.push(`${field} has what is none: ${bad.join(", ")}`);
  return texts;
}

function patternOf(read: Read, { value, field, isValid }: Checked): string | null {
  if (value === undefined || value === null) return null;
  const pattern = read.text(value, field, "");
  if (isValid(pattern)) return pattern;
  read.faults.push(`${field} must be a pattern of cron, such as "0 2 * * *" for two at night, or null`);
  return null;
}

/** A folder from the root, without a slash at its end. */
function pathOf(path: string, read: Read): string {
  const parts = path.split("/").filter((part) => part !== "");
  if (!path.startsWith("/") || parts.some((part) => part === "." || part === ".."))
    read.faults.push("path must be a folder such as / or /roster");
  if (parts[0] === "reports") read.faults.push("path must not be in /reports, where the reports to the district lie");
  return `/${parts.join("/")}`;
}
