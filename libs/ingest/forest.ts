// Orgs and academic sessions, kept until the end of their file and then walked parents first.
// It grows with the rows of these two files alone, about 500 bytes each: a district has hundreds or a few thousand.

import { grown, lengthFor } from "../domain/key-table.ts";
import type { Entity } from "../domain/oneroster/entities.ts";

type Node = { readonly entity: Entity; readonly entry: number; readonly line: number };

export type ForestWalk = {
  /** The entry of an id, or -1. */
  readonly find: (id: string) => number;
  readonly send: (entity: Entity, entry: number, line: number) => void;
  /** Told once per cycle, at one of its members; the members are sent all the same. */
  readonly cycle: (line: number) => void;
};

const fresh = 0;
const onPath = 1;
const done = 2;

export class Forest {
  readonly #nodes: Node[] = [];
  /** Index of the node of an entry plus one. */
  #byEntry = new Uint32Array(256);

  add(entity: Entity, entry: number, line: number): void {
    this.#nodes.push({ entity, entry, line });
    if (entry >= this.#byEntry.length) this.#byEntry = grown(this.#byEntry, lengthFor(entry, this.#byEntry.length));
    this.#byEntry[entry] = this.#nodes.length;
  }

  walk(walk: ForestWalk): void {
    const states = new Uint8Array(this.#nodes.length);
    for (const start of this.#nodes.keys()) {
      const path: number[] = [];
      let at = start;
      while (at >= 0 && states[at] === fresh) {
        states[at] = onPath;
        path.push(at);
        at = this.#parent(at, walk);
      }
      const member = this.#nodes[at];
      if (member !== undefined && states[at] === onPath) walk.cycle(member.line);
      for (const index of path.toReversed()) {
        states[index] = done;
        const node = this.#nodes[index];
        if (node !== undefined) walk.send(node.entity, node.entry, node.line);
      }
    }
  }

  /** The index of the parent's node, -1 when it has none in this file. */
  #parent(index: number, walk: ForestWalk): number {
    const entity = this.#nodes[index]?.entity;
    if (entity?.type !== "org" && entity?.type !== "academicSession") return -1;
    if (entity.parentSourcedId === null) return -1;
    const entry = walk.find(entity.parentSourcedId);
    return entry < 0 ? -1 : (this.#byEntry[entry] ?? 0) - 1;
  }
}
