// From what is published and what is desired to a plan: which keys change, which of them are held, and why.
//
//   concludeAbsence -> rememberAbsence -> draft -> followOwners -> markTermOver -> matchException... -> judge -> holdParents -> summarise
//
// Each step reads and writes columns of the image. Nothing here deletes on doubt: a key of which the delivery says
// nothing certain (unmentioned, claimed by a rejected row, missing while absence is suspended) is left as published.

import { type EntityType, entityTypes } from "../oneroster/entity-types.ts";
import { action, cause, declared, desired, exception, hold, type Image, published, unknownDay } from "./image.ts";

/** What a delivery allows to be concluded about one entity type. */
export type Delivered = {
  /** A missing entity is absent: a complete, non-empty bulk file all of whose rows are accounted for. */
  readonly absence: boolean;
  /** A row without a readable key, or an unreadable stretch, suspended deletion by absence. */
  readonly suspended: boolean;
  /** The entities come from the rows of another file (roles of OneRoster 1.1). */
  readonly derived: boolean;
};

export type DeliveredTypes = Readonly<Record<EntityType, Delivered>>;

/** Deletes of a type are held when they are more than `count` and more than `share` of what is published. */
export type DeleteLimit = { readonly share: number; readonly count: number };

/**
 * The whole plan is held when more than `share` of a published type (and more than `count`) vanish
 * while as many appear, give or take `tolerance` of the vanished.
 */
export type IdsChangedLimit = { readonly share: number; readonly count: number; readonly tolerance: number };

export type Limits = {
  readonly deletes: Readonly<Record<EntityType, DeleteLimit>>;
  readonly idsChanged: IdsChangedLimit;
};

/** Published entities whose content a plan must look at, by entry. */
export interface BeforeImages {
  /** The entry of the user from whose row a derived role came; -1 when it is not known. */
  owner(entry: number): number;
  /** The entries to which the entity refers, of those that are known. */
  parents(entry: number): readonly number[];
}

/** Keys that are published and missing from the delivery become absent, withheld, or followers of their user. */
export function concludeAbsence(image: Image, types: DeliveredTypes): void {
  const byIndex = entityTypes.map((type) => types[type]);
  for (let entry = 0; entry < image.size; entry++) {
    if (image.published[entry] !== published.live || image.desired[entry] !== desired.unmentioned) continue;
    const type = byIndex[image.type[entry] ?? 0];
    if (type === undefined) continue;
    if (image.derived[entry] === 1 && type.derived) image.desired[entry] = desired.follows;
    else if (type.absence) setAbsent(image, entry, cause.absent);
    else if (type.suspended) image.desired[entry] = desired.withheld;
    else if (image.derived[entry] === 1) image.desired[entry] = desired.follows;
  }
}

/**
 * A key that was declared absent, and whose delete waits for a decision or was refused, is absent still when a delivery
 * does not mention it: a delta does not repeat what the one before it said.
 */
export function rememberAbsence(image: Image): void {
  for (let entry = 0; entry < image.size; entry++) {
    const isMentioned = image.desired[entry] !== desired.unmentioned;
    if (image.declaredAbsent[entry] === declared.absent && image.published[entry] === published.live && !isMentioned)
      setAbsent(image, entry, cause.absent);
  }
}

/** Drafts the action of every key whose state is certain. */
export function draft(image: Image): void {
  for (let entry = 0; entry < image.size; entry++) image.action[entry] = draftOf(image, entry);
}

function draftOf(image: Image, entry: number): number {
  const live = image.published[entry] === published.live;
  if (image.desired[entry] === desired.content) {
    if (!live) return action.create;
    return image.isUnchanged(entry) ? action.none : action.update;
  }
  if (live) return image.desired[entry] === desired.absent ? action.delete : action.none;
  return image.published[entry] === published.nullOwed ? action.sendNull : action.none;
}

/** Whether later steps, or the changed record itself, need the published content of the key. */
export function needsBefore(image: Image, entry: number): boolean {
  if (image.action[entry] === action.sendNull) return true;
  if (image.published[entry] !== published.live) return false;
  const state = image.desired[entry];
  return (
    image.action[entry] === action.update ||
    image.action[entry] === action.delete ||
    state === desired.claimed ||
    state === desired.withheld ||
    state === desired.follows
  );
}

/**
 * A derived role that the delivery does not mention goes the way of its user's row: the row is gone: absent; the row was
 * read without it: absent, if rows of users say the roles in this delivery; the row is claimed or withheld: unknown; the
 * row is not in the delivery: unmentioned.
 */
