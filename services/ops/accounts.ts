// Product accounts: each change is made to the newest whole state, and the whole state goes to the topic `accounts`.
// It keeps true that an account is linked to a login by a proof alone, and never to two at once.

import type { Knex } from "knex";

import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import { loginId } from "../../libs/adapters/postgres/people.ts";
import { AppError } from "../../libs/errors.ts";
import type { Account, LoginName } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { OpsContext } from "./context.ts";
import { mayKnow, requireAllDistricts } from "./guard.ts";
import { keepDistrict, knownLogin } from "./logins.ts";
import type { Principal } from "./tokens.ts";

/** How it was proven that the person of the login owns the account. */
export const proofs = ["access-code", "existing-account", "auto-registration"] as const;

/** What is told of an account: not its email address. Times are ISO 8601, UTC. */
export type AccountView = {
  readonly account: string;
  readonly product: string;
  readonly active: boolean;
  readonly link: {
    readonly login: string;
    readonly district: string;
    readonly proof: string;
    readonly at: string;
  } | null;
  readonly at: string;
};

type Asked = { readonly account: string; readonly principal: Principal };

/** @throws AppError `account.unknown` when there is none that the token may know. */
export async function knownAccount(context: OpsContext, asked: Asked): Promise<AccountView> {
  const record = await recordOf(context, context.sql, asked.account);
  return viewOf(known(record, asked));
}

function known(record: Account | null, { account, principal }: Asked): Account {
  // One that is linked to nobody is nobody's district's: it may concern a person of any.
  const district = record?.link?.district ?? null;
  const isKnown = district === null ? principal.districts === null : mayKnow(principal, district);
  if (record === null || !isKnown) throw new AppError("account.unknown", { message: `there is no account ${account}` });
  return record;
}

/** Makes an account, or changes the email address of one. @throws AppError `account.product`. */
export async function putAccount(
  context: OpsContext,
  asked: Asked & { readonly product: string; readonly email?: string | null },
): Promise<AccountView> {
  const { account, product, email } = asked;
  return change(context, account, (before) => {
    if (before === null) requireAllDistricts(asked.principal);
    if (before === null) return { account, product, email: email ?? null, link: null, active: false, at: 0 };
    const { product: own } = known(before, asked);
    if (own !== product)
      throw new AppError("account.product", { message: `account ${account} is of ${own}, not of ${product}` });
    return email === undefined ? before : { ...before, email };
  });
}

export async function setActive(
  context: OpsContext,
  asked: Asked & { readonly active: boolean },
): Promise<AccountView> {
  return change(context, asked.account, (before) => ({ ...known(before, asked), active: asked.active }));
}

/** Links the account to a login that was proven to be its owner's. @throws AppError `account.linked`. */
export async function linkAccount(
  context: OpsContext,
  asked: Asked & { readonly login: LoginName; readonly proof: string },
): Promise<AccountView> {
  const { district, issuer, subject } = asked.login;
  return change(context, asked.account, (before) => {
    const record = known(before, asked);
    if (record.link !== null && loginId(record.link) !== loginId(asked.login))
      throw new AppError("account.linked", {
        message: `account ${asked.account} is linked to login ${loginId(record.link)} already`,
      });
    const at = record.link?.at ?? context.clock.now();
    return { ...record, link: { district, issuer, subject, proof: asked.proof, at } };
  });
}

/** Takes a link away that was wrong. */
export async function unlinkAccount(context: OpsContext, asked: Asked): Promise<AccountView> {
  return change(context, asked.account, (before) => ({ ...known(before, asked), link: null }));
}

/** A login as a link names it: by its id, or by district, issuer and subject, when it may not have come yet. */
export type LoginReference = { readonly login: string } | LoginName;

/** @throws AppError `login.unknown`, `login.pending`, `login.issuer-unknown`. */
export async function loginNamed(
  context: OpsContext,
  { reference, principal }: { readonly reference: LoginReference; readonly principal: Principal },
): Promise<LoginName> {
  if ("login" in reference) {
    await knownLogin(context, { id: reference.login, principal });
    const name: LoginName | undefined = await context
      .sql("logins")
      .where({ id: reference.login })
      .first("district", "issuer", "subject");
    if (name === undefined) throw new AppError("login.pending");
    return name;
  }
  const district = mayKnow(principal, reference.district) ? await districtOf(context.sql, reference.district) : null;
  if (district?.policy.signOn.issuers.includes(reference.issuer) !== true)
    throw new AppError("login.issuer-unknown", { message: "the issuer is no sign-on of the district that was named" });
  return reference;
}

async function recordOf({ records }: OpsContext, sql: Knex, account: string): Promise<Account | null> {
  const row: { readonly record: Buffer } | undefined = await sql("account_records").where({ account }).first("record");
  return row === undefined ? null : records.decode("rollcall.control.Account", row.record);
}

/** Makes one change to an account and appends its whole state; changes to one account take turns. */
async function change(
  context: OpsContext,
  account: string,
  make: (before: Account | null) => Account,
): Promise<AccountView> {
  return context.log.transaction(async (tx) => {
    // A row that is not there yet cannot be locked.
    await tx.sql.raw("select pg_advisory_xact_lock(hashtextextended(?, 0))", [controlKey("account", account)]);
    const before = await recordOf(context, tx.sql, account);
    const after = { ...make(before), at: context.clock.now() };
    if (after.link !== null && (before?.link ?? null) === null) await keepDistrict(tx, after.link.district);
    const value = context.records.encode("rollcall.control.Account", after);
    await tx
      .sql("account_records")
      .insert({ account, record: Buffer.from(value) })
      .onConflict("account")
      .merge();
    tx.append(controlTopics.accounts.name, [{ key: controlKey(account), value }]);
    return viewOf(after);
  });
}

function viewOf({ account, product, active, link, at }: Account): AccountView {
  const linked =
    link === null
      ? null
      : { login: loginId(link), district: link.district, proof: link.proof, at: new Date(link.at).toISOString() };
  return { account, product, active, link: linked, at: new Date(at).toISOString() };
}
