// Whom a login belongs to: evidence, never resemblance (A058, A073, A088, A110).
//
// A piece of evidence is an identifier that the sign-on vouches for, with everyone who ever had it. One that has ever
// belonged to two persons says nothing. Everyone who *ever* had it counts, not only who has it now, so that it does not
// matter whether the login or the change of an address arrives first.
//
//   strong   a sourcedId; a user id of a type that the district agreed on
//   good     an email address in a verified domain; a username, which if it is an address must be in one too
//
//   one person, nothing against it ─▶ one      nobody ─▶ none      else ─▶ several, contradicting, shared: a person looks

import type { Policy } from "./policy.ts";

export type Strength = "strong" | "good";

/** An identifier as it is compared: trimmed, and without letter case where the kind has none. */
export type Identifier = { readonly kind: string; readonly value: string };

/** What a login says of a person. */
export type LoginClaims = {
  readonly sourcedId: string | null;
  readonly userIds: readonly { readonly type: string; readonly identifier: string }[];
  readonly username: string | null;
  readonly email: string | null;
  readonly given: string | null;
  readonly family: string | null;
  readonly role: string | null;
};

/** What a roster says of a user. */
export type UserIdentifiers = {
  readonly sourcedId: string;
  readonly userIds: readonly { readonly type: string; readonly identifier: string }[];
  readonly username: string | null;
  readonly email: string | null;
};

/** A claim with everyone who ever had it; persons are named by id, or by sourcedId while they have none. */
export type Evidence = Identifier & { readonly strength: Strength; readonly persons: readonly string[] };

export type Match =
  | { readonly outcome: "one"; readonly person: string; readonly kinds: readonly string[] }
  | { readonly outcome: "none" }
  | { readonly outcome: "several" | "contradicting" | "shared"; readonly persons: readonly string[] };

/** The identifiers of a user, all of which are kept for as long as the district stays. */
export function identifiersOf(user: UserIdentifiers): readonly Identifier[] {
  return [
    { kind: "sourcedId", value: user.sourcedId },
    ...user.userIds.map(({ type, identifier }) => ({
      kind: `userId:${type.trim().toLowerCase()}`,
      value: identifier.trim(),
    })),
    ...namesOf(user),
  ].filter(({ value }) => value !== "");
}

/** The claims of a login that may be evidence under the district's policy, with their strength. */
export function claimsOf(
  login: LoginClaims,
  { signOn, emailDomains }: Pick<Policy, "signOn" | "emailDomains">,
): readonly (Identifier & { readonly strength: Strength })[] {
  const agreed = new Set(signOn.userIdTypes.map((type) => `userId:${type.trim().toLowerCase()}`));
  const strong = identifiersOf({ ...login, sourcedId: login.sourcedId?.trim() ?? "", username: null, email: null })
    .filter(({ kind }) => kind === "sourcedId" || agreed.has(kind))
    .map((identifier) => ({ ...identifier, strength: "strong" as const }));
  const good = namesOf(login)
    .filter(({ kind, value }) => isVerified(value, emailDomains) || (kind === "username" && !value.includes("@")))
    .map((identifier) => ({ ...identifier, strength: "good" as const }));
  return [...strong, ...good];
}

function namesOf({ username, email }: Pick<UserIdentifiers, "username" | "email">): readonly Identifier[] {
  return [
    { kind: "username", value: normalName(username) },
    { kind: "email", value: normalName(email) },
  ].filter(({ value }) => value !== "");
}

/** A username or email address as it is compared: letter case does not count. */
export function normalName(name: string | null): string {
  return (name ?? "").normalize("NFKC").trim().toLowerCase();
}

/** Whether an address, in its normal form, is in one of the domains; a subdomain is another domain. */
export function isVerified(address: string, domains: readonly string[]): boolean {
  const at = address.lastIndexOf("@");
  return at > 0 && domains.includes(address.slice(at + 1));
}

/** Weighs the evidence of one login. */
export function match(evidence: readonly Evidence[]): Match {
  const telling = evidence.filter(({ persons }) => persons.length === 1);
  const persons = distinct(telling.flatMap((each) => each.persons));
  const [first] = persons;
  if (first === undefined) {
    const shared = distinct(evidence.flatMap((each) => each.persons));
    return shared.length > 0 ? { outcome: "shared", persons: shared } : { outcome: "none" };
  }
  const hasStrong = telling.some(({ strength }) => strength === "strong");
  if (persons.length > 1) return { outcome: hasStrong ? "contradicting" : "several", persons };
  // A strong id that the roster never had speaks against whoever has the address: addresses are given to others.
  const unknownId = evidence.some(({ strength, persons: holders }) => strength === "strong" && holders.length === 0);
  if (unknownId && !hasStrong) return { outcome: "contradicting", persons };
  return { outcome: "one", person: first, kinds: telling.map(({ kind }) => kind).toSorted() };
}

function distinct(persons: readonly string[]): readonly string[] {
  return [...new Set(persons)].toSorted();
}

/** Groups that share a member are one group. Members and groups come sorted. */
export function connected(groups: readonly (readonly string[])[]): readonly (readonly string[])[] {
  let joined: ReadonlySet<string>[] = [];
  for (const group of groups) {
    const touching = joined.filter((each) => group.some((member) => each.has(member)));
    joined = [
      ...joined.filter((each) => !touching.includes(each)),
      new Set([...group, ...touching.flatMap((each) => [...each])]),
    ];
  }
  return joined.map((group) => [...group].toSorted()).toSorted((a, b) => ((a[0] ?? "") < (b[0] ?? "") ? -1 : 1));
}