export function followOwners(image: Image, before: BeforeImages, types: DeliveredTypes): void {
  for (let entry = 0; entry < image.size; entry++) {
    if (image.desired[entry] !== desired.follows) continue;
    const owner = before.owner(entry);
    const state = owner === -1 ? desired.unmentioned : (image.desired[owner] ?? desired.unmentioned);
    if (state === desired.content) {
      if (types.role.derived) setAbsent(image, entry, cause.absent);
      else {
        image.desired[entry] = desired.unmentioned;
        // Its user is back, and with the user what hung on the user's row.
        if (image.declaredAbsent[entry] === declared.absent) image.declaredAbsent[entry] = declared.withdrawn;
      }
    } else if (state === desired.absent) setAbsent(image, entry, image.cause[owner] ?? cause.absent);
    else if (state === desired.unmentioned && image.declaredAbsent[entry] === declared.absent)
      setAbsent(image, entry, cause.absent);
    else image.desired[entry] = state;
    image.action[entry] = draftOf(image, entry);
  }
}

function setAbsent(image: Image, entry: number, why: number): void {
  image.desired[entry] = desired.absent;
  image.cause[entry] = why;
}

const termTypes: ReadonlySet<number> = new Set(
  (["academicSession", "class", "enrollment", "classResource"] as const).map((type) => entityTypes.indexOf(type)),
);
const classType = entityTypes.indexOf("class");

/**
 * What is missing after its term ended is deleted for that reason, so that products may archive rather than remove.
 * @param today the district's own date, in days since 1970-01-01; an end day is the first day after.
 */
export function markTermOver(image: Image, before: BeforeImages, today: number): void {
  for (let entry = 0; entry < image.size; entry++) {
    if (image.action[entry] !== action.delete || image.cause[entry] !== cause.absent) continue;
    if (!termTypes.has(image.type[entry] ?? 0)) continue;
    let endDay = image.endDay[entry] ?? unknownDay;
    if (endDay === unknownDay) {
      const owner = before.parents(entry).find((parent) => image.type[parent] === classType);
      if (owner !== undefined) endDay = image.endDay[owner] ?? unknownDay;
    }
    if (endDay <= today) image.cause[entry] = cause.termOver;
  }
}

/** A stored exception of one key: the content that it is about (null: absence) and its state. */
export type StoredException = { readonly hash: readonly [number, number] | null; readonly state: number };

/**
 * Lays a stored exception over its key.
 * @returns false when it no longer matches what is desired and published, so that it must be removed.
 */
export function matchException(image: Image, entry: number, stored: StoredException): boolean {
  const matches = exceptionMatches(image, entry, stored);
  if (matches && isCertain(image, entry)) image.exception[entry] = stored.state;
  return matches;
}

function isCertain(image: Image, entry: number): boolean {
  return image.desired[entry] === desired.content || image.desired[entry] === desired.absent;
}

/** Whether a stored exception is still about what is desired and published; of a key not certain it says nothing new. */
export function exceptionMatches(image: Image, entry: number, stored: StoredException): boolean {
  if (!isCertain(image, entry)) return image.published[entry] === published.live || stored.hash !== null;
  if (image.action[entry] === action.none) return false;
  if (stored.hash === null) return image.desired[entry] === desired.absent;
  return (
    image.desired[entry] === desired.content &&
    image.desiredHash[entry * 2] === stored.hash[0] &&
    image.desiredHash[entry * 2 + 1] === stored.hash[1]
  );
}

/** What the limits said of a plan as a whole. */
export type Verdict = "publish" | "hold-some" | "hold-all";
export const idsChanged = "ids-changed";
/** The district's start date has not come. */
export const beforeStart = "before-start";

/**
 * Holds what must not go out by itself: all, when ids seem to have changed; the deletes of a type above its limit; every
 * delete by absence, when the delivery names a cause why the source may show less than there is; keys that were held
 * before. Approved keys are not judged again.
 */
export function judge(
  image: Image,
  limits: Limits,
  { approvedCause, isDoubted }: { readonly approvedCause: string | null; readonly isDoubted: boolean },
): string | null {
  const tally = tallyTypes(image);
  const changed = approvedCause !== idsChanged && tally.some((type) => idsSeemChanged(type, limits.idsChanged));
  const tooMany = tally.map((type, index) => overLimit(type, limits.deletes[entityTypes[index] ?? "org"]));
  for (let entry = 0; entry < image.size; entry++) {
    if (image.action[entry] === action.none || image.action[entry] === action.sendNull) continue;
    image.hold[entry] = judgedHold(image, entry, {
      changed,
      tooMany,
      isDoubted,
      approveAll: approvedCause === idsChanged,
    });
  }
  return changed ? idsChanged : null;
}

