// Vendors as data: each profile is sound in itself, and the facts that people rely on are in it.

import t from "tap";

import { fieldNamed, fieldsOf, missingFields } from "../../../libs/domain/api/credentials.ts";
import { collections } from "../../../libs/domain/api/collections.ts";
import { atOnceAt, refreshedBefore } from "../../../libs/domain/api/pace.ts";
import { type ApiProfile, type AuthKind, authKinds } from "../../../libs/domain/api/profile.ts";
import { profileOf, profiles } from "../../../libs/domain/api/profiles.ts";
import { generic } from "../../../libs/domain/api/profiles/generic.ts";
import { infiniteCampus } from "../../../libs/domain/api/profiles/infinite-campus.ts";
import { powerschool } from "../../../libs/domain/api/profiles/powerschool.ts";
import { isOlder, tooOld } from "../../../libs/domain/api/versions.ts";

/** What is wrong with a profile in itself. */
function faultsOf(profile: ApiProfile): readonly string[] {
  const { auths, versions, paths, credentials, headers, token, proxyUrl, features, refresh, requests } = profile;
  const used = (["1.1", "1.2"] as const).flatMap((version) => auths[version]);
  const names = new Set(used.flatMap((auth) => fieldsOf(profile, auth).map(({ name }) => name)));
  const times = [
    refresh?.classes,
    refresh?.students.from,
    refresh?.students.to,
    requests.peak?.from,
    requests.peak?.to,
  ];
  const faults: readonly (readonly [what: string, isFault: boolean])[] = [
    [
      "a version and its ways to sign in and paths",
      (["1.1", "1.2"] as const).some((version) => {
        const isOffered = versions.includes(version);
        return isOffered !== auths[version].length > 0 || isOffered !== paths[version].length > 0;
      }),
    ],
    ["no OAuth 1 in 1.2", auths["1.2"].some((auth) => auth.startsWith("oauth1"))],
    [
      "credentials of each way to sign in, and of no other",
      authKinds.some((auth) => used.includes(auth) !== (credentials[auth] !== undefined)),
    ],
    [
      "id and secret of each but a proxy",
      used.some(
        (auth) =>
          auth !== "proxy" &&
          missingFields(profile, auth, [])
            .map(({ name }) => name)
            .join() !== "id,secret",
      ),
    ],
    ["a proxy has an address", used.includes("proxy") !== (proxyUrl !== null)],
    [
      "a header's parts are fields",
      headers.some(({ template }) => [...template.matchAll(/\{(\w+)\}/gu)].some(([, name = ""]) => !names.has(name))),
    ],
    [
      "paths name their version",
      versions.some((version) => paths[version].some((path) => !path.endsWith("/{version}"))),
    ],
    ["token URLs are whole", token.urls.some((url) => !/^(?:\{(?:base|origin)\}|https:\/\/[^/]+)\//u.test(url))],
    ["demographics by ways to sign in that there are", features.demographics.some((auth) => !used.includes(auth))],
    ["times of a day", times.some((time) => time !== undefined && !/^(?:[01]\d|2[0-3]):[0-5]\d$/u.test(time))],
    ["fewer at a peak, and at least one", requests.atOnce < 1 || (requests.peak?.atOnce ?? 1) < 1],
    ["a page has a record", !Number.isInteger(profile.paging.limit) || profile.paging.limit < 1],
    ["says where it is from", !/section/u.test(profile.source)],
  ];
  return faults.flatMap(([what, isFault]) => (isFault ? [what] : []));
}

void t.test("every profile is sound, and the check can tell", async (t) => {
  for (const profile of profiles) t.strictSame(faultsOf(profile), [], profile.id);
  t.equal(new Set(profiles.map(({ id }) => id)).size, profiles.length, "ids are unique");
  const header = { name: "x", template: "{nobody}" };
  for (const wrong of [
    { ...generic, versions: ["1.1"] as const },
    { ...generic, auths: { "1.1": ["oauth2"], "1.2": ["oauth1-sha1"] } as const },
    { ...generic, credentials: {} },
    { ...generic, proxyUrl: "https://proxy.example.org" },
    { ...generic, headers: [header] },
    { ...generic, token: { ...generic.token, urls: ["/token"] } },
    { ...generic, requests: { atOnce: 5, peak: { from: "7:00", to: "17:00", atOnce: 1 } } },
  ])
    t.not(faultsOf(wrong).length, 0);
  t.equal(profileOf("infinite-campus"), infiniteCampus);
  t.equal(profileOf("Infinite Campus"), null);
});

void t.test("what each vendor can and cannot do (C005, A066, A093, E028, E034)", async (t) => {
  const having = (isSo: (profile: ApiProfile) => boolean): readonly string[] =>
    profiles.filter(isSo).map(({ id }) => id);
  t.strictSame(
    having(({ features }) => features.resources),
    ["classlink", "generic"],
  );
  t.strictSame(
    having(({ versions }) => versions.includes("1.2")),
    ["infinite-campus", "generic"],
  );
  t.strictSame(
    having(({ credentialDays }) => credentialDays !== null),
    ["infinite-campus"],
  );
  t.strictSame(infiniteCampus.features.demographics, ["oauth2"]);
  t.equal(infiniteCampus.auths["1.1"][0], "oauth2");
  t.match(profileOf("classlink")?.auths["1.1"], ["oauth1-sha256", "oauth1-sha1", "proxy"]);
});

void t.test("fields have the names that vendors give them (D016, D017)", async (t) => {
  const named = (profile: ApiProfile, auth: AuthKind, text: string): string | null =>
    fieldNamed(profile, auth, text)?.name ?? null;
  for (const [text, name] of [
    ["Consumer Key", "id"],
    ["consumer_key:", "id"],
    ["CLIENT ID", "id"],
    ["clientId", "id"],
    ["application-id", "id"],
    ["key", "id"],
    ["Consumer Secret", "secret"],
    ["client_secret", "secret"],
    ["Vendor Key", "vendorKey"],
    ["vendorSecret", "vendorSecret"],
    ["Application Secret", "secret"],
    ["secrets", null],
    ["", null],
    ["password", null],
  ] as const)
    t.equal(named(infiniteCampus, "oauth2", text), name, text);
  t.equal(named(generic, "oauth1-sha1", "application secret"), "applicationSecret", "beside the consumer secret");
  t.equal(named(infiniteCampus, "proxy", "key"), null);
  for (const profile of profiles) {
    for (const auth of authKinds) {
      const texts = fieldsOf(profile, auth).flatMap(({ name, label, synonyms }) =>
        [name, label, ...synonyms].map((each) => [name, each] as const),
      );
      for (const [name, text] of texts) t.equal(named(profile, auth, text), name, `${profile.id} ${auth} ${text}`);
    }
  }
});

void t.test("required fields are asked for, others are not (A067, C010, C014)", async (t) => {
  const missing = (auth: AuthKind, names: readonly string[]): readonly string[] =>
    missingFields(infiniteCampus, auth, names).map(({ label }) => label);
  t.strictSame(missing("oauth2", []), ["Client ID", "Client Secret"]);
  t.strictSame(missing("oauth1-sha1", ["id"]), ["Consumer Secret"]);
  t.strictSame(missing("oauth2", ["secret", "id"]), []);
  t.strictSame(missingFields(profileOf("classlink") ?? generic, "proxy", []), []);
});

void t.test("fewer requests in peak hours, which may go over midnight", async (t) => {
  const night = { ...generic, requests: { atOnce: 4, peak: { from: "22:00", to: "02:00", atOnce: 1 } } };
  for (const [profile, time, most] of [
    [infiniteCampus, "06:59", 5],
    [infiniteCampus, "07:00", 1],
    [infiniteCampus, "16:59", 1],
    [infiniteCampus, "17:00", 5],
    [infiniteCampus, "00:00", 5],
    [night, "21:59", 4],
    [night, "22:00", 1],
    [night, "00:00", 1],
    [night, "01:59", 1],
    [night, "02:00", 4],
    [generic, "12:00", 2],
  ] as const)
    t.equal(atOnceAt(profile, time), most, `${profile.id} ${time}`);
});

void t.test("what a source shows is as old as its cache (E087 to E089)", async (t) => {
  for (const [collection, time, day, since] of [
    ["classes", "04:09", "yesterday", "04:10"],
    ["classes", "04:10", "today", "04:10"],
    ["classes", "23:59", "today", "04:10"],
    ["enrollments", "12:00", "today", "04:10"],
    ["users", "00:00", "yesterday", "18:00"],
    ["users", "04:09", "yesterday", "18:00"],
    ["users", "04:10", "today", "04:10"],
    ["users", "05:59", "today", "04:10"],
    ["users", "06:00", "today", "06:00"],
    ["demographics", "12:30", "today", "12:00"],
    ["users", "18:00", "today", "18:00"],
    ["users", "23:00", "today", "18:00"],
  ] as const)
    t.strictSame(refreshedBefore(infiniteCampus, collection, time), { day, time: since }, `${collection} ${time}`);
  for (const collection of collections) t.equal(refreshedBefore(generic, collection, "12:00"), null);
});

void t.test("versions are compared by their numbers (A079)", async (t) => {
  for (const [version, than, isSo] of [
    ["21.4.3.9", "21.4.4.0", true],
    ["9.12", "21.4.4.0", true],
    ["21.4", "21.4.4.0", true],
    ["v20.11.1", "21.4.4.0", true],
    ["21.4.4.0", "21.4.4.0", false],
    ["21.4.4", "21.4.4.0", false],
    ["21.10.0.0", "21.4.4.0", false],
    ["100", "21.4.4.0", false],
    ["21.4.4.0.1", "21.4.4.0", false],
    ["unknown", "21.4.4.0", false],
    ["", "21.4.4.0", false],
  ] as const)
    t.equal(isOlder(version, than), isSo, version);
  t.match(tooOld(powerschool, "21.4.3.9"), /Universal Rostering/u);
  for (const version of ["21.4.4.0", "21.10", null]) t.equal(tooOld(powerschool, version), null);
  t.equal(tooOld(infiniteCampus, "1.0"), null);
});
