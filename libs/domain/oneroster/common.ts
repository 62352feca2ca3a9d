// What the descriptions share: the requirements that recur, and the first two columns after the key of every table.

import type { Field, Need, PlainField, EnumField, GuidField } from "./description.ts";
import { status as statusTokens } from "./enumerations.ts";

export const required = { "1.1": "R", "1.2": "R", "1.2.0": "R", rest: "R" } as const satisfies Need;
/** CSV wants a value, one of the REST bindings does not (CSV and REST disagree on a handful of fields). */
export const requiredInCsv = { "1.1": "R", "1.2": "R", "1.2.0": "R", rest: "O" } as const satisfies Need;
export const optional = { "1.1": "O", "1.2": "O", "1.2.0": "O", rest: "O" } as const satisfies Need;
export const deltaOnly = { "1.1": "D", "1.2": "D", "1.2.0": "D", rest: "O" } as const satisfies Need;
export const requiredSince12 = { "1.1": null, "1.2": "R", "1.2.0": "R", rest: "R" } as const satisfies Need;
export const optionalSince12 = { "1.1": null, "1.2": "O", "1.2.0": "O", rest: "O" } as const satisfies Need;
export const deltaSince12 = { "1.1": null, "1.2": "D", "1.2.0": "D", rest: "O" } as const satisfies Need;
export const requiredIn11 = { "1.1": "R", "1.2": null, "1.2.0": null, rest: "R" } as const satisfies Need;
export const optionalIn120 = { "1.1": null, "1.2": null, "1.2.0": "O", rest: null } as const satisfies Need;

export const sourcedId = {
  name: "sourcedId",
  kind: "guid",
  need: required,
  doc: "The source's id of this thing, unique within district and type.",
} as const satisfies GuidField;

export const status = {
  name: "status",
  kind: "enum",
  enumeration: statusTokens,
  need: deltaOnly,
  kept: "row",
  doc: "Whether the row deletes. Blank in bulk files; an entity that exists is active.",
} as const satisfies EnumField;

export const dateLastModified = {
  name: "dateLastModified",
  kind: "dateTime",
  need: deltaOnly,
  doc: "When the source last changed the row, epoch milliseconds; null when it does not say, as in bulk files.",
} as const satisfies PlainField;

/** The first three columns of every table. */
export const common = [sourcedId, status, dateLastModified] as const satisfies readonly Field[];
