// Lays one delivery over what is published: the fold of the roster topic, then the range of the delivery, then the
// published content of whatever differs. It reads and concludes; it judges and writes nothing.

import { type ChangeCodec, contentFingerprint, type Desire } from "../../libs/adapters/registry/change-codec.ts";
import { unreachable } from "../../libs/domain/assert.ts";
import { action, cause, declared, desired, Image, published, unknownDay } from "../../libs/domain/diff/image.ts";
import {
  concludeAbsence,
  type DeliveredTypes,
  draft,
  followOwners,
  markTermOver,
  needsBefore,
  rememberAbsence,
} from "../../libs/domain/diff/plan.ts";
import { dayNumber } from "../../libs/domain/dates.ts";
import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { parseEntityKey, typeOfKey } from "../../libs/domain/ids.ts";
import { OffsetSet } from "../../libs/domain/offset-set.ts";
import type { Class } from "../../libs/domain/oneroster/class.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import { RangeHash } from "../../libs/domain/range-hash.ts";
import { AppError } from "../../libs/errors.ts";
import type { EventLog, LogRange, StoredRecord } from "../../libs/ports.ts";
import type { Delivery } from "../../libs/records.ts";
import { BeforeImageFile } from "./before-images.ts";
import { entryOf } from "./entries.ts";
import { type ExceptionRow, readException } from "./exceptions.ts";

const typeIndex: ReadonlyMap<string, number> = new Map(entityTypes.map((type, index) => [type, index]));
const sessionType = entityTypes.indexOf("academicSession");
const classType = entityTypes.indexOf("class");
const tilde = 0x7e;
const samplesPerType = 10;

export type Comparison = {
  readonly image: Image;
  readonly before: BeforeImageFile;
  /** Offsets of the delivery's range whose content is not what is published. */
  readonly changed: OffsetSet;
  /** Some sourcedIds of new entities, by index of the type: enough to show a person what kind of ids they are. */
  readonly newIds: readonly (readonly string[])[];
  /** The range of the roster topic that was compared. */
  readonly roster: LogRange;
};

type Reading = { readonly log: EventLog; readonly codec: ChangeCodec };

/**
 * @param roster the whole roster topic, from its start up to the point to which this writer is alone.
 * @throws AppError `delivery.range-unusable` when the delivery's range has expired or is not what its record says.
 */
export async function compare(
  reading: Reading,
  {
    delivery,
    entities,
    roster,
    exceptions,
  }: {
    readonly delivery: Delivery;
    readonly entities: string;
    readonly roster: LogRange;
    readonly exceptions: AsyncIterable<readonly ExceptionRow[]>;
  },
): Promise<Comparison> {
  const image = new Image();
  await fold(reading, roster, image);
  const changed = new OffsetSet(delivery);
  const newIds = await readDesired(reading, { delivery, entities, image, changed });
  const types = deliveredTypes(delivery);
  concludeAbsence(image, types);
  await markDeclaredAbsent(image, exceptions);
  rememberAbsence(image);
  draft(image);
  const before = new BeforeImageFile(image, reading.codec);
  try {
    await keepBefore(reading, { roster, image, before });
    await keepOrigins(reading, { delivery, entities, image, before });
    followOwners(image, before, types);
    markTermOver(image, before, dayNumber(delivery.asOf));
  } catch (error) {
    before.close();
    throw error;
  }
  return { image, before, changed, newIds, roster };
}

/** Reads the roster topic into the image: of each key its state, content fingerprint and last offset. */
async function fold({ log, codec }: Reading, roster: LogRange, image: Image): Promise<void> {
  const key = new Uint32Array(4);
  const hash = new Uint32Array(4);
  for await (const batch of log.scan(roster)) {
    for (const record of batch) {
      const name = typeOfKey(record.key) ?? "";
      const type = typeIndex.get(name);
      if (type === undefined) continue;
      fingerprint(record.key, 0, record.key.length, key);
      const entry = image.entry(key, type);
      if (isDerivedRole(record.key)) image.derived[entry] = 1;
      const { value, offset } = record;
      if (value === null) {
        image.foldNull(entry, offset);
        continue;
      }
      const change = codec.changeAt(name, { value, offset });
      if (change.head.op === "deleted") {
        image.foldDeleted(entry, offset);
        continue;
      }
      contentFingerprint(change.content, hash);
      image.foldUpsert(entry, hash, offset);
      if (type === sessionType) {
        const session = codec.decodeEntity(change.type, change.content);
        if (session.type === "academicSession") image.endDay[entry] = dayNumber(session.endDate);
      }
    }
  }
}

