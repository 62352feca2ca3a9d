// Which collections of a source are pulled for a district.

import type { Policy } from "../policy.ts";
import { type Collection, requiredCollections } from "./collections.ts";
import type { ApiProfile } from "./profile.ts";
import type { ApiSettings } from "./settings.ts";

/**
 * Demographics are read only where the district's policy keeps them and the vendor shares them over this way of signing in
 * (E034 to E036); resources only where they are switched on (A093).
 */
export function wantedCollections(about: {
  readonly settings: Pick<ApiSettings, "auth" | "resources">;
  readonly profile: Pick<ApiProfile, "features">;
  readonly policy: Pick<Policy, "demographics">;
}): readonly Collection[] {
  const { settings, profile, policy } = about;
  const isWithDemographics = policy.demographics && profile.features.demographics.includes(settings.auth);
  return [
    ...requiredCollections,
    ...(isWithDemographics ? (["demographics"] as const) : []),
    ...(settings.resources && profile.features.resources ? (["resources"] as const) : []),
  ];
}
