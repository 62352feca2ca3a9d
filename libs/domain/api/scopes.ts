// Which scopes a token needs for what is pulled, in full as the standard writes them (sections 5.1, 6.1 and 6.2).
// It keeps true that nothing is asked for beyond reading: no gradebook, and demographics only when they are pulled.

import type { Version } from "../oneroster/enumerations.ts";
import type { Collection } from "./collections.ts";

const prefixes: Readonly<Record<Version, string>> = {
  "1.1": "https://purl.imsglobal.org/spec/or/v1p1/scope/",
  "1.2": "https://purl.imsglobal.org/spec/or/v1p2/scope/",
};

/** Both scopes of a service: either lets its collections be read, and which of them a source grants differs. */
const roster = ["roster-core.readonly", "roster.readonly"];
const resources: Readonly<Record<Version, readonly string[]>> = {
  "1.1": ["resource.readonly"],
  "1.2": ["resource-core.readonly", "resource.readonly"],
};

/** In the order in which they are asked for. */
export function scopesFor(version: Version, wanted: readonly Collection[]): readonly string[] {
  const isRoster = wanted.some((each) => each !== "demographics" && each !== "resources");
  const names = [
    ...(isRoster ? roster : []),
    ...(wanted.includes("demographics") ? ["roster-demographics.readonly"] : []),
    ...(wanted.includes("resources") ? resources[version] : []),
  ];
  return names.map((name) => `${prefixes[version]}${name}`);
}
