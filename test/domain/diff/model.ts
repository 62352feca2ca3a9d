// The pipeline of a plan on a log that is an array: what diff does with topics and tables, done with Maps.
// Content is compared by its real bytes, so that a property holds of what is really compared.

import { strict as assert } from "node:assert";

import { contentFingerprint } from "../../../libs/adapters/registry/change-codec.ts";
import { openCodec } from "../../../libs/adapters/registry/codec.ts";
import { repositoryRegistry } from "../../../libs/adapters/registry/repository.ts";
import { dayNumber } from "../../../libs/domain/dates.ts";
import {
  action,
  cause,
  desired,
  exception,
  hold,
  Image,
  published,
  unknownDay,
} from "../../../libs/domain/diff/image.ts";
import { deletesInOrder } from "../../../libs/domain/diff/order.ts";
import {
  type BeforeImages,
  concludeAbsence,
  type DeliveredTypes,
  draft,
  followOwners,
  holdAsStored,
  holdParents,
  judge,
  type Limits,
  markTermOver,
  matchException,
  needsBefore,
} from "../../../libs/domain/diff/plan.ts";
import { referencesOf } from "../../../libs/domain/diff/references.ts";
import { fingerprint, type Fingerprint } from "../../../libs/domain/fingerprint.ts";
import { entityKey, parseEntityKey } from "../../../libs/domain/ids.ts";
import { ownerOfDerivedRole } from "../../../libs/domain/oneroster/derived-role.ts";
import { descriptionOf, type Entity } from "../../../libs/domain/oneroster/entities.ts";
import { type EntityType, entityTypes, isEntityType } from "../../../libs/domain/oneroster/entity-types.ts";

export type Row =
  | { readonly state: "content"; readonly key: string; readonly entity: Entity }
  | { readonly state: "absent" | "unknown"; readonly key: string };

export type Delivery = { readonly rows: readonly Row[]; readonly types: DeliveredTypes; readonly today: number };

/** A record of the roster topic. `entity` is what it was when `op` is deleted. */
export type Written = {
  readonly key: string;
  readonly op: "upsert" | "deleted" | "null";
  readonly entity: Entity | null;
};
export type Log = readonly Written[];

export type Exception = {
  readonly hash: readonly [number, number] | null;
  readonly state: number;
  readonly reason: "limit" | "children" | "refused";
};
export type Exceptions = ReadonlyMap<string, Exception>;

export type Plan = {
  readonly image: Image;
  readonly before: KeptBefore;
  readonly cause: string | null;
  /** Those that were stored and still match, and the new ones. */
  readonly exceptions: Exceptions;
};

const codec = await openCodec(repositoryRegistry());

export function byType<T>(of: (type: EntityType) => T): Readonly<Record<EntityType, T>> {
  return {
    org: of("org"),
    academicSession: of("academicSession"),
    course: of("course"),
    class: of("class"),
    user: of("user"),
    role: of("role"),
    demographics: of("demographics"),
    enrollment: of("enrollment"),
    resource: of("resource"),
    classResource: of("classResource"),
    courseResource: of("courseResource"),
  };
}

export const noLimits: Limits = {
  deletes: byType(() => ({ share: 1, count: 1e9 })),
  idsChanged: { share: 1, count: 1e9, tolerance: 0 },
};

export function keyOf(entity: Entity): string {
  return entityKey(entity.type, entity.sourcedId);
}

export function typeOf(key: string): EntityType {
  const type = parseEntityKey(key)?.type ?? "";
  assert(isEntityType(type));
  return type;
}

/** The Avro bytes of an entity, without the frame. */
export function contentOf(entity: Entity): Uint8Array {
  return codec
    .encoder(`rollcall.entity.${descriptionOf(entity.type).record}`)
    .encode(entity)
    .subarray(5);
}

function printOf(key: string): Fingerprint {
  const bytes = Buffer.from(key);
  const print = new Uint32Array(4);
  fingerprint(bytes, 0, bytes.length, print);
  return print;
}

function hashOf(entity: Entity): Fingerprint {
  const hash = new Uint32Array(4);
  contentFingerprint(contentOf(entity), hash);
  return hash;
}

/** What readers of the log hold in the end, by key. */
export function folded(log: Log): ReadonlyMap<string, Entity> {
  const live = new Map<string, Entity>();
  for (const { key, op, entity } of log) {
    if (op === "upsert" && entity !== null) live.set(key, entity);
    else live.delete(key);
  }
  return live;
}

/** The published content of exactly those entries of which a plan may ask. */
class KeptBefore implements BeforeImages {
  readonly #image: Image;
  readonly #kept = new Map<number, { readonly key: string; readonly entity: Entity }>();

  constructor(image: Image, log: Log) {
    this.#image = image;
    for (const [offset, { key, entity }] of log.entries()) {
      const entry = image.find(printOf(key));
      if (entity !== null && image.offset[entry] === offset && needsBefore(image, entry))
        this.#kept.set(entry, { key, entity });
    }
  }

  read(entry: number): { readonly key: string; readonly entity: Entity } {
    const kept = this.#kept.get(entry);
    assert(kept !== undefined, "the published content was kept");
    return kept;
  }

  owner(entry: number): number {
    const user = ownerOfDerivedRole(this.read(entry).entity.sourcedId);
    return user === null ? -1 : this.#image.find(printOf(entityKey("user", user)));
  }

