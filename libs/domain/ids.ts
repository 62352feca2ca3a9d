// The identifiers of the pipeline, branded so that one kind cannot be passed for another.
// They are minted here and nowhere else: whatever holds one of these types has passed its rule.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** The tenant's id: 1 to 63 of `a-z 0-9 -`, beginning and ending with a letter or digit. It becomes part of topic names. */
export type DistrictId = Branded<"DistrictId">;
/** OneRoster's own id of a thing, unique within a district and entity type; 1 to 255 characters. */
export type SourcedId = Branded<"SourcedId">;
/** One complete set from one source: `<district>.<source>.<sequence>`. */
export type DeliveryId = Branded<"DeliveryId">;
/** One way in which a district delivers: same alphabet as a district id. */
export type SourceId = Branded<"SourceId">;
/** The key of an entity on every data topic: the JSON array `[type,sourcedId]` as text. */
export type EntityKey = Branded<"EntityKey">;

const nameForm = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/u;
const deliveryForm = /^[a-z0-9-]+\.[a-z0-9-]+\.[1-9][0-9]{0,14}$/u;

/** @returns the id, or null when the text breaks the rule of {@link DistrictId}. */
export function parseDistrictId(text: string): DistrictId | null {
  return nameForm.test(text) ? (text as DistrictId) : null;
}

/** @returns the id, or null when the text breaks the rule of {@link SourceId}. */
export function parseSourceId(text: string): SourceId | null {
  return nameForm.test(text) ? (text as SourceId) : null;
}

/**
 * A sourcedId as the pipeline accepts it: 1 to 255 characters, none of them a control character.
 * The standard's narrower alphabet (section 1.3 of the CSV binding) is the strict report's business:
 * an id that breaks it still names one thing, and refusing it would lose that thing.
 */
export function parseSourcedId(text: string): SourcedId | null {
  // oxlint-disable-next-line no-control-regex -- control characters are what the rule is about
  return text.length > 0 && text.length <= 255 && !/[\u0000-\u001f\u007f]/u.test(text)
    ? (text.toWellFormed() as SourcedId)
    : null;
}

/** The delivery with this place in its source's sequence, counted from 1. */
export function deliveryId(district: DistrictId, source: SourceId, sequence: number): DeliveryId {
  return `${district}.${source}.${sequence}` as DeliveryId;
}

/** @returns the id, or null when the text is not of the form `<district>.<source>.<sequence>`. */
export function parseDeliveryId(text: string): DeliveryId | null {
  return deliveryForm.test(text) ? (text as DeliveryId) : null;
}

/** The canonical key: `JSON.stringify` of two strings has one spelling, so equal things have equal bytes. */
export function entityKey(type: string, sourcedId: string): EntityKey {
  return JSON.stringify([type, sourcedId]) as EntityKey;
}

/** @returns type and sourcedId, or null when the key is of another kind, such as `["writer"]` or `["changeset"]`. */
export function parseEntityKey(key: string): { readonly type: string; readonly sourcedId: SourcedId } | null {
  const parts: unknown = JSON.parse(key);
  if (!Array.isArray(parts) || parts.length !== 2) return null;
  const [type, sourcedId]: readonly unknown[] = parts;
  return typeof type === "string" && typeof sourcedId === "string" ? { type, sourcedId: sourcedId as SourcedId } : null;
}

/**
 * The type of a key, read off its bytes without parsing it; null for keys of one part such as `["writer"]`.
 * Runs once per record of a fold.
 */
export function typeOfKey(key: Uint8Array): string | null {
  if (hasType(key, lastType)) return lastType;
  let text = "";
  for (let at = 2; at < key.length; at++) {
    const byte = key[at] ?? 0;
    if (byte === 0x22) {
      if (key[at + 1] !== 0x2c) return null;
      return (lastType = text);
    }
    text += String.fromCharCode(byte);
  }
  return null;
}

/** Keys of one type follow one another, and comparing costs less than making a text. */
let lastType = "";

function hasType(key: Uint8Array, type: string): boolean {
  const { length } = type;
  for (let i = 0; i < length; i++) if (key[i + 2] !== type.charCodeAt(i)) return false;
  return key[length + 2] === 0x22 && key[length + 3] === 0x2c;
}
