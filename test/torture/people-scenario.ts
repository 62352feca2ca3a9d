// Facts about people, made by a seed: rosters, logins, licenses, accounts, the district's rules, and days that pass.
// Facts of one key have an order of their own; everything else may come in any.

import type { Policy } from "../../libs/domain/policy.ts";
import type { DistrictState } from "../../libs/domain/registration/reasons.ts";
import { firstDay } from "../support/people-district.ts";
import { classIds, type Roster, studentIds, type Teacher } from "../support/people-set.ts";
import type { Random } from "../support/seeded.ts";

export type Claims = {
  readonly sourcedId: string | null;
  readonly sis: string | null;
  readonly name: number | null;
  readonly mail: number | null;
};

export type Fact = { readonly key: string } & (
  | { readonly op: "deliver"; readonly roster: Roster }
  | { readonly op: "login"; readonly at: number; readonly claims: Claims }
  | { readonly op: "school"; readonly school: "s1" | "s2" }
  | { readonly op: "link"; readonly users: readonly string[] }
  | {
      readonly op: "license";
      readonly product: string;
      readonly orgs: readonly ("d" | "s1" | "s2")[];
      readonly validFrom: string | null;
      readonly validTo: string | null;
      readonly seats: number | null;
    }
  | { readonly op: "no-license" }
  | {
      readonly op: "account";
      readonly product: string;
      readonly mail: number | null;
      readonly subject: string | null;
      readonly active: boolean;
    }
  | {
      readonly op: "district";
      readonly state: DistrictState;
      readonly pilot: readonly string[];
      readonly policy: Partial<Policy>;
    }
  | { readonly op: "day" }
);

/** A fact, and whether everything is settled after it. */
export type Step = { readonly fact: Fact; readonly settle: boolean };

const subjectIds = ["a", "b", "c", "d", "e"];
const teacherIds = ["t1", "t2", "t3", "t4", "t5"];
/** Days that matter: one before the first, and those that days passing lead to. */
const dates = ["2025-09-15", "2025-10-02", "2025-10-03"];

/** The facts of each key in their order. */
export function facts(random: Random): readonly Fact[] {
  const subjects = subjectIds.slice(0, 1 + random.below(subjectIds.length));
  return [
    ...rosters(random),
    ...many(random, ["L1", "L2", "L3"]).flatMap((key) => licenses(random, key)),
    ...many(random, ["A1", "A2", "A3"]).flatMap((key) => accounts(random, key, subjects)),
    ...rules(random),
    ...times(random.below(3)).map((): Fact => ({ key: "day", op: "day" })),
    ...subjects.flatMap((key) => logins(random, key)),
  ];
}