/** A derived role's key is `["role","~...`: one byte tells. */
function isDerivedRole(key: Uint8Array): boolean {
  return key[9] === tilde && key[2] === 0x72 && key[3] === 0x6f && key[6] === 0x22;
}

/** Reads the delivery's range into the image and checks it against the counts and hashes of the delivery's record. */
async function readDesired(
  { log, codec }: Reading,
  {
    delivery,
    entities,
    image,
    changed,
  }: {
    readonly delivery: Delivery;
    readonly entities: string;
    readonly image: Image;
    readonly changed: OffsetSet;
  },
): Promise<readonly (readonly string[])[]> {
  const audit = new RangeAudit(delivery);
  const newIds: string[][] = entityTypes.map(() => []);
  const key = new Uint32Array(4);
  const hash = new Uint32Array(4);
  for await (const batch of desires({ log, codec }, { delivery, entities })) {
    for (const { record, type, desire } of batch) {
      audit.add(type, record, desire);
      fingerprint(record.key, 0, record.key.length, key);
      const known = image.size;
      const entry = image.entry(key, type);
      if (isDerivedRole(record.key)) image.derived[entry] = 1;
      switch (desire.state) {
        case "content":
          contentFingerprint(desire.content, hash);
          image.desireContent(entry, hash);
          if (image.published[entry] !== published.live || !image.isUnchanged(entry)) changed.add(record.offset);
          if (entry === known) keepSample(newIds[type], record.key);
          break;
        case "absent":
          image.desired[entry] = desired.absent;
          image.cause[entry] = cause.toBeDeleted;
          break;
        case "unknown":
          image.desired[entry] = desired.claimed;
          break;
        default:
          unreachable(desire);
      }
    }
  }
  audit.verify();
  return newIds;
}

function keepSample(samples: string[] | undefined, key: Uint8Array): void {
  if (samples === undefined || samples.length >= samplesPerType) return;
  const sourcedId = parseEntityKey(Buffer.from(key).toString())?.sourcedId;
  if (sourcedId !== undefined) samples.push(sourcedId);
}

export type DesireRecord = { readonly record: StoredRecord; readonly type: number; readonly desire: Desire };

/**
 * The records of a delivery's range that are of this delivery and attempt, in order, a batch at a time: a promise for
 * each record would cost more than reading it.
 * @param range.only leaves out the other offsets, unread.
 */
export async function* desires(
  reading: Reading,
  { delivery, entities, only }: { readonly delivery: Delivery; readonly entities: string; readonly only?: OffsetSet },
): AsyncGenerator<readonly DesireRecord[]> {
  const range = { topic: entities, generation: delivery.generation, from: delivery.from, to: delivery.to };
  try {
    for await (const batch of reading.log.scan(range)) {
      const wanted = only === undefined ? batch : batch.filter((record) => only.has(record.offset));
      yield await desiresOf(reading.codec, delivery, wanted);
    }
  } catch (error) {
    if (error instanceof AppError && rangeErrors.has(error.code))
      throw new AppError("delivery.range-unusable", {
        message: `the range of ${delivery.delivery} cannot be read`,
        cause: error,
      });
    throw error;
  }
}

async function desiresOf(
  codec: ChangeCodec,
  delivery: Delivery,
  records: readonly StoredRecord[],
): Promise<readonly DesireRecord[]> {
  const attempt = String(delivery.attempt);
  const found: DesireRecord[] = [];
  for (const record of records) {
    if (record.value === null) continue;
    if (record.header("delivery") !== delivery.delivery || record.header("attempt") !== attempt) continue;
    const type = typeIndex.get(typeOfKey(record.key) ?? "");
    if (type === undefined) continue;
    const desire = codec.desireOf(record.value);
    if (desire.state === "content" && desire.type !== entityTypes[type])
      throw new AppError("registry.undecodable", {
        message: `the record at offset ${record.offset} of ${delivery.delivery} holds an entity of another type than its key names`,
      });
    found.push({ record, type, desire });
  }
  return found;
}

const rangeErrors: ReadonlySet<string> = new Set([
  "log.generation",
  "log.range-expired",
  "log.range-short",
  "log.unknown-topic",
]);

/** Counts and hashes of a range as read, against those of the delivery's record: a difference is never an empty set. */
class RangeAudit {
  readonly #delivery: Delivery;
  readonly #hashes = entityTypes.map(() => new RangeHash());
  readonly #counts = entityTypes.map(() => ({ content: 0, absent: 0, unknown: 0 }));

  constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  add(type: number, record: StoredRecord, desire: Desire): void {
    this.#hashes[type]?.add(record.key, record.value);
    const counts = this.#counts[type];
    if (counts !== undefined) counts[desire.state]++;
  }

  verify(): void {
    for (const promised of this.#delivery.types) {
      const index = typeIndex.get(promised.type) ?? -1;
      const counts = this.#counts[index];
      const same =
        counts?.content === promised.content &&
        counts.absent === promised.absent &&
        counts.unknown === promised.unknown &&
        this.#hashes[index]?.toString() === promised.hash;
      if (!same)
        throw new AppError("delivery.range-unusable", {
          message: `the range of ${this.#delivery.delivery} does not hold the records of type ${promised.type} that its delivery names`,
        });
    }
  }
}

/** What the delivery allows to be concluded, by type. */
export function deliveredTypes(delivery: Delivery): DeliveredTypes {
  const nothing = { absence: false, suspended: false, derived: false };
  const of = (type: string): DeliveredTypes["org"] => delivery.types.find((item) => item.type === type) ?? nothing;
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

/** Marks the keys of which an exception says that the sources have declared them absent. */
async function markDeclaredAbsent(image: Image, exceptions: AsyncIterable<readonly ExceptionRow[]>): Promise<void> {
  for await (const rows of exceptions) {
    for (const row of rows) {
      const { entry, stored } = readException(image, row);
      if (entry !== -1 && stored.hash === null) image.declaredAbsent[entry] = declared.absent;
    }
  }
}

/** Keeps the place of every row that says of a published entity that it is to be deleted. */
async function keepOrigins(
  { log, codec }: Reading,
  about: {
    readonly delivery: Delivery;
    readonly entities: string;
    readonly image: Image;
    readonly before: BeforeImageFile;
  },
): Promise<void> {
  const { delivery, entities, image, before } = about;
  if (!image.cause.includes(cause.toBeDeleted)) return;
  const key = new Uint32Array(4);
  for await (const batch of desires({ log, codec }, { delivery, entities })) {
    for (const { record, desire } of batch) {
      const origin = desire.state === "absent" ? record.header("origin") : undefined;
      if (origin === undefined) continue;
      fingerprint(record.key, 0, record.key.length, key);
      const entry = image.find(key);
      if (image.action[entry] === action.delete) before.keepOrigin(entry, origin);
    }
  }
}

/** Keeps the published content of every key that needs it, and the last day of every class if something is deleted. */
async function keepBefore(
  { log, codec }: Reading,
  { roster, image, before }: { readonly roster: LogRange; readonly image: Image; readonly before: BeforeImageFile },
): Promise<void> {
  const deletes = image.action.includes(action.delete) || image.desired.includes(desired.follows);
  if (!deletes && !image.action.includes(action.update) && !image.action.includes(action.sendNull)) return;
  const wanted = new OffsetSet(roster);
  for (let entry = 0; entry < image.size; entry++) {
    const isClass = deletes && image.type[entry] === classType && image.published[entry] === published.live;
    if (isClass || needsBefore(image, entry)) wanted.add(image.offset[entry] ?? 0);
  }
  const key = new Uint32Array(4);
  for await (const batch of log.scan(roster)) {
    for (const record of batch) {
      if (!wanted.has(record.offset)) continue;
      const { value, offset } = record;
      const name = typeOfKey(record.key) ?? "";
      if (value === null || !typeIndex.has(name)) continue;
      fingerprint(record.key, 0, record.key.length, key);
      const entry = image.find(key);
      if (entry === -1 || image.offset[entry] !== offset) continue;
      const isClass = deletes && image.type[entry] === classType;
      const needed = needsBefore(image, entry);
      if (!needed && !isClass) continue;
      const change = codec.changeAt(name, { value, offset });
      if (needed) before.keep(entry, record.key, change.content);
      if (!isClass) continue;
      const entity = codec.decodeEntity(change.type, change.content);
      if (entity.type === "class") image.endDay[entry] = lastDayOf(entity, image);
    }
  }
}

/** The day after the last of a class's terms; unknown unless all of them are known. */
function lastDayOf({ termSourcedIds }: Class, image: Image): number {
  let last = -1;
  for (const sourcedId of termSourcedIds) {
    const entry = entryOf(image, { type: "academicSession", sourcedId });
    const day = entry === -1 ? undefined : image.endDay[entry];
    if (day === undefined) return unknownDay;
    last = Math.max(last, day);
  }
  return last === -1 ? unknownDay : last;
}
