// Ids that we make for what has none of its own: the role of a user in an organisation, a class's use of a resource.
// They are made of the ids of what they link, so the same link has the same id every night, and the owner can be read
// from it. `~` is outside the alphabet of OneRoster ids, so such an id meets no delivered one.

import { parseSourcedId, type SourcedId } from "../ids.ts";
import { madeSourcedId } from "./entity-codec.ts";

/** The id of a link: `~owner~part~part`. It may be longer than 255 characters. */
export function linkId(parts: readonly string[]): SourcedId {
  return madeSourcedId(`~${parts.map(escaped).join("~")}`);
}

/** The parts of such an id, the owner first; null when the text is not of that form. */
export function partsOfLink(id: string): readonly string[] | null {
  if (!id.startsWith("~")) return null;
  const parts = id
    .slice(1)
    .split("~")
    .map((part) => part.replaceAll("%7E", "~").replaceAll("%25", "%"));
  return parts.includes("") ? null : parts;
}

/** An id of that form as the rows have it that we make ourselves; null for anything else. */
export function readLinkId(text: string): SourcedId | null {
  const parts = partsOfLink(text);
  return parts === null || parts.some((part) => parseSourcedId(part) === null) ? null : madeSourcedId(text);
}

function escaped(part: string): string {
  return part.includes("%") || part.includes("~") ? part.replaceAll("%", "%25").replaceAll("~", "%7E") : part;
}
