// The role entities that a users row of 1.1 implies: one per organisation, all with the row's one role.
// Their ids are made from user, role and organisation (link-id.ts), so the same row gives the same roles every night, and
// the owner can be read from the id.

import { parseSourcedId, type SourcedId } from "../ids.ts";
import type { Entity } from "./entities.ts";
import { linkId, partsOfLink } from "./link-id.ts";
import type { Role } from "./role.ts";

/** What tells derived roles apart. */
export type DerivedRoleParts = { readonly user: SourcedId; readonly role: string; readonly org: SourcedId };

/** The id of a derived role: `~user~role~org`. It may be longer than 255 characters. */
export function derivedRoleId({ user, role, org }: DerivedRoleParts): SourcedId {
  return linkId([user, role, org]);
}

/** The user from whose row a role was derived; null when the id is not of that form. */
export function ownerOfDerivedRole(id: string): SourcedId | null {
  const parts = partsOfLink(id);
  return parts?.length === 3 ? parseSourcedId(parts[0] ?? "") : null;
}

/** The roles of a 1.1 user, in the order of the row, each organisation once. */
export function derivedRoles(
  user: Pick<Entity, "sourcedId" | "dateLastModified">,
  role: Role["role"],
  orgs: readonly SourcedId[],
): readonly Role[] {
  const distinct = orgs.length === 1 ? orgs : [...new Set(orgs)];
  return distinct.map((org) => ({
    type: "role",
    dateLastModified: user.dateLastModified,
    sourcedId: derivedRoleId({ user: user.sourcedId, role, org }),
    userSourcedId: user.sourcedId,
    roleType: "primary",
    role,
    beginDate: null,
    endDate: null,
    orgSourcedId: org,
    userProfileSourcedId: null,
    metadata: [],
  }));
}
