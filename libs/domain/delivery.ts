// What a set is, before its rows are read: its version when no manifest says it, other formats by name, and how each
// file is to be taken. It keeps true that a version is never guessed against a column that contradicts it, and that
// what is not OneRoster 1.1 or 1.2 is named and refused.

import { type Finding, finding } from "./finding.ts";
import type { FileMode, Manifest } from "./manifest.ts";
import { entityFiles, knownFile, leftAloneFiles } from "./oneroster/entities.ts";
import type { Version } from "./oneroster/enumerations.ts";

/** Header cells by file name without extension, for the files of the set under their exact names. */
export type Headers = ReadonlyMap<string, readonly string[]>;

export type VersionResult =
  | { readonly outcome: "version"; readonly version: Version }
  | { readonly outcome: "refused"; readonly refusal: string };

/** Columns that only 1.0 has, each with the column that took its place in 1.1. */
const columnsOf10: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  classes: { grade: "grades", termSourcedId: "termSourcedIds" },
  courses: { schoolYearId: "schoolYearSourcedId", grade: "grades" },
  demographics: { userSourcedId: "sourcedId", birthdate: "birthDate" },
  users: { userId: "userIds", agents: "agentSourcedIds" },
};

/** Columns that 1.1 requires and 1.0 does not have. */
const columnsSince11: Readonly<Record<string, readonly string[]>> = {
  academicSessions: ["schoolYear"],
  classes: ["termSourcedIds"],
  users: ["enabledUser"],
};

const usersColumns12 = [
  "userMasterIdentifier",
  "preferredGivenName",
  "preferredMiddleName",
  "preferredFamilyName",
  "primaryOrgSourcedId",
  "pronouns",
];

/** Names of files that give another format away, in lower case; three of them in one set are no accident. */
const otherFormats: readonly { readonly name: string; readonly files: readonly string[]; readonly least: number }[] = [
  {
    name: "a Microsoft School Data Sync (SDS) set",
    files: ["school.csv", "section.csv", "student.csv", "teacher.csv", "studentenrollment.csv", "teacherroster.csv"],
    least: 2,
  },
  { name: "a Clever set", files: ["schools.csv", "sections.csv", "students.csv", "teachers.csv"], least: 3 },
];

/**
 * What gives away the newer layout of Microsoft's SDS, whose files have the names of OneRoster's: columns that only it
 * has beside columns of OneRoster that it does not have. One sign may be a slip of a OneRoster export, two are none.
 */
const signsOfSds: readonly {
  readonly file: string;
  /** Any of these columns is there. */
  readonly has: readonly string[];
  /** None of these is. */
  readonly lacks: readonly string[];
}[] = [
  { file: "users", has: ["activeDirectoryMatchId"], lacks: ["enabledUser"] },
  { file: "users", has: ["username"], lacks: ["enabledUser", "status", "dateLastModified", "role", "orgSourcedIds"] },
  { file: "roles", has: ["isPrimary", "roleStartDate", "roleEndDate", "sessionSourcedId"], lacks: ["roleType"] },
  { file: "roles", has: ["userSourcedId"], lacks: ["sourcedId", "status", "roleType"] },
  { file: "classes", has: ["sessionSourcedIds", "orgSourcedId"], lacks: ["termSourcedIds", "schoolSourcedId"] },
  { file: "enrollments", has: ["classSourcedId"], lacks: ["sourcedId", "status", "schoolSourcedId"] },
];

const leastSignsOfSds = 2;

/** @returns the sentence that refuses a set of another format by its file names, or null. */
export function otherFormat(names: readonly string[]): string | null {
  const lower = new Set(names.map((name) => name.toLowerCase()));
  const found = otherFormats.find(({ files, least }) => files.filter((file) => lower.has(file)).length >= least);
  return found === undefined ? null : notOneRoster(found.name);
}

/** @returns the sentence that refuses a set of another format that has OneRoster's file names, or null. */
export function otherFormatByColumns(headers: Headers): string | null {
  const signs = signsOfSds.filter(({ file, has, lacks }) => {
    const present = lowerCase(headers.get(file));
    const isThere = (column: string): boolean => present.has(column.toLowerCase());
    return has.some(isThere) && !lacks.some(isThere);
  });
  return signs.length < leastSignsOfSds ? null : notOneRoster("a Microsoft School Data Sync (SDS) set");
}

