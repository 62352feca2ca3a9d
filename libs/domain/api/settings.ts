// Settings of a source that is pulled from an API.
// It keeps true that settings in use are whole and valid: every field has a value, and all faults are told at once.

import { isDate } from "../dates.ts";
import { type Fields, type Read, reader } from "../fields.ts";
import type { Version } from "../oneroster/enumerations.ts";
import { namesOneRoster, readUrl, versionIn } from "./base-url.ts";
import { type ApiProfile, type AuthKind, authKinds, type TimeOfDay } from "./profile.ts";
import { profileOf, profiles } from "./profiles.ts";
import { generic } from "./profiles/generic.ts";
import { isSoftwareVersion } from "./versions.ts";

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

/** What settings are checked by that the domain cannot know. */
export type ApiChecks = {
  readonly isCron: (pattern: string) => boolean;
  /** Whether a pattern names a moment between midnight and a time of the day. Asked only of patterns that are some. */
  readonly isTooEarly: (pattern: string, notBefore: TimeOfDay) => boolean;
};

export type ParsedApiSettings =
  | { readonly outcome: "settings"; readonly settings: ApiSettings }
  | { readonly outcome: "faults"; readonly faults: readonly string[] };

/** A version and a way to sign in, each as the profile has it best. Everything that was given goes before. */
export function apiSettingsOf(profile: ApiProfile): ApiSettings {
  const version = profile.versions[0] ?? "1.1";
  return {
    profile: profile.id,
    version,
    auth: profile.auths[version][0] ?? "oauth2",
    baseUrl: "",
    tokenUrl: null,
    scopes: [],
    tenant: null,
    schedule: profile.schedule,
    expires: null,
    resources: false,
    pageSize: null,
    sourceVersion: null,
    revisionHeader: null,
    allowHttp: false,
  };
}

/**
 * Settings from JSON; what is left out is as the vendor's profile has it. Texts of digits may come as numbers.
 * @returns the settings, or every fault at once, each naming its field.
 */
export function parseApiSettings(value: unknown, checks: ApiChecks): ParsedApiSettings {
  const read = reader();
  const top = read.fields(value ?? {}, "settings", Object.keys(apiSettingsOf(generic)));
  const profile = profileIn(top, read);
  const base = apiSettingsOf(profile ?? generic);
  const version = versionOf(top, read, base);
  const auth = authOf(top, read, { ...base, version, auths: (profile ?? generic).auths[version] });
  const allowHttp = read.boolean(top["allowHttp"], "allowHttp", base.allowHttp);
  const settings: ApiSettings = {
    profile: base.profile,
    version,
    auth,
    baseUrl: baseUrlOf(top, read, { allowHttp, fallback: auth === "proxy" ? (profile?.proxyUrl ?? null) : null }),
    tokenUrl: tokenUrlOf(top, read, allowHttp),
    scopes: scopesOf(top, read),
    tenant: textOf(top, read, "tenant"),
    schedule: scheduleOf(top, read, { isCron: checks.isCron, fallback: base.schedule }),
    expires: expiresOf(top, read),
    resources: read.boolean(top["resources"], "resources", base.resources),
    pageSize: pageSizeOf(top, read),
    sourceVersion: sourceVersionOf(top, read),
    revisionHeader: headerOf(top, read),
    allowHttp,
  };
  read.faults.push(...wrongUrls(settings), ...(profile === null ? [] : misfits(settings, profile, checks)));
  return read.faults.length > 0 ? { outcome: "faults", faults: read.faults } : { outcome: "settings", settings };
}

function profileIn(top: Fields, read: Read): ApiProfile | null {
  const found = typeof top["profile"] === "string" ? profileOf(top["profile"]) : null;
  if (found === null) read.faults.push(`profile must be ${profiles.map(({ id }) => id).join(" or ")}`);
  return found;
}

/** As it was given; otherwise what the base URL names, and then what the vendor has best (D018). */
function versionOf(top: Fields, read: Read, base: ApiSettings): Version {
  const given = textOf(top, read, "version");
  if (given !== null) return read.oneOf(given, "version", ["1.1", "1.2"]);
  const url = typeof top["baseUrl"] === "string" ? readUrl(top["baseUrl"], true) : null;
  return (url?.outcome === "url" ? versionIn(url.url) : null) ?? base.version;
}

/** As it was given; otherwise OAuth 2 where a token URL was, because only that needs one (D019). */
function authOf(
  top: Fields,
  read: Read,
  { auth, auths }: { readonly auth: AuthKind; readonly version: Version; readonly auths: readonly AuthKind[] },
): AuthKind {
  if (isGiven(top["auth"])) return read.oneOf(top["auth"], "auth", authKinds);
  return isGiven(top["tokenUrl"]) && auths.includes("oauth2") ? "oauth2" : (auths[0] ?? auth);
}

type UrlRules = { readonly allowHttp: boolean; readonly fallback: string | null };

/** Without slashes at its end. An empty text where there is none, with its fault told. */
function baseUrlOf(top: Fields, read: Read, { allowHttp, fallback }: UrlRules): string {
  if (!isGiven(top["baseUrl"])) {
    if (fallback === null) read.faults.push("baseUrl must be given: the URL that the district sent");
    return fallback ?? "";
  }
  const url = urlOf(top, read, { field: "baseUrl", allowHttp });
  if (url === null) return "";
  if (url.href.includes("?"))
    read.faults.push("baseUrl must have no ? in it: what follows it belongs to single requests");
  return url.origin + url.pathname.replace(/\/+$/u, "");
}

