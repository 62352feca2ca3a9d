// The slow and obvious way from two sets to their difference: whole files in memory, rows in Maps, values compared as text.
// It shares nothing with the generator and nothing with the pipeline, so that agreeing with it means something.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

export type Fields = ReadonlyMap<string, string>;
/** By type, then by sourcedId. */
export type Image = Map<string, Map<string, Fields>>;
export type Change = {
  readonly type: string;
  readonly sourcedId: string;
  readonly op: string;
  readonly changed?: readonly string[];
};
export type LedgerLine = Change & { readonly suspicious?: boolean; readonly waits?: boolean };

export const types = [
  ["org", "orgs"],
  ["academicSession", "academicSessions"],
  ["course", "courses"],
  ["class", "classes"],
  ["user", "users"],
  ["role", "roles"],
  ["demographics", "demographics"],
  ["enrollment", "enrollments"],
  ["resource", "resources"],
  ["classResource", "classResources"],
  ["courseResource", "courseResources"],
] as const;

/** What columns refer to. Demographics besides carry the id of their user. */
const references: Readonly<Record<string, string>> = {
  agentSourcedIds: "user",
  classSourcedId: "class",
  courseSourcedId: "course",
  orgSourcedId: "org",
  primaryOrgSourcedId: "org",
  resourceSourcedId: "resource",
  schoolSourcedId: "org",
  schoolYearSourcedId: "academicSession",
  termSourcedIds: "academicSession",
  userSourcedId: "user",
};

/** Rows of cells. Made for what the generator writes: CRLF, and no line break inside a cell. */
export function readCsv(path: string): string[][] {
  const text = readFileSync(path, "utf8");
  if (!text.endsWith("\r\n")) throw new Error(`${path} does not end with CRLF`);
  return text.slice(0, -2).split("\r\n").map(cellsOf);
}

function cellsOf(line: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const character = line.charAt(i);
    if (quoted && character === '"' && line.charAt(i + 1) === '"') {
      cell += '"';
      i++;
    } else if (character === '"') quoted = !quoted;
    else if (character === "," && !quoted) {
      cells.push(cell);
      cell = "";
    } else cell += character;
  }
  return [...cells, cell];
}

/** Rows of one file as records by column. */
export function readTable(directory: string, file: string): Map<string, string>[] {
  if (!readdirSync(directory).includes(`${file}.csv`)) return [];
  const [header = [], ...rows] = readCsv(join(directory, `${file}.csv`));
  return rows.map((row) => {
    if (row.length !== header.length) throw new Error(`${file}: a row of ${row.length} cells under ${header.length}`);
    return new Map(row.map((cell, index) => [header[index] ?? "", cell]));
  });
}

/** The entities that a set means on its own, or on top of an earlier image when it is a delta. */
export function readImage(directory: string, base: Image = new Map()): Image {
  const image: Image = new Map(types.map(([type]) => [type, new Map(base.get(type))]));
  for (const [type, file] of types) {
    for (const row of readTable(directory, file)) {
      const id = row.get("sourcedId") ?? "";
      const old = row.get("status") === "tobedeleted";
      const derived = type === "user" ? takeRoles(id, row) : null;
      for (const column of ["sourcedId", "status", "dateLastModified", "password"]) row.delete(column);
      if (old) image.get(type)?.delete(id);
      else image.get(type)?.set(id, row);
      if (derived === null) continue;
      const roles = image.get("role") ?? new Map<string, Fields>();
      for (const key of roles.keys()) if (key.startsWith(`~${id}~`)) roles.delete(key);
      if (!old) for (const [key, fields] of derived) roles.set(key, fields);
    }
  }
  return image;
}

function takeRoles(user: string, row: Map<string, string>): Map<string, Fields> | null {
  const [role, orgs] = [row.get("role"), row.get("orgSourcedIds")];
  if (role === undefined || orgs === undefined) return null;
  row.delete("role");
  row.delete("orgSourcedIds");
  const fields = (org: string): Fields =>
    new Map(Object.entries({ userSourcedId: user, roleType: "primary", role, orgSourcedId: org }));
  return new Map(orgs.split(",").map((org) => [`~${user}~${role}~${org}`, fields(org)]));
}

/** Changes from one image to another, sorted as a ledger is. */
export function difference(from: Image, to: Image): Change[] {
  return types.flatMap(([type]) => {
    const [before, after] = [from.get(type) ?? new Map<string, Fields>(), to.get(type) ?? new Map<string, Fields>()];
    const ids = [...new Set([...before.keys(), ...after.keys()])].toSorted();
    return ids.flatMap((sourcedId): Change[] => {
      const [old, now] = [before.get(sourcedId), after.get(sourcedId)];
      if (old === undefined) return [{ type, sourcedId, op: "created" }];
      if (now === undefined) return [{ type, sourcedId, op: "deleted" }];
      const changed = [...now.keys()].filter((name) => now.get(name) !== old.get(name)).toSorted();
      return changed.length === 0 ? [] : [{ type, sourcedId, op: "updated", changed }];
    });
  });
}

/** What an entity refers to, as `type id`. */
export function referencesOf(type: string, id: string, fields: Fields): string[] {
  const found = type === "demographics" ? [`user ${id}`] : [];
  for (const [column, value] of fields) {
    const target =
      column === "parentSourcedId" || column === "userProfileSourcedId" ? type : (references[column] ?? null);
    if (target !== null && value !== "") found.push(...value.split(",").map((each) => `${target} ${each}`));
  }
  return found;
}

/** The marks that a ledger's deletes should have: `suspicious` beyond the limits, `waits` for such a child. */
export function marked(from: Image, changes: readonly Change[]): LedgerLine[] {
  const deletes = changes.filter((change) => change.op === "deleted");
  const beyond = new Set(
    types
      .map(([type]) => type)
      .filter((type) => {
        const count = deletes.filter((change) => change.type === type).length;
        return count > 20 && count > 0.1 * (from.get(type)?.size ?? 0);
      }),
  );
  const held = new Set<string>();
  const hold = (key: string, parents: readonly string[]): void => {
    held.add(key);
    for (const parent of parents) if (!held.has(parent)) hold(parent, edges.get(parent) ?? []);
  };
  const edges = new Map(
    deletes.map(({ type, sourcedId }) => [
      `${type} ${sourcedId}`,
      referencesOf(type, sourcedId, from.get(type)?.get(sourcedId) ?? new Map<string, string>()),
    ]),
  );
  const known = new Set<string>(beyond);
  for (const { type, sourcedId } of deletes) {
    const key = `${type} ${sourcedId}`;
    if (known.has(type)) hold(key, edges.get(key) ?? []);
  }
  return changes.map((change) => {
    if (change.op !== "deleted") return change;
    if (known.has(change.type)) return { ...change, suspicious: true };
    return held.has(`${change.type} ${change.sourcedId}`) ? { ...change, waits: true } : change;
  });
}

export function readLedger(path: string): LedgerLine[] {
  const lines = readFileSync(path, "utf8").split("\n");
  if (lines.pop() !== "") throw new Error("the ledger does not end with a line end");
  return lines.map((line): LedgerLine => JSON.parse(line));
}
