// Small districts made at random, their next states, and the deliveries that say so.

import { strict as assert } from "node:assert";

import type { DeliveredTypes } from "../../../libs/domain/diff/plan.ts";
import { entityKey } from "../../../libs/domain/ids.ts";
import { derivedRoles, ownerOfDerivedRole } from "../../../libs/domain/oneroster/derived-role.ts";
import type { Entity } from "../../../libs/domain/oneroster/entities.ts";
import { type EntityType, entityTypes } from "../../../libs/domain/oneroster/entity-types.ts";
import type { Random } from "../../support/seeded.ts";
import { byType, type Delivery, folded, keyOf, type Log, planned, type Row, written } from "./model.ts";
import { randomEntity, randomTime, sourcedId, touched } from "./random-entities.ts";

/** Entities by key, parents before children. `derived`: the roles come from the rows of users. */
export type District = { readonly entities: ReadonlyMap<string, Entity>; readonly derived: boolean };

export const nobody: District = { entities: new Map(), derived: false };
export const today = 20_500;

function idsOf(type: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${type === "demographics" ? "user" : type}-${index}`);
}

/** A state that follows another: some entities as they were or newly dated, some changed, some gone, some new. */
export function nextDistrict(random: Random, was: District, derived = random.chance(0.5)): District {
  const entities = new Map<string, Entity>();
  for (const type of entityTypes) {
    if (type === "role" && derived) addDerivedRoles(random, was, entities);
    else
      for (const [index, id] of idsOf(type, random.size).entries()) {
        const entity = nextEntity(random, { type, id, index }, was.entities.get(entityKey(type, id)));
        if (entity !== null) entities.set(keyOf(entity), entity);
      }
  }
  return { entities, derived };
}

function nextEntity(
  random: Random,
  { type, id, index }: { readonly type: EntityType; readonly id: string; readonly index: number },
  was: Entity | undefined,
): Entity | null {
  const fate = random.next();
  if (was !== undefined && fate < 0.3) return was;
  if (was !== undefined && fate < 0.5) return touched(was, randomTime(random));
  if (fate < (was === undefined ? 0.5 : 0.8))
    // Among themselves entities of one type refer only to those before them, so that there is an order.
    return randomEntity(random, { type, sourcedId: id }, (to) => idsOf(to, to === type ? index : random.size));
  return null;
}

function addDerivedRoles(random: Random, was: District, entities: Map<string, Entity>): void {
  for (const user of entities.values()) {
    if (user.type !== "user") continue;
    const before = [...was.entities.values()].filter((one) => ownerOfDerivedRole(one.sourcedId) === user.sourcedId);
    const same = was.derived && before.length > 0 && random.chance(0.6);
    const orgs = random.some(idsOf("org", random.size), 0.4).map(sourcedId);
    for (const role of same ? before : derivedRoles(user, random.pick(["teacher", "student"]), orgs))
      entities.set(keyOf(role), role);
  }
}

/** What a delivery of bulk files allows to be concluded, or one of delta files. */
export function typesOf(absence: boolean, derived: boolean): DeliveredTypes {
  return byType((type) => ({ absence, suspended: false, derived: derived && type === "role" }));
}

export function contentRow(entity: Entity): Row {
  return { state: "content", key: keyOf(entity), entity };
}

export function wholeOf({ entities, derived }: District): Delivery {
  return { rows: [...entities.values()].map(contentRow), types: typesOf(true, derived), today };
}

/** Only what differs; of a user whose derived roles differ, the whole row. */
export function deltaOf(was: District, is: District): Delivery {
  assert.equal(was.derived, is.derived);
  const changedKeys = new Set(
    [...is.entities].filter(([key, one]) => !same(one, was.entities.get(key))).map(([key]) => key),
  );
  const gone = [...was.entities.keys()].filter((key) => !is.entities.has(key));
  const users = new Set<string>();
  for (const key of [...changedKeys, ...gone]) users.add(is.derived ? userKeyOf(key) : key);
  const rows: Row[] = [];
  for (const [key, entity] of is.entities)
    if (changedKeys.has(key) || users.has(is.derived ? userKeyOf(key) : key)) rows.push(contentRow(entity));
  for (const key of gone) if (userKeyOf(key) === key) rows.push({ state: "absent", key });
  return { rows, types: typesOf(false, is.derived), today };
}

/** The key of the user from whose row a derived role comes; any other key as it is. */
export function userKeyOf(key: string): string {
  const [type, id]: readonly string[] = JSON.parse(key);
  const user = type === "role" ? ownerOfDerivedRole(id ?? "") : null;
  return user === null ? key : entityKey("user", user);
}

export function same(a: Entity | undefined, b: Entity | undefined): boolean {
  return a !== undefined && b !== undefined && JSON.stringify(touched(a, null)) === JSON.stringify(touched(b, null));
}

/** A state by key, without the dates that are no change, in a form that can be compared. */
export function plain(entities: ReadonlyMap<string, Entity>): readonly string[] {
  return [...entities].map(([key, entity]) => `${key} ${JSON.stringify(touched(entity, null))}`).toSorted();
}

/** Fails unless the log's readers hold exactly this state. */
export function assertHolds(log: Log, { entities }: District): void {
  assert.deepEqual(plain(folded(log)), plain(entities));
}

/** A log that holds the state, with the history of another before it. */
export function logOf(random: Random, is: District): Log {
  const first = wholeOf(nextDistrict(random, nobody, is.derived));
  const log = written(planned([], first), first);
  const delivery = wholeOf(is);
  return [...log, ...written(planned(log, delivery), delivery)];
}
