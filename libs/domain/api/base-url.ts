// Where a source's services lie, from the base URL that a district sent: whole or in part, with slashes, without a scheme,
// with a collection at its end (C011, D018, D020). It keeps true that no path is escaped twice: what was given with escapes
// goes out as it was given, and that the scheme, the host and the port are always those that were given.

import type { Version } from "../oneroster/enumerations.ts";
import { type Collection, collections, envelopes, type Service, serviceOf } from "./collections.ts";
import type { ApiProfile } from "./profile.ts";
import type { ApiSettings } from "./settings.ts";

const pathVersions: Readonly<Record<Version, string>> = { "1.1": "v1p1", "1.2": "v1p2" };
/** Services of 1.2 whose URL may be given in the place of rostering's (section 4.1). */
const otherServices = ["resources", "gradebook"];
const otherEndpoints = ["categories", "lineItems", "results", "scoreScales", "manifest", "token", "discovery"];
/** What may follow a base URL that was copied from somewhere else, in lower case. */
const endpoints = new Set(
  [...collections, ...Object.values(envelopes).flat(), ...otherEndpoints].map((each) => each.toLowerCase()),
);

export type ReadUrl =
  | { readonly outcome: "url"; readonly url: URL }
  /** What is wrong, to follow a field's name: `must be ...`. */
  | { readonly outcome: "fault"; readonly fault: string };

/** A URL as people send it. Without a scheme, https is meant. */
export function readUrl(text: string, allowHttp: boolean): ReadUrl {
  const fault = (what: string): ReadUrl => ({ outcome: "fault", fault: what });
  const trimmed = text.trim();
  if (/\s/u.test(trimmed)) return fault("must be one URL, without blanks");
  const hasScheme = /^(?:[a-z][a-z0-9+.-]*:\/|https?:)/iu.test(trimmed);
  const url = URL.parse(hasScheme ? trimmed : `https://${trimmed}`);
  const isMeant = url !== null && (hasScheme || /[.:]|^localhost$/u.test(url.host));
  if (!isMeant || (hasScheme && !/^[a-z]+:\/\/[^/]/iu.test(trimmed)))
    return fault("must be a URL such as https://sis.example.org/ims/oneroster/v1p1");
  if (url.protocol !== "https:" && url.protocol !== "http:") return fault("must begin with https://");
  if (url.username !== "" || url.password !== "") return fault("must have no user and no password in it");
  if (trimmed.includes("#")) return fault("must have no # in it");
  if (url.protocol === "http:" && !allowHttp && !isLoopback(url.hostname))
    return fault(
      "must begin with https://: by http, credentials and rosters can be read on the way (allowHttp lets it)",
    );
  return { outcome: "url", url };
}

function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])$/u.test(hostname);
}

/** The version that a URL's path names; null: none. */
export function versionIn(url: URL): Version | null {
  const segments = segmentsOf(url);
  const found = segments[indexOfVersion(segments)]?.toLowerCase();
  if (found === undefined) return null;
  return found === pathVersions["1.1"] ? "1.1" : "1.2";
}

/** Whether a path leads to a OneRoster service at all, and not only to a host or a folder. */
export function namesOneRoster(url: URL): boolean {
  return segmentsOf(url).some((each) => each.toLowerCase() === "oneroster");
}

/**
 * URLs at which the rostering service may be, the likeliest first, none of them with a slash at its end; empty when the
 * base URL is none. One alone when the base URL names the version and the service.
 */
export function baseUrls(
  { baseUrl, version }: Pick<ApiSettings, "baseUrl" | "version">,
  { paths }: Pick<ApiProfile, "paths">,
): readonly string[] {
  const url = URL.parse(baseUrl);
  if (url === null) return [];
  const given = segmentsOf(url);
  const found =
    versionIn(url) === null
      ? withoutVersion(
          given,
          paths[version].map((path) => path.replace("{version}", pathVersions[version])),
        )
      : withVersion(given, version);
  return [...new Set(found.map((segments) => [url.origin, ...segments].join("/")))];
}

/** Where another service of the same source lies: beside rostering in 1.2, and in the same place in 1.1. */
export function serviceUrl(baseUrl: string, service: Service, version: Version): string {
  if (version === "1.1" || service === "rostering") return baseUrl;
  return baseUrl.replace(/\/rostering(?=\/v1p2$)/iu, `/${service}`);
}

/** Address of a collection, without parameters. */
export function collectionUrl(baseUrl: string, collection: Collection, version: Version): URL {
  return new URL(`${serviceUrl(baseUrl, serviceOf(collection, version), version)}/${collection}`);
}

/**
 * URLs at which a token may be had, the likeliest first: the given one alone, otherwise as the vendor is known to have it.
 * @param baseUrl as it was found.
 */
export function tokenUrls(
  { tokenUrl }: Pick<ApiSettings, "tokenUrl">,
  { token }: Pick<ApiProfile, "token">,
  baseUrl: string,
): readonly string[] {
  if (tokenUrl !== null) return [tokenUrl];
  const { origin } = new URL(baseUrl);
  return [...new Set(token.urls.map((each) => each.replace("{base}", baseUrl).replace("{origin}", origin)))];
}

type Segments = readonly string[];

function segmentsOf(url: URL): Segments {
  return url.pathname.split("/").filter((each) => each !== "");
}

/** The last one: a proxy's own may come before it. */
function indexOfVersion(segments: Segments): number {
  return segments.findLastIndex((each) => /^v1p[12]$/iu.test(each));
}

/** What follows the version is no part of the URL when it is an endpoint, and may be none when it is not (D023). */
function withVersion(given: Segments, version: Version): readonly Segments[] {
  const at = indexOfVersion(given);
  const service = inRostering(given.slice(0, at + 1), version);
  const [next] = given.slice(at + 1);
  return next === undefined || endpoints.has(next.toLowerCase()) ? service : [given, ...service];
}

/** Of 1.2 the URL of another service may have been given, or that of none. */
function inRostering(given: Segments, version: Version): readonly Segments[] {
  const before = given.at(-2)?.toLowerCase() ?? "";
  if (version === "1.1" || before === "rostering") return [given];
  const last = given.slice(-1);
  if (otherServices.includes(before)) return [[...given.slice(0, -2), "rostering", ...last]];
  return [[...given.slice(0, -1), "rostering", ...last], given];
}

/** Under each of the vendor's paths; a path of our not knowing comes last. */
function withoutVersion(given: Segments, paths: readonly string[]): readonly Segments[] {
  const isEndpoint = endpoints.has(given.at(-1)?.toLowerCase() ?? "");
  const cut = isEndpoint ? given.slice(0, -1) : given;
  const isCut = cut.some((each) => each.toLowerCase() === "oneroster");
  const bases = isCut ? [cut] : [given, cut];
  return [...bases.flatMap((base) => paths.map((path) => completed(base, path))), ...bases];
}

/** A base and a path that may begin within it: `/a/ims` and `/ims/oneroster` are `/a/ims/oneroster`. */
function completed(base: Segments, path: string): Segments {
  const parts = path.split("/").filter((each) => each !== "");
  for (let length = Math.min(base.length, parts.length); length > 0; length--) {
    const end = base.slice(-length).join("/").toLowerCase();
    for (let from = 0; from + length <= parts.length; from++) {
      if (
        parts
          .slice(from, from + length)
          .join("/")
          .toLowerCase() === end
      )
        return [...base, ...parts.slice(from + length)];
    }
  }
  return [...base, ...parts];
}
