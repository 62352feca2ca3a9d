// A plan in numbers: how many keys of each type are to change, how many of them are held, and why.

import { type EntityType, entityTypes } from "../oneroster/entity-types.ts";
import { action, hold, type Image } from "./image.ts";

const ops = ["created", "updated", "deleted"] as const;
export type Op = (typeof ops)[number];

export type Part = {
  readonly type: EntityType;
  readonly op: Op;
  /** All keys planned, those that a person refused left out. */
  readonly count: number;
  readonly held: number;
  readonly causes: readonly string[];
  /** Some entries of the part, the held ones before others. */
  readonly entries: readonly number[];
};

const opOf: Readonly<Record<number, Op>> = {
  [action.create]: "created",
  [action.update]: "updated",
  [action.delete]: "deleted",
};
const holdNames: Readonly<Record<number, string>> = {
  [hold.limit]: "delete-limit",
  [hold.children]: "waits-for-children",
  [hold.doubt]: "doubted-absence",
};
const entriesPerPart = 10;

type Tally = {
  count: number;
  held: number;
  readonly causes: Set<string>;
  readonly held10: number[];
  readonly free10: number[];
};

/**
 * @param about.planCause the cause that holds the whole plan, or null.
 * @param about.doubts why the delivery's source may show less than there is.
 */
export function summarise(
  image: Image,
  { planCause, doubts }: { readonly planCause: string | null; readonly doubts: readonly string[] },
): readonly Part[] {
  const tallies = new Map<string, Tally>();
  for (let entry = 0; entry < image.size; entry++) {
    const op = opOf[image.action[entry] ?? action.none];
    const held = image.hold[entry] ?? hold.none;
    if (op === undefined || held === hold.refused) continue;
    const tally = tallyOf(tallies, `${image.type[entry] ?? 0} ${op}`);
    tally.count++;
    const sample = held === hold.none ? tally.free10 : tally.held10;
    if (sample.length < entriesPerPart) sample.push(entry);
    if (held === hold.none) continue;
    tally.held++;
    tally.causes.add(holdNames[held] ?? planCause ?? "held");
    if (held === hold.doubt) for (const doubt of doubts) tally.causes.add(doubt);
  }
  return entityTypes.flatMap((type, index) =>
    ops.flatMap((op) => {
      const tally = tallies.get(`${index} ${op}`);
      if (tally === undefined) return [];
      const entries = [...tally.held10, ...tally.free10].slice(0, entriesPerPart);
      return [{ type, op, count: tally.count, held: tally.held, causes: [...tally.causes].toSorted(), entries }];
    }),
  );
}

function tallyOf(tallies: Map<string, Tally>, name: string): Tally {
  const known = tallies.get(name);
  if (known !== undefined) return known;
  const tally = { count: 0, held: 0, causes: new Set<string>(), held10: [], free10: [] };
  tallies.set(name, tally);
  return tally;
}
