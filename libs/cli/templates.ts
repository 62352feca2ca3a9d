// The text of an empty set to fill in: a manifest and one CSV file with its header per file that is needed.
// Headers and properties come from the entity descriptions, so a template is always what the parser expects.

import { columnName, columnsOf } from "../domain/oneroster/description.ts";
import { dataFiles, descriptionOf, entityFiles } from "../domain/oneroster/entities.ts";
import type { EntityType } from "../domain/oneroster/entity-types.ts";
import type { Version } from "../domain/oneroster/enumerations.ts";

/** A file of the set: name with extension, and its whole text with CRLF at the end of each line. */
export type TemplateFile = { readonly name: string; readonly text: string };

const needed: ReadonlySet<EntityType> = new Set(["org", "academicSession", "class", "user", "role", "enrollment"]);

/**
 * The files of a bulk set of a version, the manifest first. Files that are not needed are absent in the manifest.
 * @param options `autoRegistration`: with courses, which registering teachers automatically needs.
 */
export function templates(
  version: Version,
  options: { readonly autoRegistration?: boolean } = {},
): readonly TemplateFile[] {
  const files = entityFiles(version).filter(
    ({ type }) => needed.has(type) || (type === "course" && options.autoRegistration === true),
  );
  return [manifest(version, new Set(files.map((file) => file.name))), ...files.map((file) => header(file, version))];
}

function manifest(version: Version, present: ReadonlySet<string>): TemplateFile {
  const rows = [
    ["propertyName", "value"],
    ["manifest.version", "1.0"],
    ["oneroster.version", version],
    ...dataFiles(version).map((name) => [`file.${name}`, present.has(name) ? "bulk" : "absent"]),
  ];
  return { name: "manifest.csv", text: csv(rows) };
}

function header({ name, type }: { readonly name: string; readonly type: EntityType }, version: Version): TemplateFile {
  return { name: `${name}.csv`, text: csv([columnsOf(descriptionOf(type), version).map(columnName)]) };
}

/** No cell of a template needs quotes. */
function csv(rows: readonly (readonly string[])[]): string {
  return rows.map((cells) => `${cells.join(",")}\r\n`).join("");
}
