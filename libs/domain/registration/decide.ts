// From facts to a standing: the gates in their order, and what the person is to each product.

import { unreachable } from "../assert.ts";
import { isWithin } from "../dates.ts";
import { isVerified, type Match, normalName } from "../identity.ts";
import { districtOfSchool, isShortNcesId, isWholeNcesId } from "../nces.ts";
import type { AccountFact, Facts, GateView, Grant, LicenseFact, OrgFact, Origin, Standing, UserFact } from "./facts.ts";
import { type Gate, gates, type Reason, reasons, type Status } from "./reasons.ts";

const always: Origin = { since: null, delivery: null, origin: null };

/** The reason of a login that is linked to nobody. */
export function reasonOfMatch(match: Exclude<Match, { readonly outcome: "one" }>): Reason {
  switch (match.outcome) {
    case "none":
      return "match.none";
    case "several":
      return "match.several";
    case "contradicting":
      return "match.contradicting";
    case "shared":
      return "match.shared";
    default:
      return unreachable(match);
  }
}

/** How a person who is linked to a login stands, to every product. Gates behind a closed one are shown as well. */
export function standing(facts: Facts): Standing {
  const common = commonGates(facts);
  const shut = common.find((gate) => gate.reason !== null)?.reason ?? null;
  const isKnown = common.length === commonCount;
  const outcomes = productsOf(facts).map((product) => outcomeFor(product, facts));
  const own = [...common, ...(isKnown ? decisive(outcomes, facts) : [])];
  const grants = outcomes.map(({ grant }) => (shut === null ? grant : refusalOf(grant.product, shut)));
  const reason = own.find((gate) => gate.reason !== null)?.reason ?? "open";
  return { state: reason === "open" ? "active" : reasons[reason].state, reason, gates: own, grants };
}

/** match, roster, user, role, scope, district, start. */
const commonCount = gates.indexOf("account");

/** The gates that are the same for every product. */
function commonGates(facts: Facts): readonly GateView[] {
  const views = [view("match", null, count(facts.logins.length, "login"), newest(facts.logins))];
  const ids = facts.users.map(({ sourcedId }) => sourcedId).join(", ");
  views.push(view("roster", ids === "" ? "roster.gone" : null, ids === "" ? "nobody" : ids, newest(facts.users)));
  if (facts.users.length === 0) return views;
  const enabled = facts.users.filter((user) => user.enabled);
  const isOff = enabled.length === 0;
  views.push(view("user", isOff ? "user.disabled" : null, `enabledUser ${!isOff}`, newest(or(enabled, facts.users))));
  if (isOff) return views;
  const roles = teacherRoles(enabled);
  const allRoles = enabled.flatMap((user) => user.roles);
  const isTeacher = roles.length > 0 || enabled.some((user) => user.teaches);
  const held = distinct(allRoles.map(({ role }) => role)).join(", ");
  views.push(
    view("role", isTeacher ? null : "role.not-teacher", held === "" ? "no role" : held, newest(or(roles, enabled))),
  );
  const isOutside = allRoles.length > 0 && !allRoles.some((role) => role.isInScope);
  const orgs = distinct(allRoles.map(({ orgId }) => orgId)).join(", ");
  views.push(view("scope", isOutside ? "scope.outside" : null, orgs === "" ? "no org" : orgs, facts.policyOrigin));
  views.push(view("district", districtReason(facts), facts.district.state, facts.district));
  const { startDate } = facts.policy;
  const isBefore = startDate !== null && facts.today < startDate;
  views.push(view("start", isBefore ? "start.future" : null, startDate ?? "no start date", facts.policyOrigin));
  return views;
}

function view(gate: Gate, reason: Reason | null, value: string, { since, delivery, origin }: Origin): GateView {
  return { gate, reason, value, since, delivery, origin };
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].toSorted();
}

function districtReason({ district }: Facts): Reason | null {
  switch (district.state) {
    case "setup":
      return "district.setup";
    case "pilot":
      return district.isPilotTeacher ? null : "district.pilot";
    case "leaving":
      return "district.leaving";
    case "released":
      return null;
    default:
      return unreachable(district.state);
  }
}

/** Products about which something can be said: those of linked accounts, and of licenses that cover the person. */
function productsOf(facts: Facts): readonly string[] {
  const covering = facts.policy.features.autoRegistration === "simple" ? coveringLicenses(facts) : [];
  return [...new Set([...facts.accounts, ...covering].map(({ product }) => product))].toSorted();
}

type Outcome = { readonly grant: Grant; readonly views: readonly GateView[] };

