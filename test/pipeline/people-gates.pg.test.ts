// One fixture per reason, through the whole system: a good district with one small change, delivered, signed in to and
// licensed as ever, is explained by exactly that reason, with the row of the roster where one says it.

import t from "tap";

import { factChanged } from "../../libs/adapters/postgres/people.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import { type ClassReason, classReasons } from "../../libs/domain/registration/class-reasons.ts";
import { type DistrictState, type Reason, reasons } from "../../libs/domain/registration/reasons.ts";
import type { Account, License, LinkDecision, Login } from "../../libs/records.ts";
import { explain, type Explanation } from "../../services/registration/explain.ts";
import { decideLink, issuer, linkTo, putAccount, putLicense, settlePeople, signIn } from "../support/people.ts";
import {
  deliverRows,
  firstDay,
  peopleDistrict,
  type PeopleDistrict,
  peoplePolicy,
  systemWithDiff,
} from "../support/people-district.ts";
import { mailOf, ncesIds, type Roster, type Row, type Rows, rowsOf } from "../support/people-set.ts";

/** A small change to the good district. What it leaves out is good. */
type Change = {
  /** Cells by `file sourcedId`; null takes the row away. */
  readonly rows?: Readonly<Record<string, Row | null>>;
  /** The same, in a second delivery. */
  readonly later?: Readonly<Record<string, Row | null>>;
  readonly login?: ((mail: string) => Partial<Login>) | null;
  readonly decisions?: readonly Pick<LinkDecision, "verdict" | "users">[];
  readonly license?: Partial<License> | null;
  readonly account?: (mail: string) => Partial<Account>;
  readonly policy?: Partial<Policy>;
  readonly state?: DistrictState;
  /** Where the roster says it, `file:line` of the last delivery. */
  readonly place?: string;
  /** Gates behind it that cannot be open either. */
  readonly behind?: readonly Reason[];
};

const good: Roster = {
  teachers: {
    t1: {
      enabled: true,
      mail: 1,
      name: 1,
      role: "teacher",
      org: "s1",
      roleFrom: "",
      roleTo: "",
      classes: ["k1"],
    },
    t2: { enabled: true, mail: 2, name: 2, role: "teacher", org: "s1", roleFrom: "", roleTo: "", classes: [] },
  },
  students: { k1: ["p1"] },
  identifier: "whole",
};

const enrollment = "enrollments e-k1-t1";
const byMail = (mail: string): Partial<Login> => ({ email: mail });

/** `login.received` ends in the transaction in which it begins: only the HTTP API can say it. */
const gates: Readonly<Record<Exclude<Reason, "login.received">, Change>> = {
  "login.none": { login: null },
  "login.issuer": { login: (email) => ({ email, issuer: "https://elsewhere.example" }) },
  "match.none": { login: () => ({ username: "nobody" }) },
  "match.several": { login: (email) => ({ email, username: "n2" }) },
  "match.contradicting": { login: (email) => ({ email, sourcedId: "t2" }) },
  "match.shared": { rows: { "users t2": { email: "m1" } } },
  "match.undone": { decisions: [{ verdict: "undo", users: [] }] },
  "roster.gone": { later: { "users t1": null, "roles r-t1": null, [enrollment]: null } },
  "user.disabled": { rows: { "users t1": { enabledUser: "false" } }, place: "users.csv:2" },
  "role.not-teacher": { rows: { "roles r-t1": { role: "aide" }, [enrollment]: null }, place: "users.csv:2" },
  "scope.outside": { policy: { orgScope: ["s2"] } },
  "district.setup": { state: "setup" },
  "district.pilot": { state: "pilot" },
  "district.leaving": { state: "leaving" },
  "start.future": { policy: { startDate: "2025-10-02" } },
  "account.inactive": { account: () => ({ active: false, link: linkTo({ district: "", issuer, subject: "s" }) }) },
  "account.offer": { account: (email) => ({ email }) },
  "account.none": { policy: { features: { autoRegistration: "off" } } },
  "name.missing": { rows: { "users t1": { givenName: "\u00A0" } }, place: "users.csv:2" },
  "email.missing": { rows: { "users t1": { email: "" } }, login: () => ({ username: "n1" }), place: "users.csv:2" },
  "email.unverified": { rows: { "users t1": { email: "m1@elsewhere.example" } }, login: () => ({ username: "n1" }) },
  "org.none": { rows: { "roles r-t1": { orgSourcedId: "s9" } }, place: "roles.csv:2" },
  "org.identifier-missing": { rows: { "orgs d": { identifier: "" }, "orgs s1": { identifier: "" } } },
  "org.identifier-short": { rows: { "orgs d": { identifier: "" }, "orgs s1": { identifier: "60000100001" } } },
  "org.identifier-foreign": { policy: { ncesDistrictIds: ["9999999"] } },
  "license.none": { license: null },
  "license.future": { license: { validFrom: "2025-10-02" } },
  "license.expired": { license: { validTo: "2025-10-01" } },
  "seat.none": { license: { seats: 0 } },
};

