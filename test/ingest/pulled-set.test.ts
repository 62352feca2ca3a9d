// Pages of an API judged as a set: the same entities as from CSV, what servers get wrong, and that whatever an item is,
// nothing throws and no key is lost (A008, C004).

import t from "tap";

import { tables } from "../../libs/adapters/oneroster/rest-tables.ts";
import { openSet } from "../../libs/adapters/oneroster/set-reader.ts";
import type { Entity } from "../../libs/domain/oneroster/entities.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import { defaultPolicy } from "../../libs/domain/policy.ts";
import { judgeSet } from "../../libs/ingest/judge-set.ts";
import { readAs } from "../../libs/ingest/landed-set.ts";
import { renderReport, reportOf } from "../../libs/ingest/report.ts";
import { writeSample } from "../../libs/sample/sample.ts";
import { truthOf } from "../support/oneroster-items.ts";
import { judgePages, pullOf, setOfPages } from "../support/pages.ts";
import { Random } from "../support/seeded.ts";
import { groups } from "./pulled-cases.ts";
import { RecordingSink } from "./recording-sink.ts";

const policy = { ...defaultPolicy, demographics: true };
const made = new Set<string>(["role", "classResource", "courseResource"]);

/** What a sink holds, without what the bindings cannot have in common: times, and ids and titles of links. */
function contentOf(sink: RecordingSink): readonly string[] {
  return [...sink.standing.values()]
    .map(({ entity }) => {
      const type = entity?.type ?? "";
      const left = made.has(type) ? { sourcedId: null, title: null } : {};
      return JSON.stringify({ ...entity, dateLastModified: null, ...left });
    })
    .toSorted();
}

