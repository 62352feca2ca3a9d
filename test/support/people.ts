// Facts about people in a test: logins, licenses and accounts as their owners would write them, and what became of them.

import type { System } from "../../libs/cli/system.ts";
import { loginId } from "../../libs/adapters/postgres/people.ts";
import type { Account, License, LinkDecision, Login, LoginName, Records, SchoolChoice } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import type { DistrictId } from "../../libs/domain/ids.ts";
import { workOnce } from "../../services/registration/service.ts";
import { workOnce as workOnRosters } from "../../services/rosters/service.ts";

export const issuer = "https://id.oak.example";

/** Appends a record to a control topic. */
export async function append<N extends keyof Records>(
  system: System,
  {
    topic,
    key,
    name,
    record,
  }: { readonly topic: string; readonly key: string; readonly name: N; readonly record: Records[N] },
): Promise<void> {
  const value = system.records.encode(name, record);
  await system.log.transaction(async (tx) => {
    tx.append(topic, [{ key, value }]);
    await Promise.resolve();
  });
}

/** Someone signs in. @returns the id of the login. */
export async function signIn(
  system: System,
  login: Partial<Login> & { readonly district: string; readonly subject: string },
): Promise<string> {
  const record: Login = {
    eventId: `event-${login.subject}`,
    issuer,
    at: system.clock.now(),
    sourcedId: null,
    userIds: [],
    username: null,
    email: null,
    given: null,
    family: null,
    role: null,
    ...login,
  };
  const key = controlKey(record.district, record.issuer, record.subject);
  await append(system, { topic: controlTopics.logins.name, key, name: "rollcall.control.Login", record });
  return loginId(record);
}

/** A teacher names a school. */
export async function chooseSchool(system: System, record: SchoolChoice): Promise<void> {
  const key = controlKey(record.district, record.issuer, record.subject);
  await append(system, { topic: controlTopics.logins.name, key, name: "rollcall.control.SchoolChoice", record });
}

/** A person says who a login is, or is not. */
export async function decideLink(
  system: System,
  decision: Omit<LinkDecision, "person"> & Partial<LinkDecision>,
): Promise<void> {
  const record = { person: null, ...decision };
  const key = controlKey(record.district, record.issuer, record.subject);
  await append(system, { topic: controlTopics.logins.name, key, name: "rollcall.control.LinkDecision", record });
}

/** A license is no more. */
export async function withdrawLicense(system: System, license: string): Promise<void> {
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.licenses.name, [{ key: controlKey(license), value: null }]);
    await Promise.resolve();
  });
}

export async function putLicense(
  system: System,
  license: Partial<License> & { readonly license: string; readonly orgs: readonly string[] },
): Promise<void> {
  const record: License = {
    product: "music",
    validFrom: null,
    validTo: null,
    seats: null,
    at: system.clock.now(),
    ...license,
  };
  const topic = controlTopics.licenses.name;
  await append(system, { topic, key: controlKey(record.license), name: "rollcall.control.License", record });
}

export async function putAccount(
  system: System,
  account: Partial<Account> & { readonly account: string },
): Promise<void> {
  const record: Account = {
    product: "music",
    email: null,
    link: null,
    active: true,
    at: system.clock.now(),
    ...account,
  };
  const topic = controlTopics.accounts.name;
  await append(system, { topic, key: controlKey(record.account), name: "rollcall.control.Account", record });
}

/** A proven link of an account to a login. */
export function linkTo(login: LoginName): Account["link"] {
  return { ...login, proof: "access-code", at: 0 };
}

/** Lets registration do all that there is to do. */
export async function settleRegistration(system: System): Promise<void> {
  const { signal } = new AbortController();
  while (await workOnce(system, signal));
}

/** Lets rosters and registration do all that there is to do, for one another too. */
export async function settlePeople(system: System): Promise<void> {
  const { signal } = new AbortController();
  const pausedUntil = new Map<DistrictId, number>();
  for (let worked = true; worked;) {
    const rosters = await workOnRosters(system, { pausedUntil, stoppedPauseMs: 1000 }, signal);
    worked = (await workOnce(system, signal)) || rosters.worked;
  }
}

export type LoginState = { readonly state: string; readonly reason: string; readonly person: string | null };

export async function loginState(system: System, id: string): Promise<LoginState> {
  const row: LoginState | undefined = await system.sql("logins").where({ id }).first("state", "reason", "person");
  if (row === undefined) throw new Error("there is no such login");
  return row;
}
