// What a subscriber is given of the topics of a district: changes of entities, and whole states by key.
// It keeps true that unknown keys are skipped, that an unknown op is an upsert, and that null means gone.

import type { ChangeCodec, ChangeHead } from "../adapters/registry/change-codec.ts";
import { recordCodec } from "../adapters/registry/record-codec.ts";
import { type DistrictId, parseEntityKey, typeOfKey } from "../domain/ids.ts";
import type { Entity } from "../domain/oneroster/entities.ts";
import { type EntityType, isEntityType } from "../domain/oneroster/entity-types.ts";
import type { StoredRecord } from "../ports.ts";
import type { Records } from "../records.ts";
import { districtTopic } from "../topics.ts";
import type { Feed } from "./follow.ts";

/** What a record says of an entity. */
export type EntityChange = {
  readonly type: EntityType;
  readonly sourcedId: string;
  /** The entity as it is now; null: it is gone. */
  readonly entity: Entity | null;
  /** When, in which changeset, and why; null on the null record that follows a delete. */
  readonly head: ChangeHead | null;
  readonly delivery: string | null;
  readonly origin: string | null;
};

/**
 * A record of roster.<district>; null: its key is no entity's, or of a kind that is not known here.
 * @throws AppError `registry.undecodable` when it holds anything but a change of the entity that its key names.
 */
export function entityChange(changes: ChangeCodec, record: StoredRecord): EntityChange | null {
  const type = typeOfKey(record.key);
  if (type === null || !isEntityType(type)) return null;
  const name = parseEntityKey(Buffer.from(record.key).toString());
  if (name === null) return null;
  const { value, offset } = record;
  const change = value === null ? null : changes.changeAt(type, { value, offset });
  const isGone = change === null || change.head.op === "deleted";
  return {
    type,
    sourcedId: name.sourcedId,
    entity: isGone ? null : changes.decodeEntity(change.type, change.content),
    head: change?.head ?? null,
    delivery: record.header("delivery") ?? null,
    origin: record.header("origin") ?? null,
  };
}

const markerKey = Buffer.from('["changeset"]');

/** Whether a record of roster.<district> ends a changeset. */
export function isMarker({ key, value }: StoredRecord): boolean {
  return value !== null && key.length === markerKey.length && markerKey.equals(key);
}

/** All that a district delivered, as it changes. */
export function rosterFeed(district: DistrictId): Feed<EntityChange> {
  return {
    topic: districtTopic("roster", district),
    itemOf: ({ changes }, record) => entityChange(changes, record),
    changesetOf: ({ codec }, record) =>
      record.value !== null && isMarker(record)
        ? recordCodec(codec).decode("rollcall.roster.Changeset", record.value).number
        : null,
  };
}

/** The whole state of a key of two parts; null: nothing is said of it any more. */
export type KeyedState<State> = {
  readonly person: string;
  /** The class of a teacher's roster, the product of a registration. */
  readonly of: string;
  readonly state: State | null;
};

type StateName = "rollcall.teacher.TeacherRoster" | "rollcall.registration.Registration";

function stateFeed<N extends StateName>(topic: string, recordName: N): Feed<KeyedState<Records[N]>> {
  return {
    topic,
    itemOf: ({ codec }, { key, value }) => {
      const name = typeOfKey(key) === null ? null : parseEntityKey(Buffer.from(key).toString());
      if (name === null) return null;
      const state = value === null ? null : recordCodec(codec).decode(recordName, value);
      return { person: name.type, of: name.sourcedId, state };
    },
    changesetOf: () => null,
  };
}

/** The classes of each teacher, as that teacher may see them. */
export function teacherRostersFeed(district: DistrictId): Feed<KeyedState<Records["rollcall.teacher.TeacherRoster"]>> {
  return stateFeed(districtTopic("teacherRosters", district), "rollcall.teacher.TeacherRoster");
}

/** What each person is to each product. */
export function registrationsFeed(
  district: DistrictId,
): Feed<KeyedState<Records["rollcall.registration.Registration"]>> {
  return stateFeed(districtTopic("registrations", district), "rollcall.registration.Registration");
}