const classes: Readonly<Record<ClassReason, Change>> = {
  shown: { place: "enrollments.csv:2" },
  archived: { rows: { "academicSessions y": { endDate: "2025-09-10" } }, place: "enrollments.csv:2" },
  empty: { rows: { "enrollments e-k1-p1": null }, place: "enrollments.csv:2" },
  "enrollment-future": { rows: { [enrollment]: { beginDate: "2025-10-02" } }, place: "enrollments.csv:2" },
  "enrollment-ended": { rows: { [enrollment]: { endDate: "2025-10-01" } }, place: "enrollments.csv:2" },
  "class-missing": { rows: { "classes k1": null }, place: "enrollments.csv:2" },
  "class-outside": { rows: { "roles r-t1": { orgSourcedId: "s2" } }, policy: { orgScope: ["s2"] } },
  "class-future": { rows: { "academicSessions y": { startDate: "2025-10-20" } }, place: "enrollments.csv:2" },
  none: { rows: { [enrollment]: null } },
};

t.setTimeout(120_000);

void t.test("I13 each closed gate is explained by exactly its reason, with its row and what to do", async (t) => {
  const system = await systemWithDiff(t);
  for (const [reason, change] of Object.entries(gates)) {
    const { explained, delivery } = await explanationOf(await peopleDistrict(system), change);
    t.equal(explained.reason, reason);
    const closed = explained.gates.filter(({ isOpen }) => !isOpen);
    t.equal(closed[0]?.reason, reason, `${reason} is the first closed gate`);
    const others = closed.slice(1).map((gate) => gate.reason);
    t.same(others, change.behind ?? [], `${reason} leaves the others open`);
    t.equal(closed[0]?.words, words(reason), `${reason} says what to do`);
    if (change.place !== undefined)
      t.match(closed[0], { delivery, origin: change.place }, `${reason} says which row of which delivery`);
    t.notOk(
      explained.products.some(({ status }) => status === "granted"),
      `${reason} grants nothing`,
    );
  }
});

void t.test("I13 each class is explained by exactly its reason, with its row and what to do", async (t) => {
  const system = await systemWithDiff(t);
  for (const [reason, change] of Object.entries(classes)) {
    const { explained, delivery } = await explanationOf(await peopleDistrict(system), change);
    t.equal(explained.reason, "open", `every gate is open where a class is ${reason}`);
    t.match(explained.products, [{ product: "music", status: "granted", basis: "license" }]);
    const [row] = explained.classes;
    t.equal(explained.classes.length, 1);
    t.match(row, { reason, class: reason === "none" ? "" : "k1", words: classReasons[row?.reason ?? "none"] });
    if (change.place !== undefined) t.match(row, { delivery, origin: change.place }, reason);
  }
});

function words(reason: string): string {
  const all: Readonly<Record<string, { readonly administrator: string }>> = reasons;
  return all[reason]?.administrator ?? "";
}

/** What is said of the teacher t1, or of the login where nobody is linked to it. */
async function explanationOf(
  run: PeopleDistrict,
  change: Change,
): Promise<{ readonly explained: Explanation; readonly delivery: string }> {
  const { system, district } = run;
  const delivery = await roster(run, change);
  await facts(run, change);
  await settlePeople(system);
  const login = await loginOf(run, change);
  await settlePeople(system);
  for (const decision of change.decisions ?? [])
    await decideLink(system, { district, issuer, subject: "s", ...decision, by: "tester", at: firstDay });
  await settlePeople(system);
  let last = delivery;
  if (change.later !== undefined) {
    last = await deliverRows(run, edited(edited(rowsOf(good, run), change.rows ?? {}), change.later));
    await settlePeople(system);
  }
  const row: { readonly person: string | null } | undefined = await system
    .sql("logins")
    .where({ id: login })
    .first("person");
  const who = login === null || row?.person !== null ? "t1" : login;
  const explained = await explain(system, { district, who });
  if (explained === null) throw new Error("nobody is explained");
  return { explained, delivery: last };
}

async function roster(run: PeopleDistrict, { rows = {} }: Change): Promise<string> {
  const shared = rows["users t2"]?.["email"] === "m1" ? { "users t2": { email: mailOf(run, 1) } } : {};
  return deliverRows(run, edited(rowsOf(good, run), { ...rows, ...shared }));
}

async function facts(run: PeopleDistrict, { policy, state = "released", license, account }: Change): Promise<void> {
  const { system, district } = run;
  await system.sql.transaction(async (trx) => {
    await factChanged(trx, district);
    const stored = JSON.stringify(peoplePolicy(run, policy));
    await trx("districts").where({ id: district }).update({ state, policy: stored });
  });
  const { d, s1, s2 } = ncesIds(run);
  if (license !== null) await putLicense(system, { license: `${district}-l`, orgs: [d, s1, s2], ...license });
  if (account === undefined) return;
  const { link = null, ...rest } = account(mailOf(run, 1));
  await putAccount(system, {
    account: `${district}-a`,
    ...rest,
    link: link === null ? null : { ...link, district },
  });
}

/** @returns the id of the login; null when nobody signs in. */
async function loginOf(run: PeopleDistrict, { login = byMail }: Change): Promise<string | null> {
  if (login === null) return null;
  return signIn(run.system, { district: run.district, subject: "s", ...login(mailOf(run, 1)) });
}

function edited(rows: Rows, changes: Readonly<Record<string, Row | null>>): Rows {
  const edit = (file: string, row: Row): readonly Row[] => {
    const cells = changes[`${file} ${row["sourcedId"] ?? ""}`];
    return cells === null ? [] : [{ ...row, ...cells }];
  };
  return Object.fromEntries(Object.entries(rows).map(([file, all]) => [file, all.flatMap((row) => edit(file, row))]));
}