function times(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function many(random: Random, keys: readonly string[]): readonly string[] {
  return keys.slice(0, random.below(keys.length + 1));
}

function rosters(random: Random): readonly Fact[] {
  const first: Roster = {
    teachers: Object.fromEntries(
      teacherIds.slice(0, 2 + random.below(4)).map((id, index) => [id, teacher(random, index)]),
    ),
    students: Object.fromEntries(classIds.map((id) => [id, random.some(studentIds, 0.5)])),
    identifier: random.chance(0.7) ? "whole" : random.pick(["short", "missing"]),
  };
  const versions = [first];
  for (let i = random.below(4); i > 0; i--) versions.push(changed(random, versions.at(-1) ?? first));
  return versions.map((roster): Fact => ({ key: "roster", op: "deliver", roster }));
}

function teacher(random: Random, index: number): Teacher {
  return {
    enabled: random.chance(0.9),
    mail: random.chance(0.8) ? index : null,
    name: index,
    role: random.chance(0.8) ? "teacher" : random.pick(["aide", "none"]),
    org: random.pick(["s1", "s2"]),
    roleFrom: random.chance(0.7) ? "" : random.pick(dates),
    roleTo: random.chance(0.8) ? "" : random.pick(dates.slice(1)),
    classes: random.some(classIds, 0.4),
  };
}

function changed(random: Random, roster: Roster): Roster {
  const teachers = new Map(Object.entries(roster.teachers));
  for (let i = 1 + random.below(3); i > 0; i--) {
    const id = random.pick(teacherIds);
    const index = teacherIds.indexOf(id);
    const old = teachers.get(id) ?? teacher(random, index);
    const change = random.below(7);
    if (change === 0) teachers.delete(id);
    // An address or a name that is new, or that somebody has or had.
    else if (change === 1) teachers.set(id, { ...old, mail: random.below(8) });
    else if (change === 2) teachers.set(id, { ...old, name: unused(random, teachers, id) });
    else if (change === 3) teachers.set(id, { ...old, enabled: !old.enabled });
    else if (change === 4) teachers.set(id, { ...old, role: random.pick(["teacher", "aide", "none"]) });
    else if (change === 5) teachers.set(id, { ...old, org: random.pick(["s1", "s2"]) });
    else teachers.set(id, { ...old, classes: random.some(classIds, 0.5) });
  }
  const students = { ...roster.students, [random.pick(classIds)]: random.some(studentIds, 0.5) };
  return { ...roster, teachers: Object.fromEntries(teachers), students };
}

/** A username that nobody has now; somebody may have had it. */
function unused(random: Random, teachers: ReadonlyMap<string, Teacher>, id: string): number {
  const taken = new Set([...teachers].flatMap(([other, { name }]) => (other === id ? [] : [name])));
  return random.pick(times(9).filter((name) => !taken.has(name)));
}

function logins(random: Random, key: string): readonly Fact[] {
  const made: Fact[] = [];
  const own = subjectIds.indexOf(key);
  for (let i = 1 + random.below(3); i > 0; i--) {
    const index = random.chance(0.8) ? own : random.below(teacherIds.length);
    const id = teacherIds[index] ?? null;
    const claims = {
      sourcedId: random.chance(0.2) ? id : null,
      sis: random.chance(0.2) ? id : null,
      name: random.chance(0.3) ? index : null,
      mail: random.chance(0.7) ? random.pick([index, index, index, random.below(8)]) : null,
    };
    // Some are late: they say of themselves that they are older than one before them.
    const login: Fact = { key, op: "login", at: firstDay + random.below(5) * 1000, claims };
    made.push(login);
    if (random.chance(0.2)) made.push(login);
    if (random.chance(0.1)) made.push({ key, op: "school", school: random.pick(["s1", "s2"]) });
    if (random.chance(0.15)) made.push({ key, op: "link", users: random.some(teacherIds, 0.4) });
  }
  return made.filter((fact) => fact.op !== "link" || fact.users.length > 0);
}

/** L1 and L2 are for one product and have seats for all; L3 is for another, and may be short of them. */
function licenses(random: Random, key: string): readonly Fact[] {
  const license = (): Fact => ({
    key,
    op: "license",
    product: key === "L3" ? "math" : "music",
    orgs: random.pick([["d"], ["d"], ["s1"], ["s2"], ["s1", "s2"]]),
    validFrom: random.chance(0.7) ? null : random.pick(dates),
    validTo: random.chance(0.8) ? null : random.pick(dates.slice(1)),
    seats: key === "L3" ? random.pick([1, 2, null]) : null,
  });
  return times(1 + random.below(3)).map((index): Fact =>
    index > 0 && random.chance(0.3) ? { key, op: "no-license" } : license(),
  );
}

function accounts(random: Random, key: string, subjects: readonly string[]): readonly Fact[] {
  const product = random.pick(["music", "art"]);
  return times(1 + random.below(3)).map(() => ({
    key,
    op: "account",
    product,
    mail: random.chance(0.4) ? random.below(5) : null,
    subject: random.chance(0.5) ? random.pick(subjects) : null,
    active: random.chance(0.6),
  }));
}

function rules(random: Random): readonly Fact[] {
  return times(random.below(3)).map(() => ({
    key: "district",
    op: "district",
    state: random.pick(["released", "released", "released", "pilot", "pilot", "leaving"]),
    pilot: random.some(teacherIds, 0.4),
    policy: {
      features: { autoRegistration: random.pick(["simple", "simple", "off"]) },
      rosters: random.pick(["lazy", "eager"]),
      orgScope: random.pick([[], [], ["s1"]]),
      // A start that lies ahead holds deliveries back, so what is published would differ and not what becomes of it.
      startDate: random.pick([null, "2025-09-15"]),
    },
  }));
}

/** An order in which facts of one key keep theirs. */
export function interleaved(random: Random, all: readonly Fact[]): readonly Step[] {
  const queues = [...Map.groupBy(all, ({ key }) => key).values()].map((queue) => [...queue]);
  const steps: Step[] = [];
  const settleShare = random.pick([0, 0.2, 0.5, 1]);
  for (;;) {
    const waiting = queues.filter((queue) => queue.length > 0);
    if (waiting.length === 0) return steps;
    const fact = random.pick(waiting).shift();
    if (fact !== undefined) steps.push({ fact, settle: random.chance(settleShare) });
  }
}

const ranks: Readonly<Record<Fact["op"], number>> = {
  deliver: 0,
  license: 1,
  "no-license": 1,
  account: 2,
  district: 3,
  day: 4,
  login: 5,
  school: 5,
  link: 5,
};

/** The order to which all others are held: the logins last, and all looked at once. */
export function inReferenceOrder(steps: readonly Step[]): readonly Step[] {
  return steps.map(({ fact }) => ({ fact, settle: false })).toSorted((a, b) => ranks[a.fact.op] - ranks[b.fact.op]);
}
