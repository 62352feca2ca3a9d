// Which scopes are asked for, and when credentials stop working.

import t from "tap";

import { type Collection, requiredCollections } from "../../../libs/domain/api/collections.ts";
import { expiryFrom, expiryStep } from "../../../libs/domain/api/expiry.ts";
import { generic } from "../../../libs/domain/api/profiles/generic.ts";
import { infiniteCampus } from "../../../libs/domain/api/profiles/infinite-campus.ts";
import { scopesFor } from "../../../libs/domain/api/scopes.ts";

void t.test("scopes are those of what is pulled, and none writes", async (t) => {
  const ofOne = "https://purl.imsglobal.org/spec/or/v1p1/scope/";
  const ofTwo = "https://purl.imsglobal.org/spec/or/v1p2/scope/";
  const roster = ["roster-core.readonly", "roster.readonly"];
  const all: readonly Collection[] = [...requiredCollections, "demographics", "resources"];
  for (const [version, wanted, prefix, names] of [
    ["1.1", requiredCollections, ofOne, roster],
    ["1.2", requiredCollections, ofTwo, roster],
    ["1.1", all, ofOne, [...roster, "roster-demographics.readonly", "resource.readonly"]],
    ["1.2", all, ofTwo, [...roster, "roster-demographics.readonly", "resource-core.readonly", "resource.readonly"]],
    ["1.2", ["demographics"], ofTwo, ["roster-demographics.readonly"]],
    ["1.2", [], ofTwo, []],
  ] as const)
    t.strictSame(
      scopesFor(version, wanted),
      names.map((name) => prefix + name),
    );
});

void t.test(
  "people are told 30, 14, 7 and 1 days ahead, and on the day itself nothing works (E028 to E031)",
  async (t) => {
    for (const [today, step] of [
      ["2026-07-31", null],
      ["2026-08-01", 30],
      ["2026-08-16", 30],
      ["2026-08-17", 14],
      ["2026-08-24", 7],
      ["2026-08-29", 7],
      ["2026-08-30", 1],
      ["2026-08-31", 0],
      ["2027-01-01", 0],
    ] as const)
      t.equal(expiryStep("2026-08-31", today), step, today);
    t.equal(expiryStep(null, "2026-08-31"), null);
  },
);

void t.test("credentials that are renewed hold for as long as the vendor says (E030)", async (t) => {
  t.equal(expiryFrom(infiniteCampus, "oauth1-sha1", "2026-11-25"), "2027-11-25");
  t.equal(expiryFrom(infiniteCampus, "oauth1-sha256", "2027-03-01"), "2028-02-29");
  t.equal(expiryFrom(infiniteCampus, "oauth2", "2026-11-25"), null);
  t.equal(expiryFrom(generic, "oauth1-sha1", "2026-11-25"), null);
});
