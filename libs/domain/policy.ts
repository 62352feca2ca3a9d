// A district's policy: what its deliveries may look like and how far a delivery may change what is published.
// It keeps true that a policy in use is whole and valid: every field has a value, and a fault in one is told with all others.

import { isDate } from "./dates.ts";
import { type Read, reader } from "./fields.ts";
import { isShortNcesId } from "./nces.ts";
import { type EntityType, entityTypes, isEntityType } from "./oneroster/entity-types.ts";

export type Policy = {
  /** Whether a set without a manifest is good input. */
  readonly manifestOptional: boolean;
  readonly features: {
    /** `simple`: teachers are registered by their roster, which needs orgs and courses. */
    readonly autoRegistration: "off" | "simple";
  };
  /** Whether rows of demographics.csv go further than the check of the set. */
  readonly demographics: boolean;
  /**
   * A set is refused when more than this share of the rows of one file are rejected, 0 to 1. One file, because a
   * broken users.csv must not hide behind a million good enrollments; and only above ten rejects, because in a file
   * of five rows one bad row is no sign of a bad export.
   */
  readonly maximumRejectShare: number;
  readonly limits: {
    /** Deletes of a type are held when they are more than `count` and more than `share` of what is published. */
    readonly deletes: Readonly<Record<EntityType, { readonly share: number; readonly count: number }>>;
    /** The plan is held when more than `share` (and `count`) vanish while as many appear, give or take `tolerance`. */
    readonly idsChanged: { readonly share: number; readonly count: number; readonly tolerance: number };
  };
  /** IANA name: where the district's days begin. */
  readonly timeZone: string;
  /** How its people sign in. Without an issuer a district does not leave setup (A002). */
  readonly signOn: {
    /** Who may vouch for a login of this district, each as the sign-on gateway writes it. */
    readonly issuers: readonly string[];
    /** Types of `userIds` that identify a person as well as a sourcedId does. */
    readonly userIdTypes: readonly string[];
  };
  /** `lazy`: a teacher's roster is published once the teacher is registered; `eager`: every teacher's is (C002). */
  readonly rosters: "lazy" | "eager";
  /** Domains of email addresses that are known to be the district's (C025), in lower case. */
  readonly emailDomains: readonly string[];
  /** sourcedIds of the orgs that take part, each with all below it; empty: all (C019). */
  readonly orgScope: readonly string[];
  /** YYYY-MM-DD: before this day everything is a dry run (C032); null: no such day. */
  readonly startDate: string | null;
  /** Days for which a class is shown before its earliest term begins, and is current after its latest has ended (C048, C049). */
  readonly classWindow: { readonly leadDays: number; readonly trailDays: number };
  /** The district's own NCES ids, 7 digits: schools of these may be chosen where no org is known (A091). */
  readonly ncesDistrictIds: readonly string[];
};

/** Rejects up to this many never refuse a set by their share. */
export const rejectsAlwaysTolerated = 10;

const deleteLimit = { share: 0.1, count: 20 };

export const defaultPolicy: Policy = {
  manifestOptional: true,
  features: { autoRegistration: "off" },
  demographics: false,
  maximumRejectShare: 0.1,
  limits: { deletes: deletesWith({}), idsChanged: { share: 0.3, count: 5, tolerance: 0.2 } },
  timeZone: "America/New_York",
  signOn: { issuers: [], userIdTypes: [] },
  rosters: "lazy",
  emailDomains: [],
  orgScope: [],
  startDate: null,
  classWindow: { leadDays: 14, trailDays: 14 },
  ncesDistrictIds: [],
};

/**
 * A policy from JSON; what is left out has its default.
 * @returns the policy, or every fault at once, each naming its field.
 */
export function parsePolicy(
  value: unknown,
):
  | { readonly outcome: "policy"; readonly policy: Policy }
  | { readonly outcome: "faults"; readonly faults: readonly string[] } {
  const read = reader();
  const top = read.fields(value ?? {}, "policy", Object.keys(defaultPolicy));
  const features = read.fields(top["features"] ?? {}, "features", ["autoRegistration"]);
  const signOn = read.fields(top["signOn"] ?? {}, "signOn", ["issuers", "userIdTypes"]);
  const policy: Policy = {
    manifestOptional: read.boolean(top["manifestOptional"], "manifestOptional", defaultPolicy.manifestOptional),
    features: {
      autoRegistration: read.oneOf(features["autoRegistration"], "features.autoRegistration", ["off", "simple"]),
    },
    demographics: read.boolean(top["demographics"], "demographics", defaultPolicy.demographics),
    maximumRejectShare: read.number(
      top["maximumRejectShare"],
      "maximumRejectShare",
      defaultPolicy.maximumRejectShare,
      1,
    ),
    limits: limitsOf(top["limits"], read),
    timeZone: timeZoneOf(top["timeZone"], read),
    signOn: {
      issuers: read.texts(signOn["issuers"], "signOn.issuers"),
      userIdTypes: read.texts(signOn["userIdTypes"], "signOn.userIdTypes"),
    },
    rosters: read.oneOf(top["rosters"], "rosters", ["lazy", "eager"]),
    emailDomains: emailDomainsOf(top["emailDomains"], read),
    orgScope: read.texts(top["orgScope"], "orgScope"),
    startDate: startDateOf(top["startDate"], read),
    classWindow: classWindowOf(top["classWindow"], read),
    ncesDistrictIds: ncesDistrictIdsOf(top["ncesDistrictIds"], read),
  };
  return read.faults.length > 0 ? { outcome: "faults", faults: read.faults } : { outcome: "policy", policy };
}

