// A district's policy: what its deliveries may look like and how far a delivery may change what is published.
// It keeps true that a policy in use is whole and valid: every field has a value, and a fault in one is told with all others.

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

type Fields = Readonly<Record<string, unknown>>;
type Read = {
  readonly faults: string[];
  fields(value: unknown, path: string, known: readonly string[]): Fields;
  boolean(value: unknown, path: string, fallback: boolean): boolean;
  number(value: unknown, path: string, fallback: number, most: number): number;
  text(value: unknown, path: string, fallback: string): string;
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
  const policy: Policy = {
    manifestOptional: read.boolean(top["manifestOptional"], "manifestOptional", defaultPolicy.manifestOptional),
    features: { autoRegistration: autoRegistrationOf(features["autoRegistration"], read) },
    demographics: read.boolean(top["demographics"], "demographics", defaultPolicy.demographics),
    maximumRejectShare: read.number(
      top["maximumRejectShare"],
      "maximumRejectShare",
      defaultPolicy.maximumRejectShare,
      1,
    ),
    limits: limitsOf(top["limits"], read),
    timeZone: timeZoneOf(top["timeZone"], read),
  };
  return read.faults.length > 0 ? { outcome: "faults", faults: read.faults } : { outcome: "policy", policy };
}

function reader(): Read {
  const faults: string[] = [];
  return {
    faults,
    fields: (value, path, known) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        faults.push(`${path} must be an object`);
        return {};
      }
      const entries = Object.entries(value);
      for (const [name] of entries) {
        if (!known.includes(name)) faults.push(`${path} has no field ${name}; known are ${known.join(", ")}`);
      }
      return Object.fromEntries(entries);
    },
    boolean: (value, path, fallback) => {
      if (value === undefined || typeof value === "boolean") return value ?? fallback;
      faults.push(`${path} must be true or false`);
      return fallback;
    },
    number: (value, path, fallback, most) => {
      if (value === undefined) return fallback;
      if (typeof value === "number" && value >= 0 && value <= most) return value;
      faults.push(`${path} must be a number from 0 to ${most}`);
      return fallback;
    },
    text: (value, path, fallback) => {
      if (value === undefined) return fallback;
      if (typeof value === "string" && value !== "") return value;
      faults.push(`${path} must be a text that is not empty`);
      return fallback;
    },
  };
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

function autoRegistrationOf(value: unknown, read: Read): Policy["features"]["autoRegistration"] {
  if (value === undefined) return defaultPolicy.features.autoRegistration;
  if (value === "off" || value === "simple") return value;
  read.faults.push("features.autoRegistration must be off or simple");
  return "off";
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
