// The form in which an entity of OneRoster is described, and the TypeScript types that follow from a description.
// It keeps true that parser, validator, Avro schemas, templates and documentation cannot disagree: all read descriptions.

import type { SourcedId } from "../ids.ts";
import type { EntityType } from "./entity-types.ts";
import type { Enumeration, Version } from "./enumerations.ts";

/** The headers that exist: 1.2.0 differs from 1.2 (binding 1.2.1) by one column of users.csv. */
export type Layout = Version | "1.2.0";

/**
 * R: every row has a value. D: delta rows have one and bulk rows none. O: the cell may be blank.
 * In all three the column itself is there.
 */
export type Requirement = "R" | "D" | "O";

/** The requirement per layout, null where the layout has no such column; `rest` is the weakest of the REST bindings. */
export type Need = Readonly<Record<Layout | "rest", Requirement | null>>;

/** What a reference points to. `userProfile` is a thing of OneRoster that Rollcall does not carry. */
export type ReferenceTarget = EntityType | "userProfile";

type FieldBase<Kind extends string> = {
  /** Name in our model. It is the column's name unless that would be ambiguous between entities. */
  readonly name: string;
  /** Name of the column, where it is not the name in our model. Equal in all versions. */
  readonly column?: string;
  readonly kind: Kind;
  readonly need: Need;
  /** In one sentence, for schemas and documentation. */
  readonly doc: string;
  /**
   * Where the value goes when it does not go into the entity: `row` decides about the row, `derived` makes role
   * entities, `never` is read past. Without it the value is part of the entity.
   */
  readonly kept?: "row" | "derived" | "never";
  /** `personal`: data of a person, which reaches no log and no message. `secret`: not even the model. */
  readonly sensitivity?: "personal" | "secret";
};

export type ReferenceField = FieldBase<"ref" | "refList"> & {
  readonly to: ReferenceTarget;
  /** The type that the org or academic session referred to must have. */
  readonly toType?: "school" | "schoolYear";
};

export type EnumField = FieldBase<"enum" | "enumList"> & { readonly enumeration: Enumeration };

export type PlainField = FieldBase<
  "string" | "id" | "stringList" | "date" | "dateTime" | "year" | "boolean" | "userIds"
>;

/** The key of the row. `to` is set where it is at the same time a reference: demographics carry the id of their user. */
export type GuidField = FieldBase<"guid"> & { readonly to?: EntityType };

export type Field = GuidField | ReferenceField | EnumField | PlainField;

export type EntityDescription = {
  readonly type: EntityType;
  /** Short name of the Avro record, `rollcall.entity.<record>`. */
  readonly record: string;
  /** Name of the CSV file without extension, which is also the manifest's property after `file.`; null: no such file. */
  readonly file: Readonly<Record<Version, string | null>>;
  readonly doc: string;
  /** In the order of the standard's tables: the columns of a layout are the fields that it has, in this order. */
  readonly fields: readonly Field[];
};

/** One id of a user in another system, such as LDAP. */
export type UserId = { readonly type: string; readonly identifier: string };

/** One extension column `metadata.<name>` with a value. */
export type Metadata = { readonly name: string; readonly value: string };

type TokenOf<E extends Enumeration> =
  | E["tokens"][Version][number]
  | (E extends { readonly extensible: true } ? `ext:${string}` : never);

type RawValueOf<F> = F extends { readonly enumeration: infer E extends Enumeration; readonly kind: infer K }
  ? K extends "enumList"
    ? readonly TokenOf<E>[]
    : TokenOf<E>
  : F extends { readonly kind: "guid" | "ref" }
    ? SourcedId
    : F extends { readonly kind: "refList" }
      ? readonly SourcedId[]
      : F extends { readonly kind: "stringList" }
        ? readonly string[]
        : F extends { readonly kind: "userIds" }
          ? readonly UserId[]
          : F extends { readonly kind: "dateTime" | "year" }
            ? number
            : F extends { readonly kind: "boolean" }
              ? boolean
              : string;

type NullOf<F> = F extends { readonly kind: "refList" | "stringList" | "enumList" | "userIds" }
  ? never
  : F extends { readonly need: Readonly<Record<string, infer N>> }
    ? Extract<N, "O" | "D"> extends never
      ? never
      : null
    : never;

type KeptOf<D extends EntityDescription> = Exclude<D["fields"][number], { readonly kept: "row" | "derived" | "never" }>;

type Flat<T> = { readonly [K in keyof T]: T[K] };

/** The entity that a description describes. Lists are never null; what may be blank in some binding may be null. */
export type EntityOf<D extends EntityDescription> = Flat<
  { readonly type: D["type"] } & {
    readonly [F in KeptOf<D> as F["name"]]: RawValueOf<F> | NullOf<F>;
  } & { readonly metadata: readonly Metadata[] }
>;

/** Whether the value of a field may be null in our model. Lists are empty instead. */
export function isNullable(field: Field): boolean {
  return !isList(field) && Object.values(field.need).some((need) => need === "O" || need === "D");
}

/** Whether the value of a field is an array. */
export function isList(field: Field): boolean {
  return (
    field.kind === "refList" || field.kind === "stringList" || field.kind === "enumList" || field.kind === "userIds"
  );
}

/** The name of a field's column in a CSV file. */
export function columnName(field: Field): string {
  return field.column ?? field.name;
}

/** The fields that are columns of a layout, in the order of the header. */
export function columnsOf(description: EntityDescription, layout: Layout): readonly Field[] {
  return description.fields.filter((field) => field.need[layout] !== null);
}

/** The fields that are part of the entity, in the order of the Avro record: `dateLastModified` first, then as in the table. */
export function modelFields(description: EntityDescription): readonly Field[] {
  const kept = description.fields.filter((field) => field.kept === undefined);
  const isTime = (field: Field): boolean => field.name === "dateLastModified";
  return [...kept.filter(isTime), ...kept.filter((field) => !isTime(field))];
}
