// What is known of a pull beside its pages: kept with the delivery, and compared with the next pull of the source.

import type { Version } from "../oneroster/enumerations.ts";
import type { Collection } from "./collections.ts";

/**
 * Why a source may show less than there is, without anybody having left. A delivery that names one deletes nothing by
 * absence until a person has approved it.
 */
export const causes = [
  /** Orgs that were visible are not. */
  "orgs-narrowed",
  /** The token has fewer scopes than that of the last delivery. */
  "scope-narrowed",
  /** The source says that the permission was changed. */
  "permission-changed",
  /** The sessions that the last delivery had, or that this one has, are over. */
  "school-year-ended",
  /** A collection that was shared is refused now. */
  "collection-forbidden",
  /** The source was found at another address than the last delivery's. */
  "place-changed",
] as const;
export type Cause = (typeof causes)[number];

/** What could be seen of a source. */
export type Seen = {
  /** sourcedIds of all orgs that were shown and are not deleted, sorted. */
  readonly orgs: readonly string[];
  /** Of the token that said it last, sorted; null where the source never said. */
  readonly scopes: readonly string[] | null;
  /** The permission's revision as it was sent last; null where the source sends none. */
  readonly revision: string | null;
  /** The latest end of a session, YYYY-MM-DD, exclusive; null without sessions. */
  readonly sessionsEnd: string | null;
};

/** A collection as it was pulled. Its pages lie in landing under `fileOf`. */
export type PulledCollection = {
  readonly name: Collection;
  /** Items received, repeated ones included. */
  readonly items: number;
  /** Names of the items' metadata, sorted: each is a column. */
  readonly metadata: readonly string[];
};

export type PullRecord = {
  readonly version: Version;
  /** Where the services of the version were found. */
  readonly baseUrl: string;
  readonly collections: readonly PulledCollection[];
  /** Collections that were wanted and are not there: refused, or unknown to the source. */
  readonly missing: readonly { readonly name: Collection; readonly why: "forbidden" | "unknown" }[];
  readonly causes: readonly Cause[];
  readonly seen: Seen;
};

/** Name of the file in landing that holds a collection's pages: one line of JSON each, as {@link PageLine}. */
export function fileOf(collection: Collection): string {
  return `${collection}.jsonl`;
}

/** A page as it lies in landing: where it was read from, from the base URL on, and the answer's JSON as it came. */
export type PageLine = { readonly path: string; readonly body: unknown };
