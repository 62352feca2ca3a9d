// Takes facts in: logins, what people decide about them, licenses and accounts. Each is one transaction with its work item.

import type { Knex } from "knex";

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import {
  identifierHash,
  lockDistrict,
  loginId,
  markRegistrationDue,
  markRosterDue,
  joinPersons,
  personsOf,
} from "../../libs/adapters/postgres/people.ts";
import { spreadLater } from "../../libs/adapters/postgres/spreading.ts";
import { isStone } from "../../libs/adapters/postgres/stones.ts";
import { unreachable } from "../../libs/domain/assert.ts";
import { connected, type LoginClaims, normalName } from "../../libs/domain/identity.ts";
import { AppError } from "../../libs/errors.ts";
import type { Account, LinkDecision, Login, LoginName, SchoolChoice } from "../../libs/records.ts";
import type { RegistrationContext } from "./context.ts";
import { judge, type StoredDecision } from "./judge.ts";

type Fact =
  | { readonly name: "rollcall.control.Login"; readonly record: Login }
  | { readonly name: "rollcall.control.SchoolChoice"; readonly record: SchoolChoice }
  | { readonly name: "rollcall.control.LinkDecision"; readonly record: LinkDecision };

/**
 * Takes in records of sso.logins, all of one district and in their order, and judges their logins. Of a district that
 * there is not, they are dropped.
 * @throws AppError `registry.undecodable`, `login.misfiled` when key and record name different districts: nothing is taken.
 */
export async function takeLogins(context: RegistrationContext, items: readonly WorkItem[]): Promise<void> {
  const district = items[0]?.district ?? "";
  const facts = items.flatMap((item) => (item.value === null ? [] : [factOf(context, item.value)]));
  if (facts.some(({ record }) => record.district !== district)) throw new AppError("login.misfiled");
  await context.log.transaction(async (tx) => {
    await lockDistrict(tx.sql, district);
    const isKnown = (await tx.sql("districts").where({ id: district }).first("id")) !== undefined;
    const logins = new Set<string>();
    for (const fact of isKnown ? facts : []) if (await put(context, tx.sql, fact)) logins.add(loginId(fact.record));
    if (logins.size > 0) await judge(context, tx, { district, logins: [...logins] });
    for (const item of items) await context.inbox.finish(tx.sql, item.id);
  });
}

function factOf({ records }: RegistrationContext, value: Uint8Array): Fact {
  const name = records.nameOf(value);
  switch (name) {
    case "rollcall.control.Login":
      return { name, record: records.decode(name, value) };
    case "rollcall.control.SchoolChoice":
      return { name, record: records.decode(name, value) };
    case "rollcall.control.LinkDecision":
      return { name, record: records.decode(name, value) };
    default:
      throw new AppError("registry.undecodable", { message: `sso.logins holds a record ${name}` });
  }
}

/** @returns whether there is such a login now. */
async function put(context: RegistrationContext, sql: Knex.Transaction, fact: Fact): Promise<boolean> {
  switch (fact.name) {
    case "rollcall.control.Login":
      await putLogin(sql, fact.record, new Date(context.clock.now()));
      return true;
    case "rollcall.control.SchoolChoice": {
      const { school, at } = fact.record;
      return updateLogin(sql, fact.record, { school, school_at: new Date(at) });
    }
    case "rollcall.control.LinkDecision":
      return putDecision(sql, fact.record);
    default:
      return unreachable(fact);
  }
}

async function updateLogin(sql: Knex.Transaction, name: LoginName, changes: object): Promise<boolean> {
  return (
    (await sql("logins")
      .where({ id: loginId(name) })
      .update(changes)) > 0
  );
}

type StoredLogin = {
  readonly claims: LoginClaims;
  readonly claims_at: Readonly<Record<string, number>>;
  readonly last_at: Date;
};

/** Each claim is the newest that a login said; what one does not say stays as it is. So late ones find their place. */
async function putLogin(sql: Knex.Transaction, login: Login, now: Date): Promise<void> {
  const id = loginId(login);
  const { district, issuer, subject, eventId } = login;
  const at = new Date(login.at);
  const row: StoredLogin | undefined = await sql("logins").where({ id }).first("claims", "claims_at", "last_at");
  await sql("login_receipts").where({ id }).delete();
  const { claims, claimsAt } = merged(row ?? null, login);
  const email = normalName(claims.email);
  const isNewest = row === undefined || row.last_at <= at;
  const changes = {
    ...(isNewest ? { event_id: eventId, last_at: at } : {}),
    claims: JSON.stringify(claims),
    claims_at: JSON.stringify(claimsAt),
    email_hash: email === "" ? null : identifierHash("email", email),
  };
  if (row !== undefined) await sql("logins").where({ id }).update(changes);
  else
    await sql("logins").insert({
      id,
      district,
      issuer,
      subject,
      first_at: at,
      ...changes,
      state: "waiting",
      reason: "login.received",
      since: now,
    });
}

const noClaims: LoginClaims = {
  sourcedId: null,
  userIds: [],
  username: null,
  email: null,
  given: null,
  family: null,
  role: null,
};