  parents(entry: number): readonly number[] {
    const kept = this.#kept.get(entry);
    if (kept === undefined) return [];
    return referencesOf(kept.entity)
      .map(({ type, sourcedId }) => this.#image.find(printOf(entityKey(type, sourcedId))))
      .filter((parent) => parent !== -1 && parent !== entry);
  }
}

export function entryOf(image: Image, key: string): number {
  return image.find(printOf(key));
}

function enter(image: Image, key: string): number {
  const entry = image.entry(printOf(key), entityTypes.indexOf(typeOf(key)));
  if (key.startsWith('["role","~')) image.derived[entry] = 1;
  return entry;
}

/** A delivery laid over the log, neither judged nor held. */
export function compared(log: Log, delivery: Delivery): { readonly image: Image; readonly before: KeptBefore } {
  const image = new Image();
  for (const [offset, { key, op, entity }] of log.entries()) {
    const entry = enter(image, key);
    if (op === "upsert" && entity !== null) image.foldUpsert(entry, hashOf(entity), offset);
    else if (op === "deleted") image.foldDeleted(entry, offset);
    else image.foldNull(entry, offset);
  }
  for (const row of delivery.rows) {
    const entry = enter(image, row.key);
    if (row.state === "content") image.desireContent(entry, hashOf(row.entity));
    else image.desired[entry] = row.state === "absent" ? desired.absent : desired.claimed;
    if (row.state === "absent") image.cause[entry] = cause.toBeDeleted;
  }
  markEndDays(image, folded(log));
  concludeAbsence(image, delivery.types);
  draft(image);
  const before = new KeptBefore(image, log);
  followOwners(image, before, delivery.types);
  markTermOver(image, before, delivery.today);
  return { image, before };
}

function markEndDays(image: Image, live: ReadonlyMap<string, Entity>): void {
  for (const [key, entity] of live)
    if (entity.type === "academicSession") image.endDay[entryOf(image, key)] = dayNumber(entity.endDate);
  for (const [key, entity] of live) {
    if (entity.type !== "class" || entity.termSourcedIds.length === 0) continue;
    const days = entity.termSourcedIds.map((term) => image.endDay[entryOf(image, entityKey("academicSession", term))]);
    image.endDay[entryOf(image, key)] = Math.max(...days.map((day) => day ?? unknownDay));
  }
}

/** The plan of a delivery, the exceptions of earlier ones laid over it. */
export function planned(
  log: Log,
  delivery: Delivery,
  given: { readonly limits?: Limits; readonly exceptions?: Exceptions; readonly approvedCause?: string } = {},
): Plan {
  const { image, before } = compared(log, delivery);
  const exceptions = layered(image, given.exceptions ?? new Map(), false);
  const why = judge(image, given.limits ?? noLimits, {
    approvedCause: given.approvedCause ?? null,
    isDoubted: false,
  });
  if (why === null) holdParents(image, before);
  for (let entry = 0; entry < image.size; entry++) {
    const held = image.hold[entry];
    if (image.exception[entry] !== exception.none || (held !== hold.limit && held !== hold.children)) continue;
    const reason = held === hold.limit ? "limit" : "children";
    exceptions.set(before.read(entry).key, { hash: null, state: exception.held, reason });
  }
  return { image, before, cause: why, exceptions };
}

/** The rest of a plan whose changeset was begun: the limits have had their say. */
export function resumed(log: Log, delivery: Delivery, stored: Exceptions): Plan {
  const { image, before } = compared(log, delivery);
  const exceptions = layered(image, stored, true);
  holdAsStored(image);
  holdParents(image, before);
  return { image, before, cause: null, exceptions };
}

/** Exceptions that still match. Keys that waited for children are looked at again unless they are to go on waiting. */
function layered(image: Image, stored: Exceptions, keepWaiting: boolean): Map<string, Exception> {
  const matching = new Map<string, Exception>();
  for (const [key, one] of stored) {
    const entry = entryOf(image, key);
    if (entry === -1 || !matchException(image, entry, one)) continue;
    if (one.reason === "children" && one.state === exception.held && !keepWaiting)
      image.exception[entry] = exception.none;
    else matching.set(key, one);
  }
  return matching;
}

/** Held exceptions of some types, approved by a person. */
export function approved(exceptions: Exceptions, covers: (type: EntityType) => boolean): Exceptions {
  return new Map(
    [...exceptions].map(([key, one]) => [
      key,
      one.state === exception.held && covers(typeOf(key)) ? { ...one, state: exception.approved } : one,
    ]),
  );
}

/** The records that a plan writes, in their order; none when it is held as a whole. */
export function written({ image, before, cause: why }: Plan, delivery: Delivery): Log {
  if (why !== null) return [];
  const records: Written[] = [];
  for (const row of delivery.rows) {
    if (row.state !== "content") continue;
    const entry = entryOf(image, row.key);
    const planned = image.action[entry];
    if ((planned !== action.create && planned !== action.update) || image.hold[entry] !== hold.none) continue;
    records.push({ key: row.key, op: "upsert", entity: row.entity });
  }
  for (const entry of deletesInOrder(image, before)) {
    const { key, entity } = before.read(entry);
    if (image.published[entry] === published.live) records.push({ key, op: "deleted", entity });
    records.push({ key, op: "null", entity: null });
  }
  return records;
}
