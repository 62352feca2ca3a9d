// What the API does with logins: it finds the district of one, and appends facts about it to sso.logins.
// It keeps true that a login is of a district whose policy has its issuer, whatever the request claims.

import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import { loginId } from "../../libs/adapters/postgres/people.ts";
import type { RecordName } from "../../libs/adapters/registry/record-codec.ts";
import { parseDateTime } from "../../libs/domain/dates.ts";
import { districtOfSchool, isShortNcesId } from "../../libs/domain/nces.ts";
import { AppError } from "../../libs/errors.ts";
import type { Transaction } from "../../libs/ports.ts";
import type { Login, LoginName, Records } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { OpsContext } from "./context.ts";
import { mayKnow } from "./guard.ts";
import { isSchoolId, type LoginView, loginView, schoolsOf } from "./login-views.ts";
import { waitUntil } from "./settling.ts";
import type { Principal } from "./tokens.ts";

type Claim = string | null;

/** The body of POST /logins. */
export type LoginBody = {
  readonly eventId: string;
  readonly district?: string;
  readonly issuer: string;
  readonly subject: string;
  readonly at: number | string;
  readonly sourcedId?: Claim;
  readonly userIds?: readonly { readonly type: string; readonly identifier: string }[];
  readonly username?: Claim;
  readonly email?: Claim;
  readonly given?: Claim;
  readonly family?: Claim;
  readonly role?: Claim;
};

/** A clock that is ahead by more than this is wrong: what it dates would outdo every later login. */
const aheadMs = 10 * 60_000;

/** Appends the login and leaves a receipt. @throws AppError when its time is none, or its district cannot be told. */
export async function receiveLogin(
  context: OpsContext,
  { body, principal }: { readonly body: LoginBody; readonly principal: Principal },
): Promise<Login> {
  const login: Login = {
    eventId: body.eventId,
    district: await districtOfLogin(context, { body, principal }),
    issuer: body.issuer,
    subject: body.subject,
    at: timeOf(body.at, context.clock.now()),
    sourcedId: said(body.sourcedId),
    userIds: body.userIds ?? [],
    username: said(body.username),
    email: said(body.email),
    given: said(body.given),
    family: said(body.family),
    role: said(body.role),
  };
  await context.log.transaction(async (tx) => {
    await keepDistrict(tx, login.district);
    await tx
      .sql("login_receipts")
      .insert({ id: loginId(login), district: login.district, at: new Date(context.clock.now()) })
      .onConflict("id")
      .ignore();
    append(context, tx, { name: "rollcall.control.Login", record: login });
  });
  return login;
}

/** Keeps the district from leaving until commit. @throws AppError `login.issuer-unknown` when it has left meanwhile. */
export async function keepDistrict({ sql }: Pick<Transaction, "sql">, district: string): Promise<void> {
  const { rows } = await sql.raw<{ readonly rows: readonly unknown[] }>(
    "select 1 from districts where id = ? for key share",
    [district],
  );
  if (rows.length === 0) throw new AppError("login.issuer-unknown", { message: "the district has left" });
}

function said(claim: Claim | undefined): Claim {
  return claim === undefined || claim === null || claim.trim() === "" ? null : claim;
}

function timeOf(at: number | string, now: number): number {
  const time = typeof at === "number" ? at : parseDateTime(at);
  if (time === null)
    throw new AppError("request.invalid", { message: "body/at must be epoch milliseconds or an ISO 8601 time" });
  if (time > now + aheadMs)
    throw new AppError("request.invalid", { message: "body/at lies in the future: check the clock of the gateway" });
  return time;
}

/** The one district whose sign-on the issuer is, among those that the token may know. */
async function districtOfLogin(
  { sql }: OpsContext,
  {
    body: { issuer, district },
    principal,
  }: { readonly body: Pick<LoginBody, "issuer" | "district">; readonly principal: Principal },
): Promise<string> {
  const { rows } = await sql.raw<{ readonly rows: readonly { readonly id: string }[] }>(
    "select id from districts where policy #> '{signOn,issuers}' @> to_jsonb(cast(? as text)) order by id",
    [issuer],
  );
  const ids = rows.map(({ id }) => id).filter((id) => mayKnow(principal, id));
  if (ids.length === 0)
    throw new AppError("login.issuer-unknown", { message: "no district of this token has the issuer as its sign-on" });
  if (district !== undefined && !ids.includes(district))
    throw new AppError("login.issuer-unknown", { message: "the issuer is no sign-on of the district that was named" });
  const [only, second] = ids;
  const found = district ?? (second === undefined ? only : undefined);
  if (found === undefined) throw new AppError("login.district-unclear");
  return found;
}

type LoginFact<Name extends RecordName> = { readonly name: Name; readonly record: Records[Name] & LoginName };

function append<Name extends RecordName>(
  { records }: OpsContext,
  tx: Transaction,
  { name, record }: LoginFact<Name>,
): void {
  const { district, issuer, subject } = record;
  const key = controlKey(district, issuer, subject);
  tx.append(controlTopics.logins.name, [{ key, value: records.encode(name, record) }]);
}