function merged(
  row: StoredLogin | null,
  login: Login,
): { readonly claims: LoginClaims; readonly claimsAt: Readonly<Record<string, number>> } {
  const { sourcedId, userIds, username, email, given, family, role, at } = login;
  const before = row?.claims_at ?? {};
  const said = Object.entries({ sourcedId, userIds, username, email, given, family, role }).filter(
    ([name, value]) => value !== null && value.length > 0 && (before[name] ?? at) <= at,
  );
  return {
    claims: { ...noClaims, ...row?.claims, ...Object.fromEntries(said) },
    claimsAt: { ...before, ...Object.fromEntries(said.map(([name]) => [name, at])) },
  };
}

/** A decision that is older than the last one changes nothing. */
async function putDecision(sql: Knex.Transaction, record: LinkDecision): Promise<boolean> {
  const { verdict, users, by, at, district } = record;
  const row: { readonly person: string | null; readonly decision: StoredDecision | null } | undefined = await sql(
    "logins",
  )
    .where({ id: loginId(record) })
    .first("person", "decision");
  if (row === undefined || (row.decision?.at ?? at) > at) return false;
  // Said twice, or said once the link is gone, an undo still means the person that it was about.
  const former = row.decision?.verdict === "undo" ? row.decision.person : null;
  const decision: StoredDecision =
    verdict === "link"
      ? { verdict: "link", users, by, at }
      : { verdict: "undo", person: record.person ?? row.person ?? former, by, at };
  await updateLogin(sql, record, { decision: JSON.stringify(decision) });
  await regroup(sql, district);
  return true;
}

/**
 * Makes users one person where a decision that holds says so, and persons of their own again where none does any more:
 * it follows from the decisions alone, whatever was decided before.
 */
async function regroup(sql: Knex.Transaction, district: string): Promise<void> {
  const rows: readonly { readonly decision: StoredDecision }[] = await sql("logins")
    .where({ district })
    .whereRaw("decision ->> 'verdict' = 'link' and jsonb_array_length(decision -> 'users') > 1")
    .select("decision");
  const groups = connected(rows.map(({ decision }) => (decision.verdict === "link" ? decision.users : [])));
  await personsOf(sql, district, groups.flat());
  const changed = await joinPersons(sql, district, groups);
  if (changed.length === 0) return;
  await markRegistrationDue(sql, district);
  await markRosterDue(sql, district, changed);
}

/** Takes in a record of `licenses`. */
export async function takeLicense(context: RegistrationContext, item: WorkItem): Promise<void> {
  const license = item.value === null ? null : context.records.decode("rollcall.control.License", item.value);
  const id = license?.license ?? idOfKey(item);
  await context.log.transaction(async ({ sql }) => {
    const before: { readonly orgs: readonly string[] } | undefined = await sql("licenses")
      .where({ id })
      .forUpdate()
      .first("orgs");
    if (license === null) await sql("licenses").where({ id }).delete();
    else {
      const { product, orgs, validFrom, validTo, seats, at } = license;
      const row = { id, product, orgs, valid_from: validFrom, valid_to: validTo, seats, at: new Date(at) };
      await sql("licenses").insert(row).onConflict("id").merge();
    }
    await spreadLater(sql, { kind: "license", id, about: { orgs: before?.orgs ?? [] } });
    await context.inbox.finish(sql, item.id);
  });
}

/** Takes in a record of `accounts`. A link into a district that has left is none, and nothing is kept of it. */
export async function takeAccount(context: RegistrationContext, item: WorkItem): Promise<void> {
  const said = item.value === null ? null : context.records.decode("rollcall.control.Account", item.value);
  const id = said?.account ?? idOfKey(item);
  await context.log.transaction(async ({ sql }) => {
    const linksToStone = said?.link !== null && said?.link !== undefined && (await isStone(sql, said.link.district));
    const account = said !== null && linksToStone ? { ...said, link: null } : said;
    const before: { readonly login: string | null; readonly email_hash: Buffer | null } | undefined = await sql(
      "accounts",
    )
      .where({ id })
      .forUpdate()
      .first("login", "email_hash");
    if (account === null) await sql("accounts").where({ id }).delete();
    else await sql("accounts").insert(accountRow(account)).onConflict("id").merge();
    const hashes = [before?.email_hash?.toString("hex") ?? []].flat();
    const logins = [before?.login ?? []].flat();
    await spreadLater(sql, { kind: "account", id, about: { hashes, logins } });
    await context.inbox.finish(sql, item.id);
    if (linksToStone) await sql("work").where({ id: item.id }).delete();
  });
}

function accountRow({ account, product, email, link, active, at }: Account): object {
  const address = normalName(email);
  return {
    id: account,
    product,
    email_hash: address === "" ? null : identifierHash("email", address),
    login: link === null ? null : loginId(link),
    district: link?.district ?? null,
    proof: link?.proof ?? null,
    linked_at: link === null ? null : new Date(link.at),
    active,
    at: new Date(at),
  };
}

/** The id of a record whose key is the JSON array of it: the inbox has read the first part of the key already. */
function idOfKey(item: WorkItem): string {
  return item.district;
}
