// The order of deletes within a changeset: children before parents, also within a type that refers to itself.
// Upserts need no such step: the range of a delivery stands in the order parents before children.

import { entityTypes } from "../oneroster/entity-types.ts";
import { action, hold, type Image } from "./image.ts";
import type { BeforeImages } from "./plan.ts";

const selfReferring: ReadonlySet<number> = new Set(
  (["org", "academicSession"] as const).map((type) => entityTypes.indexOf(type)),
);

/** The entries to delete, or whose null is owed, in the order in which their records go out. */
export function* deletesInOrder(image: Image, before: BeforeImages): Generator<number> {
  for (let type = entityTypes.length - 1; type >= 0; type--) {
    const ofType = entriesToDelete(image, type);
    yield* selfReferring.has(type) ? childrenFirst([...ofType], before) : ofType;
  }
}

function* entriesToDelete(image: Image, type: number): Generator<number> {
  for (let entry = 0; entry < image.size; entry++) {
    if (image.type[entry] !== type || image.hold[entry] !== hold.none) continue;
    if (image.action[entry] === action.delete || image.action[entry] === action.sendNull) yield entry;
  }
}

/**
 * Orgs and sessions are few: an array of entries is allowed here. A cycle is cut where it is met. The path from a child
 * up to its parents is kept in an array, because a hierarchy may be deeper than the stack of calls.
 */
function childrenFirst(entries: readonly number[], before: BeforeImages): readonly number[] {
  const waiting = new Set(entries);
  const parentsFirst: number[] = [];
  for (const start of entries) {
    if (!waiting.delete(start)) continue;
    const path = [{ entry: start, parents: before.parents(start).values() }];
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const { done, value: parent } = last.parents.next();
      if (done === true) {
        parentsFirst.push(last.entry);
        path.pop();
      } else if (waiting.delete(parent)) {
        path.push({ entry: parent, parents: before.parents(parent).values() });
      }
    }
  }
  return parentsFirst.reverse();
}