for (const version of ["1.1", "1.2"] as const) {
  void t.test(`a district of ${version} has the same entities by API as by CSV`, async (t) => {
    const options = { version, students: 40, seed: 3, night: 4, schoolYear: 2199 };
    const truth = await truthOf(options);
    const items = Object.fromEntries(
      Object.entries(truth.items).map(([name, all]) => [
        name,
        // Of users this server sends ids as numbers, which lose digits unless they are read with care.
        all.map((item) => JSON.stringify(item).replaceAll(/"(9007199254\d{7})"/gu, "$1")),
      ]),
    );
    const pulled = await judgePages({ version, items, policy, perPage: 7 });
    const directory = t.testdir();
    await writeSample({ directory, ...options });
    const csv = new RecordingSink();
    const { verdict } = await judgeSet({ set: await openSet(directory), policy, sink: csv });
    const expected = contentOf(csv).map((text) => text.replaceAll(/(?<=ourcedId":")s(\d{7})(?=")/gu, "9007199254$1"));
    const [has, wants] = [new Set(contentOf(pulled.sink)), new Set(expected)];
    t.strictSame([...wants].filter((one) => !has.has(one)).slice(0, 3), [], "nothing is missing");
    t.strictSame([...has].filter((one) => !wants.has(one)).slice(0, 3), [], "nothing is too much");
    t.equal(pulled.verdict.outcome, "accepted");
    t.strictSame(pulled.verdict.findings, [], "nothing is told of statuses and times that the binding demands");
    for (const type of entityTypes) {
      const { mode, absence, derived, entities } = verdict.types[type];
      t.match(pulled.verdict.types[type], { mode, absence, derived, entities }, type);
    }
    t.ok(Object.values(readAs(pulled.verdict)).every((how) => how === "whole"));
    t.equal(pulled.verdict.files.length, 8, "a collection of which two tables are made is one file");
  });
}

void t.test("servers are read as they are, and what cannot be read is never dropped", async (t) => {
  for (const { collection, version, item, type, id = "x", cases } of groups) {
    for (const [what, has, becomes, ...told] of cases) {
      const name = `${type}, ${what}`;
      const items = { resources: [], [collection]: [JSON.stringify({ ...item, ...has })] };
      const { verdict, sink } = await judgePages({ version, items, metadata: ["text", "number", "flag", "n"], policy });
      const standing = sink.standing.get(JSON.stringify([type, id]));
      const codes = new Set<string>(verdict.findings.map(({ code }) => code));
      for (const code of told) t.ok(codes.has(code), `${name}: ${code} is told`);
      t.equal(verdict.types[type].suspended, becomes === "no key", `${name}: suspends`);
      if (becomes === "no key" || becomes === "nothing") t.equal(standing, undefined, name);
      else if (becomes === "refused") t.equal(standing?.says, "unknown", name);
      else if (becomes === "deleted") t.equal(standing?.says, "absent", name);
      else for (const [field, value] of Object.entries(becomes)) t.same(fieldOf(standing?.entity, field), value, name);
      t.notMatch(JSON.stringify([...sink.standing.values()]), "secret", name);
    }
  }
});

function fieldOf(entity: Entity | null | undefined, name: string): unknown {
  return Object.entries(entity ?? {}).find(([field]) => field === name)?.[1];
}

const user11 = {
  sourcedId: "x",
  username: "u",
  givenName: "A",
  familyName: "B",
  enabledUser: true,
  role: "student",
  orgs: ["o1"],
};

void t.test("an id that is a number beyond those that a double holds keeps its digits", async (t) => {
  const items = {
    orgs: [
      '{"sourcedId":12345678901234567891,"name":"N","type":"school"}',
      '{"sourcedId":12345678901234567890,"name":"S","type":"school","parent":{"sourcedId":12345678901234567891}}',
    ],
  };
  const { sink } = await judgePages({ version: "1.1", items });
  t.match(sink.standing.get('["org","12345678901234567890"]'), {
    entity: { name: "S", parentSourcedId: "12345678901234567891" },
  });
  t.equal(sink.standing.size, 2);
});

void t.test("a record is traced to page and item, and the report to collection and item", async (t) => {
  const one = (id: number, type = "school"): string => JSON.stringify({ sourcedId: `o${id}`, name: "N", type });
  const items = { orgs: [one(1), one(2), one(3, "castle"), one(4), one(5)] };
  const judged = await judgePages({ version: "1.2", items, perPage: 2 });
  t.ok(judged.sink.calls.includes("content org o4 orgs?limit=2&offset=2:2"));
  t.ok(judged.sink.calls.includes("content org o5 orgs?limit=2&offset=4:1"));
  t.ok(judged.sink.calls.includes("unknown org o3 row.enum orgs?limit=2&offset=2:1"));
  const text = renderReport(reportOf(judged));
  t.match(text, /OneRoster 1\.2, pulled, 1 collections/u);
  t.match(text, /row\.enum in orgs\.jsonl type\n {4}item 3\n/u);
  t.match(text, "REST binding 1.2, enumerations");
});

void t.test(
  "what has no items deletes nothing, and tables that are made of parts are there with parts alone",
  async (t) => {
    const user = JSON.stringify({ ...user11, roles: [] });
    const { verdict } = await judgePages({ version: "1.2", items: { users: [user], enrollments: [] } });
    t.match(verdict.types, {
      user: { mode: "bulk", absence: true },
      enrollment: { absence: false },
      role: { mode: "absent", absence: false },
      org: { mode: "absent", absence: false },
    });
    t.same(readAs(verdict), { "users.jsonl": "whole" });
    const odd = JSON.stringify({ ...user11, roles: ["teacher"] });
    const part = await judgePages({ version: "1.2", items: { users: [odd] } });
    t.same(readAs(part.verdict), { "users.jsonl": "part" }, "roles of an earlier pull may still count");
  },
);

void t.test("who tells no roles is named, and until then no role is deleted by absence", async (t) => {
  const user = (sourcedId: string, roles?: readonly unknown[]): string =>
    JSON.stringify({ ...user11, sourcedId, roles, role: undefined });
  const teacher = user("a", [{ roleType: "primary", role: "teacher", org: "o1" }]);
  const orgs = ['{"sourcedId":"o1","name":"N","type":"school"}'];
  const silent = await judgePages({ version: "1.2", items: { orgs, users: [teacher, user("b"), user("c", [])] } });
  t.match(silent.verdict.types, { user: { absence: true }, role: { absence: false, suspended: true } });
  t.ok(silent.sink.standing.has('["role","~a~teacher~o1"]'), "roles of others are read");
  t.match(renderReport(reportOf(silent)), /row\.key in users\.jsonl .*\n {4}item 2\n/u);
  const told = await judgePages({ version: "1.2", items: { orgs, users: [teacher, user("b", [])] } });
  t.match(told.verdict.types.role, { absence: true, suspended: false });
  t.match(renderReport(reportOf(told)), /sem\.user_role_missing in users\.jsonl.*\n {4}item 2\n/u);
});

void t.test("rows that contradict take back roles that were sent, in a second reading of the pages", async (t) => {
  const user = (more: Readonly<Record<string, unknown>>): string => JSON.stringify({ ...user11, ...more });
  const items = { users: [user({}), user({ sourcedId: "y" }), user({ givenName: "C" })] };
  const { sink } = await judgePages({ version: "1.1", items });
  t.equal(sink.says("user", "x"), "unknown");
  t.equal(sink.says("role", "~x~student~o1"), "unknown");
  t.equal(sink.says("role", "~y~student~o1"), "content");
});

void t.test("a file that does not hold what was pulled, or is damaged, refuses the set", async (t) => {
  const items = { orgs: ['{"sourcedId":"o1","name":"N","type":"school"}'] };
  const whole = setOfPages({ version: "1.1", items });
  const more = pullOf({ version: "1.1", items: { orgs: ["", ""] } });
  const damages = [
    setOfPages({ version: "1.1", items: { orgs: ['{"sourcedId":'] } }),
    setOfPages({ version: "1.1", items: { orgs: ['1],"orgs":"none","people":[2'] } }),
    { ...whole, pull: more },
  ];
  for (const set of damages) {
    const { verdict } = await judgeSet({ set, policy, sink: new RecordingSink() });
    t.match(verdict, { outcome: "refused", refusal: /^The set cannot be read whole: reading the set: /u });
  }
});

void t.test("whatever the items are, judging ends and no item is lost silently", async (t) => {
  const seeds =
    process.env["SEED"] === undefined ? Array.from({ length: 60 }, (_, at) => at + 1) : [Number(process.env["SEED"])];
  for (const seed of seeds) {
    const random = new Random(seed, 20);
    const { version, collection, type: own, item } = random.pick(groups);
    const type = tables[collection][0] ?? own;
    const items = Array.from({ length: 20 }, (_, at) =>
      JSON.stringify(mangled(random, { ...item, sourcedId: `x${at}` })),
    );
    const { verdict, sink } = await judgePages({
      version,
      items: { resources: [], [collection]: items },
      metadata: ["a", "__proto__", "constructor"],
      policy: { ...policy, maximumRejectShare: 1 },
    });
    const { rows, entities, deletes, rejects, repeats, suspended } = verdict.types[type];
    t.equal(rows, 20, `seed ${seed}: an item is a row`);
    t.equal(rows, entities + deletes + rejects + repeats, `seed ${seed}: each row is accounted for`);
    for (const text of items) {
      const item: unknown = JSON.parse(text);
      const id = typeof item === "object" && item !== null && "sourcedId" in item ? item.sourcedId : null;
      const isKnown = typeof id === "string" && id !== "" && sink.says(type, id.toWellFormed()) !== undefined;
      if (!isKnown && !suspended && typeof id !== "number") t.fail(`seed ${seed}: ${text} is lost`);
    }
  }
});

/** The item with some of its properties replaced by anything at all, or anything at all in its place. */
function mangled(random: Random, item: Readonly<Record<string, unknown>>): unknown {
  if (random.chance(0.05)) return anything(random);
  const entries = Object.entries(item).map(
    ([name, value]) => [name, random.chance(0.15) ? anything(random) : value] as const,
  );
  return Object.fromEntries([...entries, ["metadata", anything(random)]]);
}

function anything(random: Random, depth = 3): unknown {
  const texts = ["", "x", "\0", "\u001f", "\ud800", "a\u001eb", "true", "tobedeleted", "2025-01-01", "x".repeat(300)];
  const one = random.below(depth > 0 ? 9 : 6);
  if (one < 3) return random.pick(texts);
  if (one === 3) return random.pick([0, -1, 1.5, 1e21, 2 ** 53]);
  if (one === 4) return random.pick([true, false]);
  if (one === 5) return null;
  const parts = Array.from({ length: random.below(4) }, () => anything(random, depth - 1));
  if (one < 8) return parts;
  const names = [
    "sourcedId",
    "SourcedId",
    "href",
    "type",
    "identifier",
    "org",
    "role",
    "__proto__",
    "a",
    "constructor",
  ];
  return Object.fromEntries(parts.map((part) => [random.pick(names), part]));
}
