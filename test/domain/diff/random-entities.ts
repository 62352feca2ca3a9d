// Entities made at random from their descriptions: every field of every type takes every kind of value that it can have.

import { strict as assert } from "node:assert";

import { unreachable } from "../../../libs/domain/assert.ts";
import { parseSourcedId, type SourcedId } from "../../../libs/domain/ids.ts";
import {
  type Field,
  isNullable,
  modelFields,
  type ReferenceTarget,
} from "../../../libs/domain/oneroster/description.ts";
import { descriptionOf, type Entity } from "../../../libs/domain/oneroster/entities.ts";
import { entityOf } from "../../../libs/domain/oneroster/entity-codec.ts";
import type { EntityType } from "../../../libs/domain/oneroster/entity-types.ts";
import type { Random } from "../../support/seeded.ts";

/** Ids to refer to, by type. */
export type Targets = (to: ReferenceTarget) => readonly string[];

const words = ["", "a", "Ada", "Żółć", "x".repeat(200), "two words", "emoji 🎒", '~%22,"', "0012"];
const dates = ["2025-08-01", "2026-01-31", "2026-06-30", "1999-12-31"];
const times = [0, 1, -1, 63, 64, -65, 1_760_000_000_000, 253_402_300_799_999, -62_135_596_800_000];

export function sourcedId(text: string): SourcedId {
  const id = parseSourcedId(text);
  assert(id !== null);
  return id;
}

export function randomTime(random: Random): number | null {
  return random.chance(0.3) ? null : random.chance(0.5) ? random.pick(times) : random.below(2 ** 40);
}

export function randomEntity(
  random: Random,
  name: { readonly type: EntityType; readonly sourcedId: string },
  targets: Targets,
): Entity {
  const values: Record<string, unknown> = { type: name.type };
  for (const field of modelFields(descriptionOf(name.type))) values[field.name] = randomValue(random, field, targets);
  values["sourcedId"] = sourcedId(name.sourcedId);
  values["metadata"] = ["colour", "room"]
    .filter(() => random.chance(0.2))
    .map((key) => ({ name: key, value: random.pick(words) }));
  return entityOf(values);
}

function randomValue(random: Random, field: Field, targets: Targets): unknown {
  if (isNullable(field) && random.chance(0.3)) return null;
  switch (field.kind) {
    case "guid":
      return "";
    case "ref":
      return referable(targets, field.to, random);
    case "refList":
      return [...new Set([referable(targets, field.to, random), referable(targets, field.to, random)])].slice(
        random.below(3),
      );
    case "enum":
      return random.pick([...field.enumeration.tokens["1.2"], "ext:other"]);
    case "enumList":
      return random.some(field.enumeration.tokens["1.2"], 0.3);
    case "string":
    case "id":
      return random.pick(words);
    case "stringList":
      return random.some(words, 0.2);
    case "userIds":
      return random.some(words, 0.1).map((identifier) => ({ type: "LDAP", identifier }));
    case "date":
      return random.pick(dates);
    case "dateTime":
      return randomTime(random);
    case "year":
      return 2020 + random.below(10);
    case "boolean":
      return random.chance(0.5);
    default:
      return unreachable(field);
  }
}

function referable(targets: Targets, to: ReferenceTarget, random: Random): string {
  const ids = targets(to);
  return ids.length === 0 ? "dangling" : random.pick(ids);
}

/** The same entity with another `dateLastModified`. */
export function touched(entity: Entity, dateLastModified: number | null): Entity {
  return entityOf({ ...entity, dateLastModified });
}