function outcomeFor(product: string, facts: Facts): Outcome {
  const accounts = facts.accounts.filter((account) => account.product === product);
  const active = accounts.find((account) => account.active);
  if (active !== undefined) return byAccount(product, active);
  const [inactive] = accounts;
  if (inactive !== undefined)
    return refusal(product, "account.inactive", [view("account", "account.inactive", inactive.account, inactive)]);
  const before = gatesBeforeLicense(facts, product);
  const shut = before.find((gate) => gate.reason !== null)?.reason ?? null;
  if (shut !== null) return refusal(product, shut, before);
  return byLicense(product, facts, before);
}

function byAccount(product: string, account: AccountFact): Outcome {
  return {
    grant: {
      product,
      status: "granted",
      reason: "open",
      basis: "account",
      account: account.account,
      license: null,
    },
    views: [view("account", null, account.account, account)],
  };
}

function byLicense(product: string, facts: Facts, before: readonly GateView[]): Outcome {
  const licenses = coveringLicenses(facts).filter((license) => license.product === product);
  const valid = licenses.filter(({ validFrom, validTo }) => isWithin(facts.today, validFrom, validTo));
  if (valid.length === 0) {
    const isFuture = licenses.some(({ validFrom }) => validFrom !== null && facts.today < validFrom);
    const reason = isFuture ? "license.future" : "license.expired";
    return refusal(product, reason, [...before, view("license", reason, idsOf(licenses), newest(licenses))]);
  }
  const license = view("license", null, idsOf(valid), newest(valid));
  // First one that has seats for all: no seat is used up where none is needed, and which license came first is the same.
  const seated =
    valid.find(({ seatsLeft }) => seatsLeft === null) ??
    valid.find(({ hasSeat }) => hasSeat) ??
    valid.find(({ seatsLeft }) => (seatsLeft ?? 0) > 0);
  if (seated === undefined) {
    const seat = view("seat", "seat.none", "none is left", newest(valid));
    return refusal(product, "seat.none", [...before, license, seat]);
  }
  const grant = { product, status: "granted", reason: "open", basis: "license", account: null } as const;
  return {
    grant: { ...grant, license: seated.license },
    views: [...before, license, view("seat", null, `of ${seated.license}`, seated)],
  };
}

function refusal(product: string, reason: Reason, views: readonly GateView[]): Outcome {
  return { grant: refusalOf(product, reason), views };
}

function refusalOf(product: string, reason: Reason): Grant {
  return { product, status: statusOf(reason), reason, basis: null, account: null, license: null };
}

/** What a closed gate is to a product: refused when somebody has to change something, waiting when it may pass. */
export function statusOf(reason: Reason): Exclude<Status, "granted"> {
  return reasons[reason].state === "inactive" ? "refused" : "waiting";
}

/** The gates of the product that decides what the login is told: a granted one, or the one that got furthest. */
function decisive(outcomes: readonly Outcome[], facts: Facts): readonly GateView[] {
  const granted = outcomes.find(({ grant }) => grant.status === "granted");
  if (granted !== undefined) return granted.views;
  const offered = outcomes.find(({ grant }) => grant.reason === "account.offer");
  const [furthest] = outcomes.toSorted((a, b) => progress(b) - progress(a));
  const best = offered ?? furthest;
  if (best !== undefined) return best.views;
  const before = gatesBeforeLicense(facts, null);
  const isPassed = before.length === gatesBefore.length && before.every((gate) => gate.reason === null);
  if (!isPassed) return before;
  return [...before, view("license", "license.none", "none", always)];
}

function progress({ grant }: Outcome): number {
  return grant.reason === "open" ? gates.length : gates.indexOf(reasons[grant.reason].gate);
}

const gatesBefore: readonly Gate[] = ["account", "attributes", "org"];

/** Account, attributes and org, for a product to which no account is linked. `product` null: for none in particular. */
function gatesBeforeLicense(facts: Facts, product: string | null): readonly GateView[] {
  const views: GateView[] = [];
  const pass = (gate: Gate, reason: Reason | null, about: Origin & { readonly value: string }): boolean => {
    views.push(view(gate, reason, about.value, about));
    return reason === null;
  };
  const [possible] = facts.possibleAccounts.filter((account) => product === null || account.product === product);
  const isSimple = facts.policy.features.autoRegistration === "simple";
  const account = possible !== undefined ? "account.offer" : isSimple ? null : "account.none";
  const found =
    possible === undefined
      ? { ...facts.policyOrigin, value: `none is linked; auto-registration ${facts.policy.features.autoRegistration}` }
      : { ...possible, value: `${possible.account} is linked to nobody` };
  if (!pass("account", account, found)) return views;
  const enabled = facts.users.filter((user) => user.enabled);
  if (teacherRoles(enabled).length === 0) {
    // Whoever teaches a class in another role may link an account, and is not registered without one.
    if (enabled.some((user) => user.teaches))
      pass("role", "role.not-teacher", { ...newest(enabled), value: "no role teacher" });
    return views;
  }
  const lacking = attributesReason(facts);
  const attributes = lacking === null ? "first name, last name and email are there" : "not all are there";
  if (!pass("attributes", lacking, { ...newest([...enabled, ...facts.logins]), value: attributes })) return views;
  const orgs = organisationsOf(facts);
  const identifiers = distinct(orgs.flatMap((org) => org.identifiers)).join(", ");
  pass("org", orgReason(orgs, facts), {
    ...newest(teacherRoles(enabled)),
    value: identifiers === "" ? "no NCES id" : identifiers,
  });
  return views;
}

