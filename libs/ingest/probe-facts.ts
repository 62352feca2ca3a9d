// What a district's features need of its rows, counted while a pulled set is judged: addresses of teachers, ids of schools.
// It keeps true that counts and ids are all that is kept, and nothing of a person.

import { isWholeNcesId } from "../domain/nces.ts";
import type { Entity } from "../domain/oneroster/entities.ts";
import type { SetSink } from "./judge-file.ts";

/** Takes what a set says, and counts it. */
export class FactSink implements SetSink {
  readonly #orgs = new Set<string>();
  readonly #teachers = new Set<string>();
  readonly #withoutEmail = new Set<string>();
  /** Schools and districts whose identifier is no NCES id. */
  readonly orgsWithoutNces: string[] = [];

  content(entity: Entity): void {
    if (entity.type === "user" && entity.email === null) this.#withoutEmail.add(entity.sourcedId);
    if (entity.type === "role" && entity.role === "teacher") this.#teachers.add(entity.userSourcedId);
    if (entity.type !== "org") return;
    this.#orgs.add(entity.sourcedId);
    if (entity.orgType !== "school" && entity.orgType !== "district") return;
    if (entity.identifier === null || !isWholeNcesId(entity.identifier)) this.orgsWithoutNces.push(entity.sourcedId);
  }

  absent(): void {}

  unknown(): void {}

  async ready(): Promise<void> {}

  get teachers(): number {
    return this.#teachers.size;
  }

  teachersWithoutEmail(): number {
    let count = 0;
    for (const id of this.#teachers) if (this.#withoutEmail.has(id)) count++;
    return count;
  }

  hasOrg(sourcedId: string): boolean {
    return this.#orgs.has(sourcedId);
  }
}
