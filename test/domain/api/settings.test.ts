// Settings of a source that is pulled: whole, with what the vendor has best, or refused with all faults at once.

import t from "tap";

import { type ApiChecks, apiSettingsOf, parseApiSettings } from "../../../libs/domain/api/settings.ts";
import { profiles } from "../../../libs/domain/api/profiles.ts";
import { generic } from "../../../libs/domain/api/profiles/generic.ts";

const checks: ApiChecks = {
  isCron: (pattern) => /^\d+ \d+ \* \* \*$/u.test(pattern),
  isTooEarly: (pattern, notBefore) => {
    const [minute = "", hour = ""] = pattern.split(" ");
    return `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}` < notBefore;
  },
};
const parsed = (value: unknown): unknown => parseApiSettings(value, checks);
const baseUrl = "https://sis.example.org/ims/oneroster/v1p1";
const sis = { profile: "generic", baseUrl };
const campus = {
  profile: "infinite-campus",
  baseUrl,
  tokenUrl: "https://sis.example.org/campus/oauth2/token?appName=oak",
};
const link = { profile: "classlink", auth: "proxy", tenant: "4711" };

void t.test("what is left out is as the vendor has it", async (t) => {
  t.strictSame(parsed(sis), { outcome: "settings", settings: { ...apiSettingsOf(generic), baseUrl } });
  t.match(parsed(campus), {
    settings: { version: "1.1", auth: "oauth2", schedule: "0 5 * * *", tokenUrl: campus.tokenUrl, expires: null },
  });
  t.match(parsed(link), { settings: { baseUrl: "https://oneroster-proxy.classlink.io", version: "1.1" } });
  for (const { id, proxyUrl, token } of profiles) {
    const tokenUrl = token.urls.length === 0 && id !== "classlink" ? campus.tokenUrl : null;
    t.match(parsed({ profile: id, baseUrl, tokenUrl }), { outcome: "settings" }, `${id} ${proxyUrl ?? ""}`);
  }
});

void t.test("what was parsed is parsed to the same", async (t) => {
  const given = { ...campus, version: 1.1, scopes: "a b", expires: "2027-01-31", pageSize: 500, sourceVersion: 2235 };
  const first = parseApiSettings(given, checks);
  t.match(first, { settings: { scopes: ["a", "b"], sourceVersion: "2235", version: "1.1" } });
  t.strictSame(first.outcome === "settings" ? parsed(first.settings) : null, first);
});

void t.test("version and way to sign in are told from the URLs where they are left out (D018, D019)", async (t) => {
  const two = "https://sis.example.org/ims/oneroster/rostering/v1p2/";
  t.match(parsed({ ...sis, baseUrl: two }), {
    settings: { version: "1.2", auth: "oauth2", baseUrl: two.slice(0, -1) },
  });
  const blackbaud = { profile: "blackbaud", baseUrl: "oak.myschoolapp.com" };
  t.match(parsed(blackbaud), { settings: { auth: "oauth1-sha1", baseUrl: "https://oak.myschoolapp.com" } });
  const tokenUrl = "https://oauth2.sky.blackbaud.com/token";
  t.match(parsed({ ...blackbaud, tokenUrl }), { settings: { auth: "oauth2" } });
});

void t.test("a schedule may be none, and a URL by http is for this machine, or with a word", async (t) => {
  t.match(parsed({ ...sis, schedule: null }), { settings: { schedule: null } });
  t.match(parsed({ ...sis, baseUrl: "http://localhost:8080/" }), { settings: { baseUrl: "http://localhost:8080" } });
  t.match(parsed({ ...sis, baseUrl: "http://sis:8080", allowHttp: true }), {
    settings: { baseUrl: "http://sis:8080" },
  });
});

