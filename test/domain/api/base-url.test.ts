// Where services lie, from whatever a district pastes for a base URL (C011, D018, D020).

import t from "tap";

import {
  baseUrls,
  collectionUrl,
  readUrl,
  serviceUrl,
  tokenUrls,
  versionIn,
} from "../../../libs/domain/api/base-url.ts";
import { profileOf } from "../../../libs/domain/api/profiles.ts";
import { generic } from "../../../libs/domain/api/profiles/generic.ts";

const host = "https://sis.example.org";
const one = `${host}/ims/oneroster/v1p1`;
const two = `${host}/ims/oneroster/rostering/v1p2`;

void t.test("a base URL that names the version leads to one place", async (t) => {
  for (const [version, given, found] of [
    ["1.1", one, one],
    ["1.1", `${one}/`, one],
    ["1.1", `${one}//`, one],
    ["1.1", `${host}//ims//oneroster/v1p1`, one],
    ["1.1", "HTTPS://SIS.Example.org/ims/oneroster/v1p1", one],
    ["1.1", `${one}/orgs`, one],
    ["1.1", `${one}/Schools/12/classes`, one],
    ["1.1", `${one}/token`, one],
    ["1.1", `${host}/IMS/OneRoster/V1P1`, `${host}/IMS/OneRoster/V1P1`],
    ["1.1", `${host}:8443/aeries/ims/oneroster/v1p1`, `${host}:8443/aeries/ims/oneroster/v1p1`],
    // An id that came escaped goes out as it came (section 9.1).
    ["1.1", `${host}/a%3D%2Fb%3d/ims/oneroster/v1p1/users`, `${host}/a%3D%2Fb%3d/ims/oneroster/v1p1`],
    ["1.1", `${host}/proxy/v1p0/a%3D/ims/oneroster/v1p1`, `${host}/proxy/v1p0/a%3D/ims/oneroster/v1p1`],
    ["1.2", two, two],
    // A proxy's own version before it is none of ours.
    ["1.2", `${host}/v1p1/ims/oneroster/rostering/v1p2`, `${host}/v1p1/ims/oneroster/rostering/v1p2`],
    ["1.2", `${two}/users/`, two],
    ["1.2", `${host}/ims/oneroster/resources/v1p2/`, two],
    ["1.2", `${host}/ims/oneroster/gradebook/v1p2/results`, two],
  ] as const)
    t.strictSame(baseUrls({ baseUrl: given, version }, generic), [found], given);
});

void t.test("what follows a version and is no endpoint may be part of the URL (D023)", async (t) => {
  t.strictSame(baseUrls({ baseUrl: `${one}/acadamicSessions`, version: "1.1" }, generic), [
    `${one}/acadamicSessions`,
    one,
  ]);
});

void t.test("a URL of 1.2 without its service is tried with it first", async (t) => {
  const given = `${host}/ims/oneroster/v1p2`;
  t.strictSame(baseUrls({ baseUrl: given, version: "1.2" }, generic), [two, given]);
});

void t.test("without a version the vendor's paths are tried, and the URL as it is comes last", async (t) => {
  for (const [version, given, ...found] of [
    ["1.1", host, one, host],
    ["1.1", `${host}/ims/oneroster/`, one, `${host}/ims/oneroster`],
    ["1.1", `${host}/ims/oneroster/orgs`, one, `${host}/ims/oneroster`],
    ["1.1", `${host}/ims`, one, `${host}/ims`],
    ["1.1", `${host}/orgs`, `${host}/orgs/ims/oneroster/v1p1`, one, `${host}/orgs`, host],
    ["1.1", `${host}/OneRoster`, `${host}/OneRoster/v1p1`, `${host}/OneRoster`],
    ["1.1", `${host}/learningdata/v1`, `${host}/learningdata/v1/ims/oneroster/v1p1`, `${host}/learningdata/v1`],
    ["1.2", `${host}/ims/oneroster`, two, `${host}/ims/oneroster`],
    ["1.2", `${host}/ims/oneroster/rostering`, two, `${host}/ims/oneroster/rostering`],
  ] as const)
    t.strictSame(baseUrls({ baseUrl: given, version }, generic), found, given);
});

