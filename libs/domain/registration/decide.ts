// From facts to a standing: the gates in their order, and what the person is to each product.

import { unreachable } from "../assert.ts";
import { isWithin, parseDateTime } from "../dates.ts";
import { isVerified, type Match, normalName } from "../identity.ts";
import type { Policy } from "../policy.ts";
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
  const outcomes = productsOf(facts).map((product) => outcomeFor(product, facts));
  const own = [...common, ...(facts.users.length === 0 ? [] : decisive(outcomes, facts))];
  const reason = own.find((gate) => gate.reason !== null)?.reason ?? "open";
  return {
    state: reason === "open" ? "active" : reasons[reason].state,
    reason,
    gates: own,
    products: outcomes.map(({ grant, views }) => ({
      grant: shut === null ? grant : refusalOf(grant.product, shut),
      gates: views,
    })),
  };
}

/** The gates that are the same for every product. */
function commonGates(facts: Facts): readonly GateView[] {
  const match = view("match", null, count(facts.logins.length, "login"), newest(facts.logins));
  const ids = facts.users.map(({ sourcedId }) => sourcedId).join(", ");
  const former = facts.gone.map(({ sourcedId }) => `${sourcedId} is gone`).join(", ");
  if (facts.users.length === 0) return [match, view("roster", "roster.gone", former, newest(facts.gone))];
  const users = usersThatCount(facts);
  const isOff = users.every((user) => !user.enabled);
  const roles = teacherRoles(users);
  const allRoles = users.flatMap((user) => user.roles);
  const isTeacher = roles.length > 0 || users.some((user) => user.teaches);
  const placed = roles.length > 0 ? roles : allRoles;
  const isOutside = placed.length > 0 && !placed.some((role) => role.isInScope);
  const { startDate } = facts.policy;
  const isBefore = startDate !== null && facts.today < startDate;
  return [
    match,
    view("roster", null, ids, newest(facts.users)),
    view("user", isOff ? "user.disabled" : null, `enabledUser ${!isOff}`, newest(users)),
    view(
      "role",
      isTeacher ? null : "role.not-teacher",
      named(allRoles, ({ role }) => role, "no role"),
      newest(or(roles, users)),
    ),
    view(
      "scope",
      isOutside ? "scope.outside" : null,
      named(placed, ({ orgId }) => orgId, "no org"),
      ofPolicy(facts, "orgScope"),
    ),
    view("district", districtReason(facts), facts.district.state, facts.district),
    view("start", isBefore ? "start.future" : null, startDate ?? "no start date", ofPolicy(facts, "startDate")),
  ];
}

/** A disabled user says nothing as long as there is another. */
function usersThatCount({ users }: Pick<Facts, "users">): readonly UserFact[] {
  const enabled = users.filter((user) => user.enabled);
  return enabled.length > 0 ? enabled : users;
}

function ofPolicy({ policySince }: Facts, field: keyof Policy): Origin {
  return { since: policySince[field] ?? policySince.created, delivery: null, origin: null };
}

function named<T>(things: readonly T[], name: (thing: T) => string, none: string): string {
  const names = distinct(things.map(name)).join(", ");
  return names === "" ? none : names;
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
  if (!isLicensable(before)) return refusal(product, shut ?? "license.none", before);
  const licensed = byLicense(product, facts, before);
  return shut === null ? licensed : { grant: refusalOf(product, shut), views: licensed.views };
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
    const since = isFuture ? newest(licenses) : endOf(licenses);
    return refusal(product, reason, [...before, view("license", reason, idsOf(licenses), since)]);
  }
  const license = view("license", null, idsOf(valid), newest(valid.map(sinceValid)));
  // First one that has seats for all: no seat is used up where none is needed, and which license came first is the same.
  const seated =
    valid.find(({ seatsLeft }) => seatsLeft === null) ??
    valid.find(({ hasSeat }) => hasSeat) ??
    valid.find(({ seatsLeft }) => (seatsLeft ?? 0) > 0);
  if (seated === undefined) {
    const seat = view("seat", "seat.none", "none is left", newest(valid));
    return refusal(product, "seat.none", [...before, license, seat]);
  }
  const basis = organisationsOf(facts).isChosen ? "chosen-school" : "license";
  const grant = { product, status: "granted", reason: "open", basis, account: null } as const;
  return {
    grant: { ...grant, license: seated.license },
    views: [...before, license, view("seat", null, `of ${seated.license}`, seated)],
  };
}

/** A license that begins after it was put holds since it began. */
function sinceValid({ since, validFrom }: LicenseFact): Origin {
  const begin = validFrom === null ? null : parseDateTime(validFrom);
  return { since: since === null ? begin : Math.max(since, begin ?? 0), delivery: null, origin: null };
}

function endOf(licenses: readonly LicenseFact[]): Origin {
  const [end] = licenses
    .flatMap(({ validTo }) => (validTo === null ? [] : (parseDateTime(validTo) ?? [])))
    .toSorted((a, b) => b - a);
  return { since: end ?? null, delivery: null, origin: null };
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
  return (offered ?? furthest)?.views ?? gatesWithoutProduct(facts);
}