void t.test("each fault is told, naming its field", async (t) => {
  for (const [value, fault] of [
    [{}, /^profile must be classlink or infinite-campus/u],
    [{ ...sis, profile: "edupoint" }, /^profile must be/u],
    [{ profile: "generic" }, /^baseUrl must be given/u],
    [{ ...sis, baseUrl: 5 }, /^baseUrl must be a text/u],
    [{ ...sis, baseUrl: "https://sis.example.org/?a=1" }, /^baseUrl must have no \?/u],
    [{ ...sis, baseUrl: "http://sis.example.org" }, /^baseUrl must begin with https/u],
    [{ ...sis, version: "1.2" }, /^baseUrl is of OneRoster 1\.1, and version is 1\.2/u],
    [{ ...sis, version: "1.0" }, /^version must be 1\.1 or 1\.2/u],
    [{ ...sis, auth: "basic" }, /^auth must be/u],
    [{ ...sis, auth: "proxy", tenant: "1", baseUrl: "https://sis.example.org" }, /^auth proxy is not offered/u],
    [
      { profile: "generic", version: "1.2", auth: "oauth1-sha1", baseUrl: "https://a.example" },
      /^auth oauth1-sha1 is not/u,
    ],
    [{ profile: "aeries", version: "1.2", baseUrl: "https://a.example" }, /^version 1\.2 is not offered by Aeries/u],
    [{ ...campus, tokenUrl: null }, /^tokenUrl must be given/u],
    [{ ...sis, tokenUrl: "http://id.example.org/token" }, /^tokenUrl must begin with https/u],
    [{ ...sis, auth: "oauth1-sha1", tokenUrl: campus.tokenUrl }, /^tokenUrl is for auth oauth2/u],
    [{ ...sis, auth: "oauth1-sha1", scopes: ["a"] }, /^scopes is for auth oauth2/u],
    [{ ...sis, scopes: ['a"b'] }, /^scopes has what is none/u],
    [{ ...link, tenant: null }, /^tenant must be given/u],
    [{ ...sis, tenant: "4711" }, /^tenant is for auth proxy/u],
    [{ ...link, baseUrl }, /^baseUrl must be that of the proxy alone/u],
    [{ ...sis, schedule: "nightly" }, /^schedule must be a pattern of cron/u],
    [{ ...campus, schedule: "9 4 * * *" }, /^schedule must name no time before 04:10/u],
    [{ ...sis, expires: "31.01.2027" }, /^expires must be a date/u],
    [{ ...sis, resources: "yes" }, /^resources must be true or false/u],
    // The only API that resources come from is that of ClassLink (A093).
    [{ ...campus, resources: true }, /^resources do not come from the API of Infinite Campus: they come by CSV/u],
    [{ profile: "powerschool", baseUrl, resources: true }, /^resources do not come/u],
    [{ ...sis, pageSize: 0 }, /^pageSize must be/u],
    [{ ...sis, pageSize: 1.5 }, /^pageSize must be/u],
    [{ ...sis, sourceVersion: "latest" }, /^sourceVersion must be/u],
    [{ ...sis, revisionHeader: "x y" }, /^revisionHeader must be/u],
    [{ ...sis, secret: "x" }, /^settings has no field secret; known are/u],
    [[], /^settings must be an object/u],
  ] as const)
    t.match(parsed(value), { outcome: "faults", faults: [fault] }, JSON.stringify(value));
});

void t.test("what stands at the edge of a rule is let pass", async (t) => {
  for (const value of [
    { ...campus, schedule: "10 4 * * *" },
    { ...sis, schedule: "0 0 * * *" },
    { ...sis, resources: true },
    { profile: "classlink", baseUrl, resources: true },
    { ...campus, auth: "oauth1-sha1", tokenUrl: null },
    { ...sis, pageSize: 50_000 },
    { ...link, baseUrl: "https://proxy.example.org/proxy/v1p0" },
  ])
    t.match(parsed(value), { outcome: "settings" }, JSON.stringify(value));
});

void t.test("all faults are told at once", async (t) => {
  const many = { ...campus, version: "1.2", resources: true, schedule: "0 3 * * *", expires: "soon", pageSize: -1 };
  t.match(parsed(many), { faults: [/^expires/u, /^pageSize/u, /^baseUrl is of/u, /^resources/u, /^schedule/u] });
});