void t.test("each vendor has its own paths", async (t) => {
  for (const [vendor, version, given, first] of [
    ["infinite-campus", "1.1", `${host}/campus`, `${host}/campus/api/ims/oneroster/v1p1`],
    ["infinite-campus", "1.2", host, `${host}/campus/api/ims/oneroster/rostering/v1p2`],
    ["powerschool", "1.1", host, `${host}/api/ims/oneroster/v1p1`],
    ["powerschool", "1.1", `${host}/ims/oneroster/`, one],
    ["aeries", "1.1", `${host}/aeries`, `${host}/aeries/ims/oneroster/v1p1`],
    // Of Blackbaud the domain of the school is enough (C011).
    ["blackbaud", "1.1", "https://oak.myschoolapp.com", "https://oak.myschoolapp.com/ims/oneroster/v1p1"],
    [
      "blackbaud",
      "1.1",
      "https://api.sky.blackbaud.com/afe-rostr",
      "https://api.sky.blackbaud.com/afe-rostr/ims/oneroster/v1p1",
    ],
  ] as const)
    t.equal(baseUrls({ baseUrl: given, version }, profileOf(vendor) ?? generic)[0], first, vendor);
});

void t.test("what is no URL leads nowhere", async (t) => {
  t.strictSame(baseUrls({ baseUrl: "nowhere", version: "1.1" }, generic), []);
});

void t.test("a collection lies in its service", async (t) => {
  t.equal(collectionUrl(one, "resources", "1.1").href, `${one}/resources`);
  t.equal(collectionUrl(two, "users", "1.2").href, `${two}/users`);
  t.equal(collectionUrl(two, "resources", "1.2").href, `${host}/ims/oneroster/resources/v1p2/resources`);
  t.equal(serviceUrl(`${host}/rostering/x/v1p2`, "resources", "1.2"), `${host}/rostering/x/v1p2`);
  t.equal(collectionUrl(`${host}/a%3D/ims/oneroster/v1p1`, "orgs", "1.1").pathname, "/a%3D/ims/oneroster/v1p1/orgs");
});

void t.test("a token comes from the URL that was given, and from no other", async (t) => {
  const tokenUrl = "https://id.example.org/campus/oauth2/token?appName=oak";
  t.strictSame(tokenUrls({ tokenUrl }, generic, one), [tokenUrl]);
  t.strictSame(tokenUrls({ tokenUrl: null }, generic, one).slice(0, 2), [`${one}/token`, `${host}/token`]);
  t.strictSame(tokenUrls({ tokenUrl: null }, profileOf("powerschool") ?? generic, one), [
    `${host}/oauth/access_token`,
    "https://accounts.powerschool.com/as/token.oauth2",
  ]);
  t.strictSame(tokenUrls({ tokenUrl: null }, profileOf("infinite-campus") ?? generic, one), []);
});

void t.test("a URL is read as people send it", async (t) => {
  for (const [given, href] of [
    ["sis.example.org", `${host}/`],
    [" sis.example.org/ims/oneroster/ ", `${host}/ims/oneroster/`],
    ["sis.example.org:8443/ims", `${host}:8443/ims`],
    ["localhost:8080", "https://localhost:8080/"],
    ["http://localhost:8080", "http://localhost:8080/"],
    ["http://127.0.0.1/x", "http://127.0.0.1/x"],
    ["http://[::1]:81/", "http://[::1]:81/"],
    ["Https://SIS.example.org/A%3D", `${host}/A%3D`],
  ] as const)
    t.match(readUrl(given, false), { outcome: "url", url: { href } }, given);
});

void t.test("a URL that would lead astray, or give secrets away, is refused", async (t) => {
  for (const [given, fault] of [
    ["", /such as/u],
    ["oak", /such as/u],
    ["https:/sis.example.org", /such as/u],
    ["https:sis.example.org", /such as/u],
    ["https:///ims", /such as/u],
    ["https://", /such as/u],
    ["ftp://sis.example.org", /https/u],
    ["javascript://sis.example.org", /https/u],
    ["https://sis.example.org/ims oneroster", /blanks/u],
    ["https://oak:secret@sis.example.org", /password/u],
    ["https://sis.example.org/#orgs", /#/u],
    ["http://sis.example.org", /allowHttp/u],
    ["http://localhost.example.org", /allowHttp/u],
    ["http://127.0.0.1.example.org", /allowHttp/u],
  ] as const)
    t.match(readUrl(given, false), { outcome: "fault", fault }, given);
  t.match(readUrl("http://sis.example.org", true), { outcome: "url" });
});

void t.test("the version is read from the path, whatever the case", async (t) => {
  t.equal(versionIn(new URL(`${host}/ims/oneroster/V1P2`)), "1.2");
  t.equal(versionIn(new URL(`${one}/orgs`)), "1.1");
  for (const path of ["", "/proxy/v1p0/x", "/v1p10", "/xv1p1"]) t.equal(versionIn(new URL(host + path)), null, path);
});
