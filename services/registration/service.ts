// registration: takes in logins, licenses and accounts, and says what becomes of each login.
//
//   sso.logins ──inbox──▶ one district at a time, by lease ─▶ judge ─▶ registrations.<district>, what the login is told
//   licenses, accounts ──inbox──▶ tables ─▶ whom it concerns ─▶ marks ─┘
//   a changeset, a new day, a policy ──────────────────────────▶ marks ─┘
//
// A mark is taken away only when all that it asked for is done and it was not set again meanwhile.

import { randomUUID } from "node:crypto";

import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import type { JudgedDistrict } from "../../libs/adapters/postgres/person-facts.ts";
import { spreadFacts } from "../../libs/adapters/postgres/spreading.ts";
import { localDate } from "../../libs/domain/dates.ts";
import { parseDistrictId } from "../../libs/domain/ids.ts";
import { AppError } from "../../libs/errors.ts";
import { controlKey, controlTopics, districtTopic } from "../../libs/topics.ts";
import type { RegistrationContext } from "./context.ts";
import { takeAccount, takeLicense, takeLogin } from "./facts-in.ts";
import { judge } from "./judge.ts";

/** Lanes of work, each with its own consumer: a stopped license does not stop a district that is called like it. */
const lanes = [
  { consumer: "registration-licenses", topic: controlTopics.licenses.name, take: takeLicense },
  { consumer: "registration-accounts", topic: controlTopics.accounts.name, take: takeAccount },
] as const;
export const loginConsumer = "registration";
export const registrationConsumers = [loginConsumer, ...lanes.map(({ consumer }) => consumer)] as const;

const topics = [controlTopics.logins.name, ...lanes.map(({ topic }) => topic)];
const leaseMs = 15_000;
const loginsPerTransaction = 50;

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runRegistration(
  context: RegistrationContext,
  { pollIntervalMs }: { readonly pollIntervalMs: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const worked = await workOnce(context, signal);
    if (!worked) await context.log.waitForAppend(topics, pollIntervalMs, signal);
  }
}

/** Does once whatever there is. @returns whether there was anything. */
export async function workOnce(context: RegistrationContext, signal: AbortSignal): Promise<boolean> {
  let worked = false;
  for (const lane of lanes) worked = (await workOnLane(context, lane)) || worked;
  worked = (await spreadFacts(context.sql)) > 0 || worked;
  await context.inbox.pump({ consumer: loginConsumer, topics: [controlTopics.logins.name] });
  for (const district of await districtsWithWork(context)) {
    if (signal.aborted) return false;
    worked = (await workOnDistrict(context, district, signal)) || worked;
  }
  return worked;
}

async function workOnLane(context: RegistrationContext, lane: (typeof lanes)[number]): Promise<boolean> {
  const { consumer, topic, take } = lane;
  await context.inbox.pump({ consumer, topics: [topic] });
  const waiting = await context.inbox.waitingDistricts(consumer);
  if (waiting.length === 0) return false;
  return underLease(context, consumer, async () => {
    for (const key of waiting) await workOff(context, { consumer, key, take: (item) => take(context, item) });
  });
}

async function districtsWithWork({ inbox, sql }: RegistrationContext): Promise<readonly string[]> {
  const marked: readonly { readonly district: string }[] = await sql("registration_due")
    .select("district")
    .union([sql("login_due").select("district")])
    .orderBy("district");
  return [...new Set([...(await inbox.waitingDistricts(loginConsumer)), ...marked.map(({ district }) => district)])];
}

async function workOnDistrict(context: RegistrationContext, id: string, signal: AbortSignal): Promise<boolean> {
  return underLease(context, `registration.${id}`, async () => {
    const district = await judgedDistrict(context, id);
    const name = parseDistrictId(id);
    if (district !== null && name !== null) await context.log.createTopic(districtTopic("registrations", name));
    const take = (item: WorkItem): Promise<void> => takeLogin(context, district, item);
    await workOff(context, { consumer: loginConsumer, key: id, take });
    await judgeMarked(context, { id, district, signal });
  });
}