/** What simple registration asks of a teacher (A089); the roster is believed before the login (A095). */
function attributesReason({ users, logins, policy }: Facts): Reason | null {
  const has = (value: string | null): boolean => value !== null && value.trim() !== "";
  const named = (given: string | null, family: string | null): boolean => has(given) && has(family);
  if (
    !users.some((user) => named(user.givenName, user.familyName)) &&
    !logins.some((login) => named(login.given, login.family))
  )
    return "name.missing";
  const ofRoster = users.map((user) => normalName(user.email)).filter((email) => email !== "");
  const emails = ofRoster.length > 0 ? ofRoster : logins.map((login) => normalName(login.email)).filter(has);
  if (emails.length === 0) return "email.missing";
  const { emailDomains } = policy;
  return emailDomains.length === 0 || emails.some((email) => isVerified(email, emailDomains))
    ? null
    : "email.unverified";
}

/** An organisation, for which a license may be looked up: its identifiers, nearest first. */
type Organisation = { readonly identifiers: readonly string[] };

/** Those of the teacher's roles that take part; where the roster knows none, the schools that the teacher chose (A091). */
function organisationsOf(facts: Facts): readonly Organisation[] {
  const enabled = facts.users.filter((user) => user.enabled);
  const known = teacherRoles(enabled.length > 0 ? enabled : facts.users).flatMap(({ org }): OrgFact[] =>
    org === null ? [] : [org],
  );
  if (known.length > 0)
    return known
      .filter((org) => org.isInScope)
      .map(({ identifier, above }) => ({ identifiers: [...(identifier === null ? [] : [identifier]), ...above] }));
  return facts.logins.flatMap(({ school }) =>
    school === null ? [] : [{ identifiers: [school, districtOfSchool(school)] }],
  );
}

function orgReason(orgs: readonly Organisation[], facts: Facts): Reason | null {
  if (orgs.length === 0) return "org.none";
  if (coveringLicenses(facts).length > 0) return null;
  const identifiers = orgs.flatMap((org) => org.identifiers);
  if (identifiers.some(isShortNcesId)) return "org.identifier-short";
  return identifiers.some(isWholeNcesId) ? null : "org.identifier-missing";
}

/** Licenses on an organisation of the teacher or on one above it. */
function coveringLicenses(facts: Facts): readonly LicenseFact[] {
  const identifiers = new Set(organisationsOf(facts).flatMap((org) => org.identifiers));
  return facts.licenses.filter((license) => license.orgs.some((org) => identifiers.has(org)));
}

/** NCES ids by which licenses of the person may be looked up. */
export function licenseIdentifiers(facts: Pick<Facts, "users" | "logins">): readonly string[] {
  const ofOrgs = facts.users.flatMap((user) =>
    user.roles.flatMap(({ org }) => (org === null ? [] : [org.identifier ?? "", ...org.above])),
  );
  const chosen = facts.logins.flatMap(({ school }) => (school === null ? [] : [school, districtOfSchool(school)]));
  return [...new Set([...ofOrgs, ...chosen])].filter((identifier) => identifier !== "").toSorted();
}

function teacherRoles(users: readonly UserFact[]): readonly UserFact["roles"][number][] {
  return users.flatMap((user) => user.roles.filter(({ role }) => role === "teacher"));
}

function idsOf(licenses: readonly LicenseFact[]): string {
  return licenses.map(({ license }) => license).join(", ");
}

function or(list: readonly Origin[], other: readonly Origin[]): readonly Origin[] {
  return list.length > 0 ? list : other;
}

/** Where the newest of the facts comes from. */
function newest(facts: readonly Origin[]): Origin {
  const [first] = facts.toSorted((a, b) => (b.since ?? 0) - (a.since ?? 0));
  return first ?? always;
}
