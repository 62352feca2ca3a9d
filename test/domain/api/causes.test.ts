// Each cause for which a source may show less: when it is told, and when it is not.

import t from "tap";

import { causesOf, type Compared } from "../../../libs/domain/api/causes.ts";
import { type Cause, causes, type PullRecord, type Seen } from "../../../libs/domain/api/pulled.ts";

const today = "2026-06-11";
const seen: Seen = { orgs: ["o1", "o2"], scopes: ["a", "b"], revision: "7", sessionsEnd: "2026-06-12" };
const users = { name: "users", items: 5, metadata: [] } as const;
const demographics = { name: "demographics", items: 5, metadata: [] } as const;
const pull: PullRecord = {
  version: "1.1",
  baseUrl: "https://sis.example.org/ims/oneroster/v1p1",
  collections: [users, demographics],
  missing: [],
  causes: [],
  seen,
};
const missing = (name: "demographics" | "resources", why: "forbidden" | "unknown"): PullRecord["missing"] => [
  { name, why },
];

type Case = readonly [
  what: string,
  expected: readonly Cause[],
  given: { readonly before?: Partial<Seen> | null; readonly now?: Partial<Seen>; readonly on?: string } & Partial<
    Pick<PullRecord, "missing">
  > & { readonly had?: PullRecord["collections"]; readonly at?: string },
];

const cases: readonly Case[] = [
  ["two pulls that show the same", [], {}],
  ["a first pull", [], { before: null }],
  ["a first pull that is refused something", [], { before: null, missing: missing("demographics", "forbidden") }],
  // Orgs (E019, E020, E039).
  ["an org that is gone", ["orgs-narrowed"], { now: { orgs: ["o2"] } }],
  ["one org in the place of another", ["orgs-narrowed"], { now: { orgs: ["o1", "o3"] } }],
  ["no org at all", ["orgs-narrowed"], { now: { orgs: [] } }],
  ["an org more", [], { now: { orgs: ["o0", "o1", "o2"] } }],
  // Scopes (E011, E015).
  ["a scope less", ["scope-narrowed"], { now: { scopes: ["a"] } }],
  ["a scope more", [], { now: { scopes: ["a", "b", "c"] } }],
  ["scopes that are told no more", [], { now: { scopes: null } }],
  ["scopes that were not told", [], { before: { scopes: null } }],
  // Permission (A054).
  ["another revision", ["permission-changed"], { now: { revision: "8" } }],
  ["a revision that is told no more", [], { now: { revision: null } }],
  ["a revision that was not told", [], { before: { revision: null } }],
  // School year (E080).
  ["the last day of school", [], { on: "2026-06-11" }],
  ["the day on which the sessions are over", ["school-year-ended"], { on: "2026-06-12" }],
  [
    "sessions of the next year where the last one's are over",
    ["school-year-ended"],
    {
      on: "2026-08-01",
      now: { sessionsEnd: "2027-06-12" },
    },
  ],
  ["sessions that are over only in what is shown now", ["school-year-ended"], { now: { sessionsEnd: "2025-06-12" } }],
  ["a first pull when the year is over", ["school-year-ended"], { before: null, on: "2026-07-01" }],
  ["no sessions", [], { before: { sessionsEnd: null }, now: { sessionsEnd: null }, on: "2027-01-01" }],
  // Collections (E002, E015).
  ["a collection that is refused", ["collection-forbidden"], { missing: missing("demographics", "forbidden") }],
  ["a collection that is not found", ["collection-forbidden"], { missing: missing("demographics", "unknown") }],
  ["a collection that never came", [], { missing: missing("resources", "forbidden") }],
  [
    "a collection that came empty",
    [],
    {
      missing: missing("demographics", "forbidden"),
      had: [users, { ...demographics, items: 0 }],
    },
  ],
  ["it was found at another address", ["place-changed"], { at: "https://sis.example/other" }],
  ["at the first pull there was none before", [], { before: null, at: "https://sis.example/other" }],
];

void t.test("each cause is told where there is a doubt, and nowhere else", async (t) => {
  for (const [
    what,
    expected,
    { before = {}, now = {}, on = today, missing = [], had = pull.collections, at = pull.baseUrl },
  ] of cases) {
    const compared: Compared = {
      before: before === null ? null : { ...pull, collections: had, seen: { ...seen, ...before } },
      now: { baseUrl: at, seen: { ...seen, ...now }, missing, collections: [users] },
      today: on,
    };
    t.strictSame(causesOf(compared), expected, what);
  }
  t.strictSame(new Set(cases.flatMap(([, expected]) => expected)).size, causes.length, "every cause has a case");
});

void t.test("several causes are told in the order of their list", async (t) => {
  const now = { seen: { orgs: [], scopes: [], revision: "8", sessionsEnd: null }, collections: [], baseUrl: "" };
  const found = causesOf({
    before: pull,
    now: { ...now, missing: missing("demographics", "forbidden") },
    today: "2026-07-01",
  });
  t.strictSame(found, causes);
});
