// What is known of a person, and what follows from it, as data.

import type { Policy } from "../policy.ts";
import type { DistrictState, Gate, Reason, State, Status } from "./reasons.ts";

/** Where a fact comes from: since when it holds, and the delivery with file and line where a roster said it. */
export type Origin = {
  /** Epoch milliseconds; null when it always held. */
  readonly since: number | null;
  readonly delivery: string | null;
  readonly origin: string | null;
};

export type OrgFact = {
  readonly sourcedId: string;
  /** As delivered; null when there is none. */
  readonly identifier: string | null;
  /** Identifiers of the organisations above it. */
  readonly above: readonly string[];
  readonly isInScope: boolean;
};

export type UserFact = Origin & {
  readonly sourcedId: string;
  readonly enabled: boolean;
  readonly givenName: string;
  readonly familyName: string;
  readonly email: string | null;
  /** The orgs of roles that hold today; `org` null when the roster does not have the org. */
  readonly roles: readonly (Origin & {
    readonly role: string;
    readonly orgId: string;
    readonly isInScope: boolean;
    readonly org: OrgFact | null;
  })[];
  /** Whether the user is enrolled as a teacher of some class today. */
  readonly teaches: boolean;
};

export type LoginFact = Origin & {
  readonly email: string | null;
  readonly given: string | null;
  readonly family: string | null;
  /** NCES id of the school that the teacher chose. */
  readonly school: string | null;
};

export type AccountFact = Origin & { readonly account: string; readonly product: string; readonly active: boolean };

export type LicenseFact = Origin & {
  readonly license: string;
  readonly product: string;
  readonly orgs: readonly string[];
  readonly validFrom: string | null;
  readonly validTo: string | null;
  /** Whether this person has a seat of it. */
  readonly hasSeat: boolean;
  /** Seats that nobody has; null: as many as one wants. */
  readonly seatsLeft: number | null;
};

/** All that is known of one person who is linked to at least one login. */
export type Facts = {
  /** The district's own day, YYYY-MM-DD. */
  readonly today: string;
  readonly district: Origin & { readonly state: DistrictState; readonly isPilotTeacher: boolean };
  readonly policy: Pick<Policy, "features" | "emailDomains" | "startDate" | "ncesDistrictIds">;
  /** Since when a field of the policy says what it says, epoch milliseconds; `created` for those that never changed. */
  readonly policySince: Readonly<Record<string, number>> & { readonly created: number };
  readonly logins: readonly LoginFact[];
  /** The person's users that are in the roster now. */
  readonly users: readonly UserFact[];
  /** Those that were, since when they are not, and by which delivery. */
  readonly gone: readonly (Origin & { readonly sourcedId: string })[];
  /** Accounts that are linked to a login of the person, by proof. */
  readonly accounts: readonly AccountFact[];
  /** Accounts linked to nobody that have an email address of the person. */
  readonly possibleAccounts: readonly AccountFact[];
  readonly licenses: readonly LicenseFact[];
};

/** One gate as it stands: `reason` null when it is open; `value` is what was found, in ids and words, never a person's data. */
export type GateView = Origin & { readonly gate: Gate; readonly reason: Reason | null; readonly value: string };

/** What the person is to one product; when a license is named, together with a seat of it. */
export type Grant = {
  readonly product: string;
  readonly status: Status;
  readonly reason: Reason | "open";
  /** `chosen-school`: by a license on the school that the teacher named, for the roster knows none. */
  readonly basis: "account" | "license" | "chosen-school" | null;
  readonly account: string | null;
  readonly license: string | null;
};

export type Standing = {
  readonly state: State;
  readonly reason: Reason | "open";
  /** Those that are the same for every product, then those of the product that decides the state. */
  readonly gates: readonly GateView[];
  /** By product, sorted, each with the gates that it alone has to pass. */
  readonly products: readonly ProductStanding[];
};

export type ProductStanding = { readonly grant: Grant; readonly gates: readonly GateView[] };
