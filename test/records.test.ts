// The TypeScript types of control records against their Avro schemas: the same fields, and values that survive the trip.

import t from "tap";

import { openCodec } from "../libs/adapters/registry/codec.ts";
import { recordCodec } from "../libs/adapters/registry/record-codec.ts";
import { readSources, repositoryRegistry, schemasDir } from "../libs/adapters/registry/repository.ts";
import type { Records } from "../libs/records.ts";

const counts = [{ type: "user", op: "created", count: 2 ** 40 }];
const hash = "00ff00ff00ff00ff";
const login = { district: "oak", issuer: "https://id.oak.example", subject: "s1" };

/** One of each, every field filled: the compiler checks that no field of the types is missing or too many. */
const samples: Records = {
  "rollcall.control.Delivery": {
    delivery: "oak.sftp.1",
    district: "oak",
    source: "sftp",
    sequence: 1,
    attempt: 2,
    basis: "00",
    generation: "g1",
    from: 3,
    to: 2 ** 40,
    version: "1.2",
    set: "aa",
    asOf: "2026-01-31",
    policy: "bb",
    rules: "1",
    acceptedAt: 1_760_000_000_000,
    types: [
      {
        type: "user",
        mode: "bulk",
        absence: true,
        suspended: false,
        derived: true,
        content: 4,
        absent: 5,
        unknown: 6,
        hash,
      },
    ],
    causes: ["orgs-narrowed"],
  },
  "rollcall.control.Request": {
    district: "oak",
    source: "sftp",
    delivery: "oak.sftp.1",
    wish: "refill",
    reason: "expired",
    at: 7,
  },
  "rollcall.control.Plan": {
    district: "oak",
    source: "sftp",
    delivery: "oak.sftp.1",
    version: 8,
    state: "open",
    verdict: "hold-all",
    cause: "ids-changed",
    parts: [{ type: "user", op: "deleted", count: 9, held: 9, causes: ["delete-limit"], sample: ["a", "b"] }],
    since: 10,
    at: 11,
  },
  "rollcall.control.Decision": {
    decision: "d1",
    district: "oak",
    version: 8,
    verdict: "approve",
    types: ["user"],
    cause: "ids-changed",
    by: "ops",
    at: 12,
  },
  "rollcall.control.Changeset": {
    district: "oak",
    number: 13,
    delivery: "oak.sftp.1",
    plan: 8,
    generation: "g1",
    from: 14,
    to: 15,
    counts,
    hash,
    at: 16,
    left: true,
  },
  "rollcall.control.Notice": {
    district: "oak",
    code: "plan.held",
    severity: "warning",
    message: "held",
    remedy: "look",
    since: 17,
    at: 18,
  },
  "rollcall.control.Login": {
    eventId: "e1",
    ...login,
    at: 19,
    sourcedId: "t1",
    userIds: [{ type: "LDAP", identifier: "l1" }],
    username: "u",
    email: "u@oak.example",
    given: "G",
    family: "F",
    role: "teacher",
  },
  "rollcall.control.SchoolChoice": { ...login, school: "060000100001", at: 20 },
  "rollcall.control.LinkDecision": { ...login, verdict: "link", users: ["t1"], person: "p1", by: "ops", at: 21 },
  "rollcall.control.Account": {
    account: "a1",
    product: "music",
    email: "u@oak.example",
    link: { ...login, proof: "access-code", at: 22 },
    active: true,
    at: 23,
  },
  "rollcall.control.License": {
    license: "l1",
    product: "music",
    orgs: ["0600001"],
    validFrom: "2025-08-01",
    validTo: "2026-08-01",
    seats: 24,
    at: 25,
  },
  "rollcall.registration.Registration": {
    district: "oak",
    person: "p1",
    product: "music",
    status: "granted",
    reason: "open",
    basis: "license",
    account: "a1",
    license: "l1",
    since: 26,
    welcome: "w1",
    at: 27,
  },
  "rollcall.teacher.TeacherRoster": {
    person: "p1",
    teachers: ["t1"],
    class: "c1",
    title: "Band",
    classCode: "B1",
    classType: "scheduled",
    location: "Hall",
    grades: ["09"],
    subjects: ["Music"],
    periods: ["1"],
    primary: true,
    state: "current",
    course: { sourcedId: "co1", title: "Band", courseCode: "B" },
    school: { sourcedId: "o1", name: "Oak High", identifier: "060000100001" },
    terms: [{ sourcedId: "s1", title: "Fall", startDate: "2025-08-01", endDate: "2026-01-01" }],
    students: [
      {
        sourcedId: "st1",
        givenName: "G",
        familyName: "F",
        preferredGivenName: "P",
        preferredFamilyName: "Q",
        username: "u",
        email: "e@oak.example",
        grades: ["09"],
      },
    ],
    changeset: 28,
    at: 29,
  },
  "rollcall.roster.Changeset": { number: 13, from: 14, delivery: "oak.sftp.1", counts, hash, at: 16 },
};

