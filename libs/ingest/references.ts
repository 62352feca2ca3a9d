// Whether what rows refer to is there, and of the right kind.
// It keeps true: a dangling reference is told and its row kept; nothing is told that this set alone cannot know (a
// delta, a file that is not in the set or has unreadable rows): those are counted as not judged.

import { unreachable } from "../domain/assert.ts";
import { columnName, type EntityDescription, type ReferenceField } from "../domain/oneroster/description.ts";
import { descriptionOf, type Entity } from "../domain/oneroster/entities.ts";
import { type EntityType, isEntityType } from "../domain/oneroster/entity-types.ts";
import type { Column, FileFindings } from "./finding-log.ts";
import { isGone, mark, PendingReferences, type TypeState } from "./type-state.ts";

/** What references to a type can be judged by. */
export type Target = {
  readonly state: TypeState;
  /** Whether the type's file is bulk and was read whole, so that an id that is missing in it is missing. */
  readonly whole: boolean;
  /** Whether the set has no file for it. */
  readonly missingFile: boolean;
};

type Slot = {
  readonly name: string;
  readonly toType: "school" | "schoolYear" | null;
  readonly target: Target | null;
  readonly sameFile: boolean;
  readonly column: Column;
  /** The last id looked up and its entry: rows of one class or school follow one another. */
  lastId: string;
  lastEntry: number;
};

export type ReferenceOptions = {
  readonly type: EntityType;
  /** Whether rows of this file are to be judged: only a bulk file has to be complete in itself. */
  readonly bulk: boolean;
  /** By the standard's name of the column, in lower case. */
  readonly columns: ReadonlyMap<string, Column>;
  readonly targetOf: (type: EntityType) => Target | null;
  readonly own: TypeState;
  readonly findings: FileFindings;
};

/** Checks the references of one file's rows. The entries it returns are those of the target's state, -1 for none. */
export class ReferenceCheck {
  readonly #slots = new Map<string, Slot>();
  readonly #options: ReferenceOptions;
  readonly #pending = new PendingReferences();
  readonly #agents: Column;
  /** References that were not judged. */
  unjudged = 0;

  constructor(options: ReferenceOptions) {
    this.#options = options;
    for (const field of referenceFields(descriptionOf(options.type))) {
      const column = options.columns.get(columnName(field).toLowerCase());
      if (column !== undefined) this.#slots.set(field.name, this.#slotOf(field, column));
    }
    this.#agents = options.columns.get("agentsourcedids") ?? { column: 0, field: "agentSourcedIds" };
  }

  /** Of a row that was accepted; roles that were derived from it are checked by {@link one}. */
  check(entity: Entity, line: number): void {
    switch (entity.type) {
      case "org":
      case "academicSession":
        return;
      case "course":
        this.one("schoolYearSourcedId", entity.schoolYearSourcedId, line);
        this.one("orgSourcedId", entity.orgSourcedId, line);
        return;
      case "class":
        this.one("courseSourcedId", entity.courseSourcedId, line);
        this.one("schoolSourcedId", entity.schoolSourcedId, line);
        for (const id of entity.termSourcedIds) this.one("termSourcedIds", id, line);
        return;
      case "user":
        for (const id of entity.agentSourcedIds) this.#later(id, line);
        return;
      case "classResource":
        this.one("classSourcedId", entity.classSourcedId, line);
        this.one("resourceSourcedId", entity.resourceSourcedId, line);
        return;
      case "courseResource":
        this.one("courseSourcedId", entity.courseSourcedId, line);
        this.one("resourceSourcedId", entity.resourceSourcedId, line);
        return;
      case "enrollment":
        this.one("schoolSourcedId", entity.schoolSourcedId, line);
        return;
      case "role":
      case "demographics":
      case "resource":
        return;
      default:
        unreachable(entity);
    }
  }

  /** One reference in the field of this name. @returns its entry in the target's state, -1 when there is none. */
  one(name: string, id: string | null, line: number): number {
    if (id === null) return -1;
    const slot = this.#slots.get(name);
    if (slot === undefined || slot.target === null) return -1;
    const { state } = slot.target;
    if (slot.lastId !== id) {
      slot.lastEntry = state.find(id);
      slot.lastId = id;
    }
    const entry = slot.lastEntry;
    if (entry < 0 || isGone(state, entry)) this.#missing(slot, line);
    else if (slot.toType !== null && !state.has(entry, mark.special) && state.has(entry, mark.content)) {
      this.#options.findings.add(
        slot.toType === "school" ? "sem.school_type" : "sem.schoolYear_type",
        line,
        slot.column,
      );
    }
    return entry;
  }

  /** A reference from an org or session to its parent, once all of the file are known. */
  parent(id: string, line: number): number {
    return this.one("parentSourcedId", id, line);
  }

  /** Judges the references within the file that waited for its end. */
  finish(whole: boolean): void {
    this.#pending.missing(this.#options.own, (line) => {
      if (whole && this.#options.bulk) this.#options.findings.add("ref.missing_record", line, this.#agents);
      else this.unjudged++;
    });
  }

  #later(id: string, line: number): void {
    if (this.#options.own.find(id) < 0) this.#pending.add(id, line);
  }

  #missing(slot: Slot, line: number): void {
    const { bulk, findings } = this.#options;
    if (bulk && (slot.sameFile || slot.target?.whole === true)) findings.add("ref.missing_record", line, slot.column);
    else {
      this.unjudged++;
      if (bulk && slot.target?.missingFile === true) findings.add("ref.missing_file", line, slot.column);
    }
  }

  #slotOf(field: ReferenceField, column: Column): Slot {
    const { type, own, targetOf } = this.#options;
    const sameFile = field.to === type;
    const foreign = isEntityType(field.to) ? targetOf(field.to) : null;
    const target = sameFile ? { state: own, whole: true, missingFile: false } : foreign;
    return { name: field.name, toType: field.toType ?? null, target, sameFile, column, lastId: "", lastEntry: -1 };
  }
}

/** The fields of an entity that refer to another, in the order of its table. */
export function referenceFields(description: EntityDescription): readonly ReferenceField[] {
  return description.fields.filter(
    (field): field is ReferenceField => (field.kind === "ref" || field.kind === "refList") && "to" in field,
  );
}
