// Settings of a source that is pulled from an API.
// It keeps true that settings in use are whole and valid: every field has a value, and all faults are told at once.

import type { Version } from "../oneroster/enumerations.ts";
import type { AuthKind } from "./profile.ts";

export type ApiSettings = {
  /** Id of the vendor's profile. */
  readonly profile: string;
  readonly version: Version;
  readonly auth: AuthKind;
  /** As it was given, without slashes at its end; for `proxy` that of the proxy. */
  readonly baseUrl: string;
  /** null: as the profile derives it. */
  readonly tokenUrl: string | null;
  /** Scopes to ask for; empty: those that the version defines for what is pulled. */
  readonly scopes: readonly string[];
  /** With `proxy`: the vendor's id of the district. */
  readonly tenant: string | null;
  /** Pattern of cron in the district's time zone; null: pulled by hand alone. */
  readonly schedule: string | null;
  /** The day on which the credentials stop working, YYYY-MM-DD in the district's time zone; null: no such day is known. */
  readonly expires: string | null;
  /** Whether resources are pulled, too. */
  readonly resources: boolean;
  /** Records asked for at once; null: as the profile has it. */
  readonly pageSize: number | null;
  /** Version of the source's own software, where it matters; null: not known. */
  readonly sourceVersion: string | null;
  /** Header that says when the permission was changed; null: as the profile has it. */
  readonly revisionHeader: string | null;
  /** Whether the base URL may be http to another machine: then credentials and rosters can be read on the way. */
  readonly allowHttp: boolean;
};