/** Holds the whole plan. @returns false when there is nothing in it to hold. */
export function holdAll(image: Image): boolean {
  let held = false;
  for (let entry = 0; entry < image.size; entry++) {
    if (image.action[entry] === action.none || image.action[entry] === action.sendNull) continue;
    image.hold[entry] = judgedHold(image, entry, { changed: true, tooMany: [], isDoubted: false, approveAll: false });
    held ||= image.hold[entry] === hold.plan;
  }
  return held;
}

function judgedHold(
  image: Image,
  entry: number,
  judged: {
    readonly changed: boolean;
    readonly tooMany: readonly boolean[];
    readonly isDoubted: boolean;
    readonly approveAll: boolean;
  },
): number {
  const stored = image.exception[entry];
  if (stored === exception.refused) return hold.refused;
  if (judged.changed) return hold.plan;
  if (stored === exception.approved || judged.approveAll) return hold.none;
  if (stored === exception.doubted || (judged.isDoubted && isByAbsence(image, entry))) return hold.doubt;
  if (stored === exception.held) return hold.limit;
  const over = judged.tooMany[image.type[entry] ?? 0] ?? false;
  return over && countsTowardLimit(image, entry) ? hold.limit : hold.none;
}

/** Whether the key is deleted because it is missing; what is missing after its term ended explains itself. */
function isByAbsence(image: Image, entry: number): boolean {
  return image.action[entry] === action.delete && image.cause[entry] === cause.absent;
}

/** Holds exactly what is stored as held or refused: for a changeset that was begun, whose limits were judged then. */
export function holdAsStored(image: Image): void {
  for (let entry = 0; entry < image.size; entry++) {
    const stored = image.exception[entry];
    if (image.action[entry] === action.none || image.action[entry] === action.sendNull) continue;
    if (stored === exception.refused) image.hold[entry] = hold.refused;
    else if (stored === exception.doubted) image.hold[entry] = hold.doubt;
    else image.hold[entry] = stored === exception.held ? hold.limit : hold.none;
  }
}

type Tally = {
  published: number;
  created: number;
  deleted: number;
  /** Deleted, less what is gone because its term is over: that explains itself and is no sign of new ids. */
  vanished: number;
};

function countsTowardLimit(image: Image, entry: number): boolean {
  return (
    image.action[entry] === action.delete &&
    image.exception[entry] !== exception.approved &&
    image.exception[entry] !== exception.refused
  );
}

function tallyTypes(image: Image): readonly Tally[] {
  const tally = entityTypes.map((): Tally => ({ published: 0, created: 0, deleted: 0, vanished: 0 }));
  for (let entry = 0; entry < image.size; entry++) {
    const type = tally[image.type[entry] ?? 0];
    if (type === undefined) continue;
    if (image.published[entry] === published.live) type.published++;
    if (image.action[entry] === action.create && image.exception[entry] !== exception.refused) type.created++;
    if (!countsTowardLimit(image, entry)) continue;
    type.deleted++;
    if (image.cause[entry] !== cause.termOver) type.vanished++;
  }
  return tally;
}

function overLimit(type: Tally, limit: DeleteLimit): boolean {
  return type.deleted > limit.count && type.deleted > limit.share * type.published;
}

function idsSeemChanged(type: Tally, limit: IdsChangedLimit): boolean {
  return (
    type.vanished > limit.count &&
    type.vanished > limit.share * type.published &&
    Math.abs(type.created - type.vanished) <= limit.tolerance * type.vanished
  );
}

const childrenFirst = entityTypes.map((_, index) => entityTypes.length - 1 - index);

/**
 * A delete waits for children whose own delete is held, refused or unknown (claimed or withheld); children of which
 * the delivery merely says nothing dangle. Children first, so that what waits makes its own parents wait.
 */
export function holdParents(image: Image, before: BeforeImages): void {
  if (!image.action.includes(action.delete)) return;
  for (const type of childrenFirst) {
    for (let entry = 0; entry < image.size; entry++) {
      if (image.type[entry] === type && staysForNow(image, entry)) holdParentsOf(image, before, entry);
    }
  }
}

/** Holds the parents of what stays, and theirs as far as they are of the same type: those of other types have their turn. */
function holdParentsOf(image: Image, before: BeforeImages, child: number): void {
  const staying = [child];
  for (let entry = staying.pop(); entry !== undefined; entry = staying.pop()) {
    for (const parent of before.parents(entry)) {
      if (image.action[parent] !== action.delete || image.hold[parent] !== hold.none) continue;
      image.hold[parent] = hold.children;
      if (image.type[parent] === image.type[child]) staying.push(parent);
    }
  }
}

/** Whether a published key, that the delivery may have meant to delete, stays. */
function staysForNow(image: Image, entry: number): boolean {
  if (image.published[entry] !== published.live) return false;
  const state = image.desired[entry];
  if (state === desired.claimed || state === desired.withheld) return true;
  return image.action[entry] === action.delete && image.hold[entry] !== hold.none;
}
