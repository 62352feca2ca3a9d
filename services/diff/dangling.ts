// What a plan leaves dangling: published entities of which the delivery says nothing, and which refer to something that
// is deleted. They stay, because silence deletes nothing; people are told. Entities that the delivery does hold were
// checked when it was read, and stand in its report.

import type { ChangeCodec } from "../../libs/adapters/registry/change-codec.ts";
import { action, desired, hold, type Image, published } from "../../libs/domain/diff/image.ts";
import { referencesOf } from "../../libs/domain/diff/references.ts";
import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { typeOfKey } from "../../libs/domain/ids.ts";
import type { Entity } from "../../libs/domain/oneroster/entities.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import type { EventLog, LogRange } from "../../libs/ports.ts";
import type { PlanPart } from "../../libs/records.ts";
import { entryOf } from "./entries.ts";

const samplesPerType = 10;
const parentDeleted = "parent-deleted";

/** One part of op `dangling` per entity type that has such entities. */
export async function danglingParts(
  { log, codec }: { readonly log: EventLog; readonly codec: ChangeCodec },
  { image, roster }: { readonly image: Image; readonly roster: LogRange },
): Promise<readonly PlanPart[]> {
  if (!leavesSomethingOut(image)) return [];
  const found = entityTypes.map((type) => ({ type, count: 0, sample: new Array<string>() }));
  const key = new Uint32Array(4);
  for await (const batch of log.scan(roster)) {
    for (const record of batch) {
      fingerprint(record.key, 0, record.key.length, key);
      const entry = image.find(key);
      const { value, offset } = record;
      if (value === null || entry === -1 || image.offset[entry] !== offset || !isLeftOut(image, entry)) continue;
      const change = codec.changeAt(typeOfKey(record.key) ?? "", { value, offset });
      const entity = codec.decodeEntity(change.type, change.content);
      const part = found[image.type[entry] ?? 0];
      if (part === undefined || !refersToDeleted(image, entity)) continue;
      part.count++;
      if (part.sample.length < samplesPerType) part.sample.push(entity.sourcedId);
    }
  }
  return found
    .filter((part) => part.count > 0)
    .map((part) => ({ ...part, op: "dangling", held: 0, causes: [parentDeleted] }));
}

function leavesSomethingOut(image: Image): boolean {
  let deletes = false;
  let leftOut = false;
  for (let entry = 0; entry < image.size && !(deletes && leftOut); entry++) {
    deletes ||= isDeleted(image, entry);
    leftOut ||= isLeftOut(image, entry);
  }
  return deletes && leftOut;
}

function isLeftOut(image: Image, entry: number): boolean {
  return image.published[entry] === published.live && image.desired[entry] === desired.unmentioned;
}

function isDeleted(image: Image, entry: number): boolean {
  return image.action[entry] === action.delete && image.hold[entry] === hold.none;
}

function refersToDeleted(image: Image, entity: Entity): boolean {
  return referencesOf(entity).some((reference) => {
    const parent = entryOf(image, reference);
    return parent !== -1 && isDeleted(image, parent);
  });
}
