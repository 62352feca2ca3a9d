// The vendors whose APIs are known, each in a file of its own, and by id.

import type { ApiProfile } from "./profile.ts";
import { aeries } from "./profiles/aeries.ts";
import { blackbaud } from "./profiles/blackbaud.ts";
import { classlink } from "./profiles/classlink.ts";
import { generic } from "./profiles/generic.ts";
import { infiniteCampus } from "./profiles/infinite-campus.ts";
import { powerschool } from "./profiles/powerschool.ts";

/** In the order in which people are shown them (C005); the one for all others is last. */
export const profiles: readonly ApiProfile[] = [classlink, infiniteCampus, powerschool, aeries, blackbaud, generic];

/** null: there is no such vendor here; `generic` is for those. */
export function profileOf(id: string): ApiProfile | null {
  return profiles.find((profile) => profile.id === id) ?? null;
}
