// Documentation made from the descriptions and from the register of findings: Markdown for docs/oneroster/.

import { unreachable } from "../assert.ts";
import { findingRegister } from "../finding.ts";
import { columnName, columnsOf, type EntityDescription, type Field, type Layout } from "./description.ts";
import { descriptions, leftAloneFiles } from "./entities.ts";
import type { Version } from "./enumerations.ts";
import type { RuleEntry } from "./rules-package.ts";

const requirementWords = { R: "required", D: "delta only", O: "optional" } as const;

/** The page about the files and columns of a version. */
export function fieldDocs(version: Version): string {
  const files = Object.values(descriptions).flatMap((description: EntityDescription) => fileDocs(description, version));
  return [
    `# OneRoster CSV ${version}: files and columns`,
    "",
    "Made from `libs/domain/oneroster/`; a test compares.",
    "",
    "*required*: every row has a value. *optional*: the cell may be blank. *delta only*: filled in delta files, blank in",
    "bulk files. In all three cases the column is there. Cells that are *not kept* are read past.",
    "",
    ...files,
    "## Recognised and left alone",
    "",
    ...leftAloneFiles[version].map((name) => `* \`${name}.csv\``),
    "",
  ].join("\n");
}

/** The page about all findings. */
export function findingDocs(): string {
  const rows = Object.entries(findingRegister)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, entry]) => findingRow(code, entry));
  return [
    "# Findings",
    "",
    "Made from the register in `libs/domain/`; a test compares.",
    "",
    "*tolerated*: reported and counted, and accepted all the same. A section in the last column is one of the OneRoster",
    "CSV binding; where there is none the rule is Rollcall's own.",
    "",
    "| code | severity | tolerated | meaning | remedy | section |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function findingRow(code: string, entry: RuleEntry): string {
  const tolerated = entry.tolerated === true ? "yes" : "";
  return `| \`${code}\` | ${entry.severity} | ${tolerated} | ${entry.message} | ${entry.remedy} | ${entry.section ?? ""} |`;
}

function fileDocs(description: EntityDescription, version: Version): readonly string[] {
  const file = description.file[version];
  if (file === null) return [];
  return [
    `## ${file}.csv`,
    "",
    description.doc,
    "",
    "```",
    columnsOf(description, version).map(columnName).join(","),
    "```",
    "",
    "| # | column | in our model | value | type | meaning |",
    "|---|---|---|---|---|---|",
    ...columnsOf(description, version).map((field, index) => columnRow(field, index + 1, version)),
    "",
    ...otherLayouts(description, version),
  ];
}

/** What a layout of the same version has more. */
function otherLayouts(description: EntityDescription, version: Version): readonly string[] {
  const layout: Layout = "1.2.0";
  const more = description.fields.filter((field) => field.need[version] === null && field.need[layout] !== null);
  if (version !== "1.2" || more.length === 0) return [];
  return more.flatMap((field) => {
    const columns = columnsOf(description, layout);
    const before = columns[columns.indexOf(field) - 1];
    const place = before === undefined ? "first" : `after \`${columnName(before)}\``;
    return [`The header of 1.2.0, with \`${columnName(field)}\` ${place}, is read as well. ${field.doc}`, ""];
  });
}

function columnRow(field: Field, place: number, version: Version): string {
  const need = field.need[version];
  const requirement = need === null ? "" : requirementWords[need];
  return `| ${place} | ${columnName(field)} | ${modelName(field)} | ${requirement} | ${typeOf(field, version)} | ${field.doc} |`;
}

function modelName(field: Field): string {
  switch (field.kept) {
    case undefined:
      return `\`${field.name}\``;
    case "row":
      return "decides about the row";
    case "derived":
      return "role entities";
    case "never":
      return "not kept";
    default:
      return unreachable(field.kept);
  }
}

function typeOf(field: Field, version: Version): string {
  switch (field.kind) {
    case "guid":
      return field.to === undefined ? "id" : `id → ${field.to}`;
    case "ref":
      return `id → ${targetOf(field)}`;
    case "refList":
      return `list of ids → ${targetOf(field)}`;
    case "string":
      return "text";
    case "id":
      return "vendor's id";
    case "stringList":
      return "list of texts";
    case "userIds":
      return "list of `{type:identifier}`";
    case "date":
      return "date, YYYY-MM-DD";
    case "dateTime":
      return "time, `2024-08-15T18:25:43.511Z`";
    case "year":
      return "year, YYYY";
    case "boolean":
      return "`true`, `false`";
    case "enum":
      return tokensOf(field.enumeration, version);
    case "enumList":
      return `list of ${tokensOf(field.enumeration, version)}`;
    default:
      return unreachable(field);
  }
}

function targetOf(field: { readonly to: string; readonly toType?: string }): string {
  return field.toType === undefined ? field.to : `${field.to} of type ${field.toType}`;
}

function tokensOf(
  enumeration: { readonly tokens: Readonly<Record<Version, readonly string[]>>; readonly extensible: boolean },
  version: Version,
): string {
  const tokens = enumeration.tokens[version].map((token) => `\`${token}\``).join(", ");
  return enumeration.extensible && version === "1.2" ? `${tokens}, \`ext:…\`` : tokens;
}