function notOneRoster(what: string): string {
  return `This is ${what}, not OneRoster: export it as OneRoster CSV 1.1 or 1.2.`;
}

/**
 * The version of a set without a manifest, or whose manifest does not state it, told by its files and columns.
 * Where they cannot tell (no users.csv and no roles.csv), 1.2 is taken: the other tables have the same columns in both,
 * and the vocabularies of 1.2 contain those of 1.1.
 */
export function versionByColumns(headers: Headers): VersionResult {
  if (isVersion10(headers)) {
    return {
      outcome: "refused",
      refusal:
        "The columns are those of OneRoster 1.0, which is not supported: export the set as OneRoster 1.1 or 1.2.",
    };
  }
  const only12 = leftAloneFiles["1.2"].filter((name) => !leftAloneFiles["1.1"].includes(name));
  if ([...only12, "roles"].some((name) => headers.has(name))) return { outcome: "version", version: "1.2" };
  const users = lowerCase(headers.get("users"));
  if (users.has("role") && users.has("orgsourcedids")) return { outcome: "version", version: "1.1" };
  const is12 = usersColumns12.some((name) => users.has(name.toLowerCase()));
  return { outcome: "version", version: is12 || !users.has("role") ? "1.2" : "1.1" };
}

function isVersion10(headers: Headers): boolean {
  let own = 0;
  for (const [file, columns] of Object.entries(columnsOf10)) {
    const present = lowerCase(headers.get(file));
    for (const [old, current] of Object.entries(columns)) {
      if (present.has(old.toLowerCase()) && !present.has(current.toLowerCase())) own++;
    }
  }
  if (own >= 2) return true;
  // One such column alone may be a vendor's slip in a 1.1 set; together with a required column missing it is not.
  return (
    own === 1 &&
    Object.entries(columnsSince11).some(([file, columns]) => {
      const present = lowerCase(headers.get(file));
      return present.size > 0 && columns.some((name) => !present.has(name.toLowerCase()));
    })
  );
}

function lowerCase(header: readonly string[] | undefined): ReadonlySet<string> {
  return new Set((header ?? []).map((name) => name.trim().toLowerCase()));
}

/**
 * How a file of the set is taken. `by-rows`: the manifest does not list it; it is bulk when every status is blank, else
 * delta. A bulk reading of a file that was meant as delta would delete everything it does not mention, whereas a delta
 * reading of a bulk file deletes nothing: so one filled status is enough for delta. This is the only place where rows
 * decide; where the manifest speaks, it decides, because nearly every real bulk export fills status in every row.
 */
export type Taken = FileMode | "by-rows";

/** How each entity file of the version is taken, with what is to be said of manifest and files disagreeing. */
export function takenFiles(options: {
  readonly manifest: Manifest | null;
  readonly version: Version;
  /** File names of the set without extension. */
  readonly present: ReadonlySet<string>;
}): { readonly taken: ReadonlyMap<string, Taken>; readonly findings: readonly Finding[] } {
  const { manifest, version, present } = options;
  const findings: Finding[] = [];
  const taken = new Map<string, Taken>();
  for (const { name } of entityFiles(version)) {
    const mode = manifest?.modes.get(name);
    const here = present.has(name);
    if (manifest === null) taken.set(name, here ? "bulk" : "absent");
    else if (mode === undefined) taken.set(name, here ? "by-rows" : "absent");
    else taken.set(name, mode);
  }
  for (const name of manifest === null ? [] : [...present]) {
    const mode = manifest?.modes.get(name) ?? "absent";
    if (name !== "manifest" && knownFile(name, version) !== null && mode === "absent") {
      findings.push(finding("manifest.file_unexpected", { file: `${name}.csv` }, version));
    }
  }
  for (const [name, mode] of manifest?.modes ?? []) {
    if (mode !== "absent" && !present.has(name) && knownFile(name, version) !== null) {
      findings.push(finding("manifest.file_missing", { file: `${name}.csv` }, version));
    }
  }
  return { taken, findings };
}
