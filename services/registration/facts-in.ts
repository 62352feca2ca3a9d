// Takes facts in: logins, what people decide about them, licenses and accounts. Each is one transaction with its work item.

import type { Knex } from "knex";

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import {
  identifierHash,
  lockDistrict,
  loginId,
  markRegistrationDue,
  markRosterDue,
  personsOf,
} from "../../libs/adapters/postgres/people.ts";
import type { JudgedDistrict } from "../../libs/adapters/postgres/person-facts.ts";
import { spreadLater } from "../../libs/adapters/postgres/spreading.ts";
import { unreachable } from "../../libs/domain/assert.ts";
import { type LoginClaims, normalName } from "../../libs/domain/identity.ts";
import { AppError } from "../../libs/errors.ts";
import type { Account, LinkDecision, Login, LoginName, SchoolChoice } from "../../libs/records.ts";
import type { RegistrationContext } from "./context.ts";
import { judge, type StoredDecision } from "./judge.ts";

type Fact =
  | { readonly name: "rollcall.control.Login"; readonly record: Login }
  | { readonly name: "rollcall.control.SchoolChoice"; readonly record: SchoolChoice }
  | { readonly name: "rollcall.control.LinkDecision"; readonly record: LinkDecision };

/**
 * Takes in a record of sso.logins and judges its login.
 * @param district null when there is no such district, or it has left: the record is dropped.
 * @throws AppError `registry.undecodable`, `login.misfiled` when key and record name different districts.
 */
export async function takeLogin(
  context: RegistrationContext,
  district: JudgedDistrict | null,
  item: WorkItem,
): Promise<void> {
  const fact = item.value === null ? null : factOf(context, item.value);
  if (fact !== null && fact.record.district !== item.district) throw new AppError("login.misfiled");
  await context.log.transaction(async (tx) => {
    if (district !== null && fact !== null) {
      await lockDistrict(tx.sql, district.id);
      if (await put(context, tx.sql, fact)) await judge(context, tx, { district, logins: [loginId(fact.record)] });
    }
    await context.inbox.finish(tx.sql, item.id);
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

/** What a login does not say keeps the value that an earlier one said; one that is older than the last says nothing. */
async function putLogin(sql: Knex.Transaction, login: Login, now: Date): Promise<void> {
  const id = loginId(login);
  const { district, issuer, subject, eventId } = login;
  const at = new Date(login.at);
  const row: { readonly claims: LoginClaims; readonly last_at: Date } | undefined = await sql("logins")
    .where({ id })
    .first("claims", "last_at");
  await sql("login_receipts").where({ id }).delete();
  if (row !== undefined && row.last_at > at) return;
  const claims = merged(row?.claims ?? null, login);
  const email = normalName(claims.email);
  const changes = {
    event_id: eventId,
    last_at: at,
    claims: JSON.stringify(claims),
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

function merged(before: LoginClaims | null, login: Login): LoginClaims {
  return {
    sourcedId: login.sourcedId ?? before?.sourcedId ?? null,
    userIds: login.userIds.length > 0 ? login.userIds : (before?.userIds ?? []),
    username: login.username ?? before?.username ?? null,
    email: login.email ?? before?.email ?? null,
    given: login.given ?? before?.given ?? null,
    family: login.family ?? before?.family ?? null,
    role: login.role ?? before?.role ?? null,
  };
}

async function putDecision(sql: Knex.Transaction, record: LinkDecision): Promise<boolean> {
  const { verdict, users, by, at, district } = record;
  if (verdict === "link") {
    await joinUsers(sql, district, users);
    const decision: StoredDecision = { verdict: "link", users, by, at };
    return updateLogin(sql, record, { decision: JSON.stringify(decision) });
  }
  const row: { readonly person: string | null } | undefined = await sql("logins")
    .where({ id: loginId(record) })
    .first("person");
  const decision: StoredDecision = { verdict: "undo", person: row?.person ?? null, by, at };
  return updateLogin(sql, record, { decision: JSON.stringify(decision) });
}

/**
 * Makes the users one person, with all who were one with any of them before: the person that any of them had first.
 * So it does not matter in which order it is said who is one.
 */
async function joinUsers(sql: Knex.Transaction, district: string, users: readonly string[]): Promise<void> {
  const persons = [...new Set((await personsOf(sql, district, users)).values())];
  const oldest: { readonly id: string } | undefined = await sql("persons")
    .whereIn("id", persons)
    .orderBy(["created_at", "id"])
    .first("id");
  if (oldest === undefined || persons.length <= 1) return;
  const others = persons.filter((person) => person !== oldest.id);
  await sql("person_users").whereIn("person", others).update({ person: oldest.id });
  await sql.raw(
    `insert into pilot_teachers (district, person, named_by, named_at)
     select district, :oldest, named_by, named_at from pilot_teachers where person = any(cast(:others as uuid[]))
     on conflict do nothing`,
    { oldest: oldest.id, others },
  );
  await sql("pilot_teachers").whereIn("person", others).delete();
  await markRegistrationDue(sql, district);
  await markRosterDue(sql, district, persons);
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

/** Takes in a record of `accounts`. */
export async function takeAccount(context: RegistrationContext, item: WorkItem): Promise<void> {
  const account = item.value === null ? null : context.records.decode("rollcall.control.Account", item.value);
  const id = account?.account ?? idOfKey(item);
  await context.log.transaction(async ({ sql }) => {
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