function gatesWithoutProduct(facts: Facts): readonly GateView[] {
  const before = gatesBeforeLicense(facts, null);
  return isLicensable(before) ? [...before, view("license", "license.none", "none", always)] : before;
}

function progress({ grant }: Outcome): number {
  return grant.reason === "open" ? gates.length : gates.indexOf(reasons[grant.reason].gate);
}

/** Whether the gates lead on to a license: not where an account has to be linked, nor where nobody is registered. */
function isLicensable(before: readonly GateView[]): boolean {
  const last = before.at(-1);
  // Which license it should be cannot be said while no organisation is known.
  return last?.gate === "org" && last.reason === null;
}

/** Account, attributes and org, for a product to which no account is linked. `product` null: for none in particular. */
function gatesBeforeLicense(facts: Facts, product: string | null): readonly GateView[] {
  const [possible] = facts.possibleAccounts.filter((account) => product === null || account.product === product);
  if (possible !== undefined)
    return [view("account", "account.offer", `${possible.account} is linked to nobody`, possible)];
  const { autoRegistration } = facts.policy.features;
  const none = `none is linked; auto-registration ${autoRegistration}`;
  const policy = ofPolicy(facts, "features");
  if (autoRegistration === "off") return [view("account", "account.none", none, policy)];
  const account = view("account", null, none, policy);
  const users = usersThatCount(facts);
  const roles = teacherRoles(users);
  if (roles.length === 0) {
    // Whoever teaches a class in another role may link an account, and is not registered without one.
    const isOther = users.some((user) => user.teaches);
    return [account, ...(isOther ? [view("role", "role.not-teacher", "no role teacher", newest(users))] : [])];
  }
  const lacking = attributesReason(facts);
  const attributes = lacking === null ? "first name, last name and email are there" : "not all are there";
  const orgs = organisationsOf(facts);
  const identifiers = orgs.identifiers.length === 0 ? "no NCES id" : orgs.identifiers.join(", ");
  const chosen = orgs.isChosen && orgs.isKnown;
  return [
    account,
    view("attributes", lacking, attributes, newest(users)),
    view(
      "org",
      orgReason(orgs, facts),
      chosen ? `${identifiers}, chosen by the teacher` : identifiers,
      newest(chosen ? facts.logins : roles),
    ),
  ];
}

/** What simple registration asks of a teacher (A089); the roster is believed before the login (A095). */
function attributesReason({ users, logins, policy }: Facts): Reason | null {
  const has = (value: string | null): boolean => value !== null && value.trim() !== "";
  const both = (given: string | null, family: string | null): boolean => has(given) && has(family);
  if (
    !users.some((user) => both(user.givenName, user.familyName)) &&
    !logins.some((login) => both(login.given, login.family))
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

/** By what a license may be looked up, and whether the teacher said it rather than the roster. */
type Organisations = { readonly isKnown: boolean; readonly isChosen: boolean; readonly identifiers: readonly string[] };

/** Those of the teacher's roles that take part; where the roster knows none, the schools that the teacher chose (A091). */
function organisationsOf(facts: Facts): Organisations {
  const known = teacherRoles(usersThatCount(facts)).flatMap(({ org }): OrgFact[] => (org === null ? [] : [org]));
  const inScope = known.filter((org) => org.isInScope);
  // Outside of the scope the gate before this one is closed: which license would do is still told.
  const orgs = inScope.length > 0 ? inScope : known;
  if (orgs.length > 0) {
    const identifiers = orgs.flatMap(({ identifier, above }) => [
      ...(identifier === null ? [] : [identifier]),
      ...above,
    ]);
    return { isKnown: true, isChosen: false, identifiers: distinct(identifiers) };
  }
  const chosen = facts.logins.flatMap(({ school }) => (school === null ? [] : [school, districtOfSchool(school)]));
  return { isKnown: chosen.length > 0, isChosen: true, identifiers: distinct(chosen) };
}

/** Of identifiers, those that are the district's own: another's school may stand in its files, its license does not. */
function ownIdentifiers(identifiers: readonly string[], { policy }: Facts): readonly string[] {
  const { ncesDistrictIds: own } = policy;
  return own.length === 0 ? identifiers : identifiers.filter((id) => own.includes(districtOfSchool(id)));
}

function orgReason({ isKnown, identifiers }: Organisations, facts: Facts): Reason | null {
  if (!isKnown) return "org.none";
  if (coveringLicenses(facts).length > 0) return null;
  if (identifiers.some(isShortNcesId)) return "org.identifier-short";
  const whole = identifiers.filter(isWholeNcesId);
  if (whole.length === 0) return "org.identifier-missing";
  return ownIdentifiers(whole, facts).length === 0 ? "org.identifier-foreign" : null;
}

/** Licenses on an organisation of the teacher or on one above it. */
function coveringLicenses(facts: Facts): readonly LicenseFact[] {
  const identifiers = new Set(ownIdentifiers(organisationsOf(facts).identifiers, facts));
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