/** @returns false when another process holds the lease. */
async function underLease(context: RegistrationContext, name: string, work: () => Promise<void>): Promise<boolean> {
  const held = await holdLease(context.sql, { name, holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return false;
  try {
    await work();
    return true;
  } finally {
    await held.release();
  }
}

/** The district as it is judged now; null when there is none. */
export async function judgedDistrict(context: RegistrationContext, id: string): Promise<JudgedDistrict | null> {
  const row = await districtOf(context.sql, id);
  if (row === null) return null;
  const { state, stateSince, policy, policySince } = row;
  return { id, state, stateSince, policy, policySince, today: localDate(context.clock.now(), policy.timeZone) };
}

type Lane = {
  readonly consumer: string;
  readonly key: string;
  readonly take: (item: WorkItem) => Promise<void>;
};

/** Does the work of one key in its order, until none is left or one stops. */
async function workOff(context: RegistrationContext, { consumer, key, take }: Lane): Promise<void> {
  for (;;) {
    const item = await context.inbox.nextWork(consumer, key);
    if (item === null) return;
    try {
      await take(item);
    } catch (thrown) {
      const error = refusedByDatabase(thrown);
      if (!(error instanceof AppError) || error.retryable) throw error;
      await stop(context, item, error);
      return;
    }
  }
}

/** A value that the tables do not take stops its own work alone. What the database says of it repeats the value. */
function refusedByDatabase(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof AppError || !("code" in thrown)) return thrown;
  // Class 22 of SQLSTATE: the value is none of its type.
  const isRefused = typeof thrown.code === "string" && /^22[0-9A-Z]{3}$/u.test(thrown.code);
  return isRefused ? new AppError("fact.unappliable", { details: { sqlstate: String(thrown.code) } }) : thrown;
}

/** Stops the work with its reason, and tells people. */
async function stop(context: RegistrationContext, item: WorkItem, error: AppError): Promise<void> {
  const { code, message, remedy } = error;
  const { district, topic, offset, id } = item;
  await context.inbox.stop(id, `${code}: ${message}`);
  const at = context.clock.now();
  const about = `${topic} at ${offset}: ${message}`;
  const notice = { district, code, severity: "error", message: about, remedy, since: at, at };
  const value = context.records.encode("rollcall.control.Notice", notice);
  await context.log.transaction(async (tx) => {
    tx.append(controlTopics.notices.name, [{ key: controlKey(district, code), value }]);
    await Promise.resolve();
  });
  context.logger.error({ topic, offset, err: error, remedy }, "registration work stopped");
}

type Marked = { readonly id: string; readonly district: JudgedDistrict | null; readonly signal: AbortSignal };

/** Judges the logins that are marked, then all of the district if that is. */
async function judgeMarked(context: RegistrationContext, { id, district, signal }: Marked): Promise<void> {
  const single: readonly { readonly login: string; readonly mark: number }[] = await context
    .sql("login_due")
    .where({ district: id })
    .orderBy("login")
    .select("login", "mark");
  for (let i = 0; i < single.length && !signal.aborted; i += loginsPerTransaction) {
    const part = single.slice(i, i + loginsPerTransaction);
    await judgeSome(
      context,
      district,
      part.map(({ login }) => login),
    );
    for (const { login, mark } of part) await context.sql("login_due").where({ login, mark }).delete();
  }
  const whole: { readonly mark: number } | undefined = await context
    .sql("registration_due")
    .where({ district: id })
    .first("mark");
  if (whole === undefined || signal.aborted) return;
  await judgeAll(context, { id, district, signal });
  // In a statement of its own: a transaction that held a mark and a license would wait in a circle with one that spreads.
  if (!signal.aborted) await context.sql("registration_due").where({ district: id, mark: whole.mark }).delete();
}

async function judgeAll(context: RegistrationContext, { id, district, signal }: Marked): Promise<void> {
  let after = "00000000-0000-0000-0000-000000000000";
  while (!signal.aborted) {
    const rows: readonly { readonly id: string }[] = await context
      .sql("logins")
      .where({ district: id })
      .where("id", ">", after)
      .orderBy("id")
      .limit(loginsPerTransaction)
      .select("id");
    const last = rows.at(-1);
    if (last === undefined) return;
    await judgeSome(
      context,
      district,
      rows.map((row) => row.id),
    );
    after = last.id;
  }
}

async function judgeSome(
  context: RegistrationContext,
  district: JudgedDistrict | null,
  logins: readonly string[],
): Promise<void> {
  if (district === null) return;
  await context.log.transaction((tx) => judge(context, tx, { district, logins }));
}
