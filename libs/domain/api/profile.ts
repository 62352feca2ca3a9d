// What is particular about a vendor's OneRoster API, as data: one profile per file in profiles/. No other code asks which
// vendor it is. Facts of vendors change: each profile says where they are from and when they were read.

import type { Version } from "../oneroster/enumerations.ts";

/** `proxy`: a bearer of the partner's own, under which the vendor lists the districts that share (ClassLink). */
export const authKinds = ["oauth2", "oauth1-sha1", "oauth1-sha256", "proxy"] as const;
export type AuthKind = (typeof authKinds)[number];

/** What signs a request is always one of these; a vendor may ask for more under other names. */
export type CredentialName = "id" | "secret" | (string & {});

/** One thing that the district enters. All are write-only, also those that are no secrets. */
export type CredentialField = {
  readonly name: CredentialName;
  /** As the vendor's page calls it: Consumer Key, Client ID. */
  readonly label: string;
  /** Other names under which districts send it, compared without case, blanks and punctuation. */
  readonly synonyms: readonly string[];
  readonly isRequired: boolean;
};

/** A header beside the authorization: the template's `{name}` are credentials; left out unless all are there. */
export type HeaderTemplate = { readonly name: string; readonly template: string };

/** HH:MM in the district's time zone. */
export type TimeOfDay = string;

export type ApiProfile = {
  readonly id: string;
  /** The vendor's name, for people. */
  readonly name: string;
  /** Where the facts are from. */
  readonly source: string;
  /** Which versions it offers, the best first. */
  readonly versions: readonly Version[];
  /** Ways to sign in by version, the best first; an empty list: the version is not offered. */
  readonly auths: Readonly<Record<Version, readonly AuthKind[]>>;
  readonly credentials: Readonly<Partial<Record<AuthKind, readonly CredentialField[]>>>;
  /** With `proxy`: where the vendor's proxy is, for who gives no base URL; null: it has none. */
  readonly proxyUrl: string | null;
  readonly headers: readonly HeaderTemplate[];
  /**
   * Paths under which the services lie, tried in this order on a base URL that names no version. `{version}` is v1p1 or
   * v1p2.
   */
  readonly paths: Readonly<Record<Version, readonly string[]>>;
  readonly token: {
    /**
     * Tried in this order where no token URL was given; `{base}` is the base URL as it was found, `{origin}` its scheme
     * and host. Empty: it has to be given.
     */
    readonly urls: readonly string[];
    /** How id and secret are sent; the other way is tried when the first is refused. */
    readonly sends: "basic" | "body";
    /** Whether id and secret are form-encoded before base64, as RFC 6749 says and many servers do not expect. */
    readonly isEncoded: boolean;
  };
  readonly paging: {
    /** Records asked for at once. */
    readonly limit: number;
    /** Whether links are left alone, because they are wrong, and offsets are counted here. */
    readonly ignoresLinks: boolean;
  };
  /** How many requests may be under way at once; fewer in its peak hours. */
  readonly requests: {
    readonly atOnce: number;
    readonly peak: { readonly from: TimeOfDay; readonly to: TimeOfDay; readonly atOnce: number } | null;
  };
  /** When its caches are filled: before the time of a day a pull reads what was there yesterday. null: no cache is known. */
  readonly refresh: {
    readonly classes: TimeOfDay;
    /** Every hour between the two, both included. */
    readonly students: { readonly from: TimeOfDay; readonly to: TimeOfDay };
  } | null;
  /** Pattern of cron for the nightly pull, in the district's time zone, for who sets none. */
  readonly schedule: string;
  readonly features: {
    readonly resources: boolean;
    /** Ways to sign in with which demographics may be shared. */
    readonly demographics: readonly AuthKind[];
    /** Only students of the current year are shown: at its end all vanish, by design. */
    readonly isCurrentYearOnly: boolean;
  };
  /** Older ones need something else, which the sentence says. */
  readonly oldest: { readonly version: string; readonly sentence: string } | null;
  /** Name of the answer's header that changes when the permission is changed, or null. */
  readonly revisionHeader: string | null;
  /** Days for which credentials hold, where they expire; null: they do not. */
  readonly credentialDays: Readonly<Partial<Record<AuthKind, number>>> | null;
};
