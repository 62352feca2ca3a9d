// Holds what is published against what was delivered, the slow way: the roster topic is folded with Maps, the set is
// parsed as plain text, and cells are compared as text. It shares no code with planning or applying.
// It keeps true for every test that uses it: each delete was followed by its null.

import { type Image, readImage, types } from "../sample/naive.ts";
import type { ReadRecord, TestDistrict } from "./pipeline.ts";

type Cells = Map<string, string>;
export type Fold = Map<string, Map<string, Cells>>;

/** Columns whose name in our model differs. */
const renamed: Readonly<Record<string, string>> = { "org type": "orgType", "academicSession type": "sessionType" };

/** The live entities of a roster topic, by type and sourcedId, each field as the text of its cell. */
export function foldRoster(records: readonly ReadRecord[]): Fold {
  const fold: Fold = new Map(types.map(([type]) => [type, new Map<string, Cells>()]));
  const owed = new Set<string>();
  for (const { key, name, value } of records) {
    const [type = "", id = ""]: readonly string[] = JSON.parse(key);
    const entities = fold.get(type);
    if (entities === undefined) continue;
    const change = fieldsOf(value);
    if (name === "null" || change.get("op") === "deleted") entities.delete(id);
    else entities.set(id, cellsOf(change.get("after")));
    if (change.get("op") === "deleted") owed.add(key);
    else owed.delete(key);
  }
  if (owed.size > 0) throw new Error(`${owed.size} deletes without their null`);
  return fold;
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>(typeof value === "object" && value !== null ? Object.entries(value) : []);
}

function cellsOf(entity: unknown): Cells {
  return new Map([...fieldsOf(entity)].map(([name, value]) => [name, cellOf(value)]));
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(cellOf).join(",");
  if (typeof value !== "object") return typeof value === "string" ? value : JSON.stringify(value);
  const pair = fieldsOf(value);
  return `{${String(pair.get("type"))}:${String(pair.get("identifier"))}}`;
}

/** Every entity as a line, sorted: two sets are the same if their lines are. */
export function linesOfFold(fold: Fold, like: Image): readonly string[] {
  return [...fold]
    .flatMap(([type, entities]) =>
      [...entities].map(([id, cells]) => {
        const columns = [...(like.get(type)?.get(id)?.keys() ?? [])];
        return JSON.stringify([
          type,
          id,
          ...columns.map((each) => [each, cells.get(renamed[`${type} ${each}`] ?? each)]),
        ]);
      }),
    )
    .toSorted();
}

export function linesOfImage(image: Image): readonly string[] {
  return [...image]
    .flatMap(([type, entities]) => [...entities].map(([id, fields]) => JSON.stringify([type, id, ...fields])))
    .toSorted();
}

/** An image without the types that the district does not publish. */
export function without(image: Image, ...left: readonly string[]): Image {
  return new Map([...image].filter(([type]) => !left.includes(type)));
}

type Same = { same(actual: unknown, expected: unknown, what: string): unknown };

/** Asserts that two lists of lines are the same, and shows no more than where they begin to differ. */
export function sameLines(t: Same, actual: readonly string[], expected: readonly string[], what: string): void {
  const [has, should] = [new Set(actual), new Set(expected)];
  const first = (lines: readonly string[], other: ReadonlySet<string>): readonly string[] =>
    lines.filter((line) => !other.has(line)).slice(0, 4);
  t.same([actual.length, first(actual, should)], [expected.length, []], `${what}: nothing else`);
  t.same(first(expected, has), [], `${what}: nothing is missing`);
}

/** Asserts that the fold of the district's roster is what the set, or an image made of several sets, says. */
export async function checkPublished(
  t: Same,
  district: TestDistrict,
  expected: string | Image,
  what = "the fold of the roster is the set",
): Promise<void> {
  const image = typeof expected === "string" ? without(readImage(expected), "demographics") : expected;
  const fold = foldRoster(await district.records("roster"));
  sameLines(t, linesOfFold(fold, image), linesOfImage(image), what);
}