/** Whole: parameters belong to it (A067), and its path is the vendor's own. */
function tokenUrlOf(top: Fields, read: Read, allowHttp: boolean): string | null {
  return isGiven(top["tokenUrl"]) ? (urlOf(top, read, { field: "tokenUrl", allowHttp })?.href ?? null) : null;
}

function urlOf(
  top: Fields,
  read: Read,
  { field, allowHttp }: { readonly field: "baseUrl" | "tokenUrl"; readonly allowHttp: boolean },
): URL | null {
  const text = top[field];
  const found = typeof text === "string" ? readUrl(text, allowHttp) : null;
  if (found?.outcome === "url") return found.url;
  read.faults.push(`${field} ${found?.fault ?? "must be a text"}`);
  return null;
}

/** With blanks or commas between them; each of the characters that a scope may have (RFC 6749, section 3.3). */
function scopesOf(top: Fields, read: Read): readonly string[] {
  const given = isGiven(top["scopes"]) ? read.texts(top["scopes"], "scopes") : [];
  const scopes = [...new Set(given.flatMap((each) => each.split(/\s+/u)))];
  const bad = scopes.filter((each) => !/^[!#-[\]-~]+$/u.test(each));
  if (bad.length > 0) read.faults.push(`scopes has what is none: ${bad.join(", ")}`);
  return scopes;
}

function scheduleOf(
  top: Fields,
  read: Read,
  { isCron, fallback }: { readonly isCron: (pattern: string) => boolean; readonly fallback: string | null },
): string | null {
  const given = top["schedule"];
  if (given === undefined) return fallback;
  if (given === null || (typeof given === "string" && isCron(given))) return given;
  read.faults.push('schedule must be a pattern of cron, such as "0 5 * * *" for five in the morning, or null');
  return fallback;
}

function expiresOf(top: Fields, read: Read): string | null {
  const expires = textOf(top, read, "expires");
  if (expires === null || isDate(expires)) return expires;
  read.faults.push("expires must be a date such as 2026-08-15, or null");
  return null;
}

const recordsMost = 50_000;

function pageSizeOf(top: Fields, read: Read): number | null {
  const given = top["pageSize"];
  if (!isGiven(given)) return null;
  if (typeof given === "number" && Number.isInteger(given) && given >= 1 && given <= recordsMost) return given;
  read.faults.push(`pageSize must be a whole number from 1 to ${recordsMost}, or null`);
  return null;
}

function sourceVersionOf(top: Fields, read: Read): string | null {
  const version = textOf(top, read, "sourceVersion");
  if (version === null || isSoftwareVersion(version)) return version;
  read.faults.push("sourceVersion must be numbers with dots, such as 21.4.4.0, or null");
  return null;
}

function headerOf(top: Fields, read: Read): string | null {
  const name = textOf(top, read, "revisionHeader");
  if (name === null || /^[\w!#$%&'*+.^`|~-]+$/u.test(name)) return name;
  read.faults.push("revisionHeader must be the name of a header, or null");
  return null;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "";
}

/** Without quotes, 1.1 and an id of digits are numbers. null: nothing was given, or no text, with its fault told. */
function textOf(top: Fields, read: Read, field: keyof ApiSettings): string | null {
  const value = top[field];
  if (!isGiven(value)) return null;
  if (typeof value === "number") return String(value);
  return read.text(value, field, "").trim();
}

/** What is wrong about the URLs, whichever the vendor is. */
function wrongUrls({ baseUrl, version, auth }: ApiSettings): readonly string[] {
  const url = URL.parse(baseUrl);
  if (url === null) return [];
  if (auth === "proxy" && namesOneRoster(url))
    return ["baseUrl must be that of the proxy alone: the path of the district is found by its tenant"];
  const named = versionIn(url);
  if (named === null || named === version) return [];
  return [`baseUrl is of OneRoster ${named}, and version is ${version}: ask the district which of them it has set up`];
}

/** What does not fit the vendor, or each other. */
function misfits(settings: ApiSettings, profile: ApiProfile, { isTooEarly }: ApiChecks): readonly string[] {
  const { version, auth, tokenUrl, scopes, tenant, schedule, resources } = settings;
  const { name, versions, auths, token, features, refresh } = profile;
  const faults: string[] = [];
  if (auths[version].length === 0)
    faults.push(`version ${version} is not offered by ${name}; it offers ${versions.join(" and ")}`);
  else if (!auths[version].includes(auth))
    faults.push(`auth ${auth} is not offered by ${name} for ${version}; it offers ${auths[version].join(" and ")}`);
  if (auth === "oauth2" && tokenUrl === null && token.urls.length === 0)
    faults.push(`tokenUrl must be given: with ${name} it cannot be told from the base URL`);
  if (auth !== "oauth2" && tokenUrl !== null) faults.push("tokenUrl is for auth oauth2");
  if (auth !== "oauth2" && scopes.length > 0) faults.push("scopes is for auth oauth2");
  if (auth === "proxy" && tenant === null)
    faults.push(`tenant must be given: the id by which ${name} knows the district`);
  if (auth !== "proxy" && tenant !== null) faults.push("tenant is for auth proxy");
  if (resources && !features.resources)
    faults.push(`resources do not come from the API of ${name}: they come by CSV, or from the API of ClassLink`);
  if (refresh !== null && schedule !== null && isTooEarly(schedule, refresh.classes))
    faults.push(
      `schedule must name no time before ${refresh.classes}: until then ${name} shows the classes of the day before`,
    );
  return faults;
}