function timeZoneOf(value: unknown, read: Read): string {
  const name = read.text(value, "timeZone", defaultPolicy.timeZone);
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    read.faults.push("timeZone must be a name of the time zone database, such as America/Chicago");
    return defaultPolicy.timeZone;
  }
}

function emailDomainsOf(value: unknown, read: Read): readonly string[] {
  const domains = read.texts(value, "emailDomains").map((domain) => domain.toLowerCase());
  const bad = domains.filter((domain) => !/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/u.test(domain));
  if (bad.length > 0)
    read.faults.push(`emailDomains must be domains such as oak.example, without @: ${bad.join(", ")}`);
  return domains;
}

function startDateOf(value: unknown, read: Read): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && isDate(value)) return value;
  read.faults.push("startDate must be a date such as 2026-08-15, or null");
  return null;
}

const daysMost = 366;

function classWindowOf(value: unknown, read: Read): Policy["classWindow"] {
  const fields = read.fields(value ?? {}, "classWindow", ["leadDays", "trailDays"]);
  const days = (name: "leadDays" | "trailDays"): number => {
    const count = read.number(fields[name], `classWindow.${name}`, defaultPolicy.classWindow[name], daysMost);
    if (!Number.isInteger(count)) read.faults.push(`classWindow.${name} must be a whole number of days`);
    return count;
  };
  return { leadDays: days("leadDays"), trailDays: days("trailDays") };
}

function ncesDistrictIdsOf(value: unknown, read: Read): readonly string[] {
  const ids = read.texts(value, "ncesDistrictIds");
  for (const id of ids) {
    if (/^\d{7}$/u.test(id)) continue;
    const hint = isShortNcesId(id) ? "; a leading zero may have been lost" : "";
    read.faults.push(`ncesDistrictIds must be NCES ids of 7 digits, not ${id}${hint}`);
  }
  return ids;
}

const countMost = 1e9;

function limitsOf(value: unknown, read: Read): Policy["limits"] {
  const limits = read.fields(value ?? {}, "limits", ["deletes", "idsChanged"]);
  const given = read.fields(limits["deletes"] ?? {}, "limits.deletes", entityTypes);
  const deletes: Partial<Record<EntityType, { readonly share: number; readonly count: number }>> = {};
  for (const [type, limit] of Object.entries(given)) {
    if (!isEntityType(type)) continue;
    const path = `limits.deletes.${type}`;
    const fields = read.fields(limit, path, ["share", "count"]);
    deletes[type] = {
      share: read.number(fields["share"], `${path}.share`, deleteLimit.share, 1),
      count: read.number(fields["count"], `${path}.count`, deleteLimit.count, countMost),
    };
  }
  const fallback = defaultPolicy.limits.idsChanged;
  const ids = read.fields(limits["idsChanged"] ?? {}, "limits.idsChanged", ["share", "count", "tolerance"]);
  return {
    deletes: deletesWith(deletes),
    idsChanged: {
      share: read.number(ids["share"], "limits.idsChanged.share", fallback.share, 1),
      count: read.number(ids["count"], "limits.idsChanged.count", fallback.count, countMost),
      tolerance: read.number(ids["tolerance"], "limits.idsChanged.tolerance", fallback.tolerance, 1),
    },
  };
}

function deletesWith(
  given: Partial<Record<EntityType, { readonly share: number; readonly count: number }>>,
): Policy["limits"]["deletes"] {
  const limit = (type: EntityType): { readonly share: number; readonly count: number } => given[type] ?? deleteLimit;
  return {
    org: limit("org"),
    academicSession: limit("academicSession"),
    course: limit("course"),
    class: limit("class"),
    user: limit("user"),
    role: limit("role"),
    demographics: limit("demographics"),
    enrollment: limit("enrollment"),
    resource: limit("resource"),
    classResource: limit("classResource"),
    courseResource: limit("courseResource"),
  };
}