/** Waits until registration has looked at the login, or at a later one of the same subject. */
export async function untilLookedAt({ sql }: OpsContext, login: Login, waitMs: number): Promise<void> {
  const isLookedAt = async (): Promise<boolean> => {
    const row: { readonly event_id: string; readonly last_at: Date } | undefined = await sql("logins")
      .where({ id: loginId(login) })
      .first("event_id", "last_at");
    return row !== undefined && (row.event_id === login.eventId || row.last_at.getTime() > login.at);
  };
  await waitUntil(isLookedAt, waitMs);
}

/** The login with this id. @throws AppError `login.unknown` when there is none that the token may know. */
export async function knownLogin(
  { sql }: OpsContext,
  { id, principal }: { readonly id: string; readonly principal: Principal },
): Promise<LoginView> {
  const view = await loginView(sql, id);
  if (view === null || !mayKnow(principal, view.district)) throw new AppError("login.unknown");
  return view;
}

export type Changed = { readonly id: string; readonly principal: Principal; readonly waitMs: number };

/** @throws AppError `login.unknown`; `login.pending` while only its receipt is there. */
async function loginToChange(context: OpsContext, about: Changed): Promise<LoginName> {
  await knownLogin(context, about);
  const name: LoginName | undefined = await context
    .sql("logins")
    .where({ id: about.id })
    .first("district", "issuer", "subject");
  if (name === undefined) throw new AppError("login.pending");
  return name;
}

/** Says which school the person chose (A091). @throws AppError `login.school` when it is none to be chosen. */
export async function chooseSchool(context: OpsContext, about: Changed & { readonly school: string }): Promise<void> {
  const name = await loginToChange(context, about);
  const { school, id, waitMs } = about;
  await checkSchool(context, { district: name.district, school });
  const at = context.clock.now();
  const record = { ...name, school, at };
  await appendAlone(context, { name: "rollcall.control.SchoolChoice", record });
  await waitUntil(async () => {
    const row: { readonly school_at: Date | null } | undefined = await context
      .sql("logins")
      .where({ id })
      .first("school_at");
    return (row?.school_at?.getTime() ?? 0) >= at;
  }, waitMs);
}

async function checkSchool(
  { sql }: OpsContext,
  { district, school }: { readonly district: string; readonly school: string },
): Promise<void> {
  if (isShortNcesId(school))
    throw new AppError("login.school", {
      message: "the school's id lacks a digit: most likely a spreadsheet took a leading zero away",
    });
  if (!isSchoolId(school)) throw new AppError("login.school", { message: "the school's id must have 12 digits" });
  const schools = await schoolsOf(sql, district);
  if (schools.some(({ identifier }) => identifier === school)) return;
  if (schools.length > 0) throw new AppError("login.school", { message: "the district's roster has no such school" });
  const own = (await districtOf(sql, district))?.policy.ncesDistrictIds ?? [];
  if (!own.includes(districtOfSchool(school)))
    throw new AppError("login.school", { message: "the school is in none of the district's ncesDistrictIds" });
}

/** Says that the login is these users, who are one person, or that it is not whom it is linked to. */
export async function decideLink(
  context: OpsContext,
  about: Changed & { readonly verdict: "link" | "undo"; readonly users: readonly string[] },
): Promise<void> {
  const name = await loginToChange(context, about);
  const { verdict, users, id, waitMs, principal } = about;
  await checkUsers(context, { district: name.district, users });
  const at = context.clock.now();
  const linked: { readonly person: string | null } | undefined = await context
    .sql("logins")
    .where({ id })
    .first("person");
  const person = verdict === "undo" ? (linked?.person ?? null) : null;
  if (verdict === "undo" && person === null)
    throw new AppError("login.unlinked", { message: `login ${id} is linked to nobody` });
  const record = { ...name, verdict, users, person, by: principal.name, at };
  await appendAlone(context, { name: "rollcall.control.LinkDecision", record });
  await waitUntil(async () => {
    const row: { readonly decision: unknown } | undefined = await context.sql("logins").where({ id }).first("decision");
    const decision = row?.decision;
    const isObject = typeof decision === "object" && decision !== null;
    return isObject && "at" in decision && typeof decision.at === "number" && decision.at >= at;
  }, waitMs);
}

async function checkUsers(
  { sql }: OpsContext,
  { district, users }: { readonly district: string; readonly users: readonly string[] },
): Promise<void> {
  const known: readonly string[] = await sql("roster_users")
    .where({ district })
    .whereIn("sourced_id", [...users])
    .pluck("sourced_id");
  const unknown = users.filter((user) => !known.includes(user));
  if (unknown.length > 0)
    throw new AppError("login.user-unknown", {
      message: `the district's roster has no user ${unknown.slice(0, 3).join(", ")}`,
    });
}

async function appendAlone<Name extends RecordName>(context: OpsContext, fact: LoginFact<Name>): Promise<void> {
  await context.log.transaction(async (tx) => {
    append(context, tx, fact);
    await Promise.resolve();
  });
}