const sources = readSources(schemasDir);
const codec = recordCodec(await openCodec(repositoryRegistry()));

function fieldsOf(name: string): readonly { readonly name: string; readonly type: unknown }[] {
  const schema: { readonly fields?: readonly { readonly name: string; readonly type: unknown }[] } = JSON.parse(
    JSON.stringify(sources.get(name) ?? {}),
  );
  return schema.fields ?? [];
}

/** Fields of a sample and of the records within it that are not those of its schema, by path. */
function differences(sample: object, name: string): readonly string[] {
  const fields = fieldsOf(name);
  const own = Object.keys(sample);
  const extra = own.filter((key) => fields.every((field) => field.name !== key));
  const missing = fields.filter((field) => !own.includes(field.name)).map((field) => field.name);
  const inner = fields.flatMap((field) => {
    const items = /"items":"(rollcall\.[\w.]+)"/u.exec(JSON.stringify(field.type))?.[1];
    const value: unknown = Reflect.get(sample, field.name);
    if (items === undefined || !Array.isArray(value)) return [];
    return value.flatMap((item: unknown) =>
      typeof item === "object" && item !== null ? differences(item, items) : [],
    );
  });
  return [...[...extra, ...missing].map((field) => `${name} ${field}`), ...inner];
}

t.test("every control record has the fields of its schema, and no other", async (t) => {
  for (const [name, sample] of Object.entries(samples)) t.strictSame(differences(sample, name), [], name);
  t.strictSame(
    Object.keys(samples).toSorted(),
    [...sources.keys()]
      .filter((name) => /^rollcall\.(?:control|registration|teacher)\.|\.roster\.Changeset$/u.test(name))
      .filter((name) => !/\.(?:AccountLink|Count|DeliveredType|PlanPart|Course|School|Student|Term)$/u.test(name))
      .toSorted(),
    "every control record has a type",
  );
});

t.test("a field too many, or one too few, in a record or within one, is noticed", async (t) => {
  const { by: _by, ...decision } = samples["rollcall.control.Decision"];
  t.strictSame(differences({ ...decision, who: "ops" }, "rollcall.control.Decision"), [
    "rollcall.control.Decision who",
    "rollcall.control.Decision by",
  ]);
  const marker = { ...samples["rollcall.roster.Changeset"], counts: [{ type: "user", op: "created" }] };
  t.strictSame(differences(marker, "rollcall.roster.Changeset"), ["rollcall.control.Count count"]);
});

async function roundTrip<N extends keyof Records>(name: N, record: Records[N]): Promise<unknown> {
  return JSON.parse(JSON.stringify(codec.decode(name, codec.encode(name, record))));
}

t.test("every control record is read as it was written", async (t) => {
  for (const name of [
    "rollcall.control.Delivery",
    "rollcall.control.Request",
    "rollcall.control.Plan",
    "rollcall.control.Decision",
    "rollcall.control.Changeset",
    "rollcall.control.Notice",
    "rollcall.roster.Changeset",
  ] as const)
    t.strictSame(await roundTrip(name, samples[name]), samples[name], name);
});

t.test("what may be null is null again", async (t) => {
  const delivery = { ...samples["rollcall.control.Delivery"], basis: null };
  t.strictSame(await roundTrip("rollcall.control.Delivery", delivery), delivery);
  const plan = { ...samples["rollcall.control.Plan"], cause: null, parts: [] };
  t.strictSame(await roundTrip("rollcall.control.Plan", plan), plan);
  const decision = { ...samples["rollcall.control.Decision"], cause: null, types: [] };
  t.strictSame(await roundTrip("rollcall.control.Decision", decision), decision);
});

t.test("the bytes of one record are not read as another", async (t) => {
  const bytes = codec.encode("rollcall.control.Request", samples["rollcall.control.Request"]);
  t.throws(() => codec.decode("rollcall.control.Notice", bytes), { code: "registry.undecodable" });
});
