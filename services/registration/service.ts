// registration: takes in logins, licenses and accounts, and says what becomes of each login.
//
//   sso.logins ──inbox──▶ one district at a time, by lease ─▶ judge ─▶ registrations.<district>, what the login is told
//   licenses, accounts ──inbox──▶ tables ─▶ whom it concerns ─▶ marks ─┘
//   a changeset, a new day, a policy ──────────────────────────▶ marks ─┘
//
// A mark is taken away only when all that it asked for is done and it was not set again meanwhile.

import { randomUUID } from "node:crypto";

import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { spreadFacts } from "../../libs/adapters/postgres/spreading.ts";
import { parseDistrictId } from "../../libs/domain/ids.ts";
import { AppError } from "../../libs/errors.ts";
import type { Transaction } from "../../libs/ports.ts";
import { controlKey, controlTopics, districtTopic } from "../../libs/topics.ts";
import type { RegistrationContext } from "./context.ts";
import { takeAccount, takeLicense, takeLogins } from "./facts-in.ts";
import { judge } from "./judge.ts";

/** Lanes of work, each with its own consumer: a license does not wait for a district that is called like it. */
const lanes = [
  { consumer: "registration-licenses", topic: controlTopics.licenses.name, take: takeLicense },
  { consumer: "registration-accounts", topic: controlTopics.accounts.name, take: takeAccount },
] as const;
export const loginConsumer = "registration";

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
  for (const district of await districtsWithLogins(context)) {
    if (signal.aborted) return false;
    worked = (await workOnLogins(context, district)) || worked;
  }
  // A few at a time: whoever signs in meanwhile does not wait for a whole district.
  return (await judgeSome(context)) || worked;
}

async function workOnLane(context: RegistrationContext, lane: Lane): Promise<boolean> {
  const { consumer, topic } = lane;
  // Tables and topics have the same name.
  await context.inbox.pump({ consumer, topics: [topic], held: () => context.sql(topic).pluck<string[]>("id") });
  const waiting = await context.inbox.waitingDistricts(consumer);
  if (waiting.length === 0) return false;
  return underLease(context, consumer, async () => {
    for (const key of waiting) await workOff(context, lane, key);
  });
}

/** Districts in which someone signed in, or single logins are marked. */
async function districtsWithLogins({ inbox, sql }: RegistrationContext): Promise<readonly string[]> {
  const marked: readonly { readonly district: string }[] = await sql("login_due").distinct("district");
  return [...new Set([...(await inbox.waitingDistricts(loginConsumer)), ...marked.map(({ district }) => district)])];
}

/** Some at a time, so that a district in which everybody signs in at once does not keep the others waiting. */
async function workOnLogins(context: RegistrationContext, id: string): Promise<boolean> {
  return underLease(context, `registration.${id}`, async () => {
    await createTopic(context, id);
    await takeSome(context, await context.inbox.nextWorks(loginConsumer, id, loginsPerTransaction));
    await judgeSingle(context, id);
  });
}

/** All in one transaction; where one of them can never be taken in, each in one of its own, and that one is dropped. */
async function takeSome(context: RegistrationContext, items: readonly WorkItem[]): Promise<void> {
  if (items.length === 0) return;
  try {
    await takeLogins(context, items);
  } catch (thrown) {
    const error = refusal(thrown);
    const [item] = items;
    if (items.length === 1 && item !== undefined) await reject(context, item, error);
    else for (const each of items) await takeSome(context, [each]);
  }
}

async function createTopic({ log, sql }: RegistrationContext, id: string): Promise<void> {
  const name = parseDistrictId(id);
  const isKnown = (await sql("districts").where({ id }).first("id")) !== undefined;
  if (isKnown && name !== null) await log.createTopic(districtTopic("registrations", name));
}

/** What a holder meets whose lease has gone to someone else, who goes on. */
const overtaken: ReadonlySet<string> = new Set(["lease.lost", "work.not-waiting"]);

/** @returns false when another process holds the lease. */
async function underLease(context: RegistrationContext, name: string, work: () => Promise<void>): Promise<boolean> {
  const held = await holdLease(context.sql, { name, holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return false;
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof AppError && overtaken.has(error.code)) return false;
    throw error;
  } finally {
    await held.release();
  }
}

type Lane = (typeof lanes)[number];

/** Takes in the licenses, or accounts, of one key in their order, until none is left. */
async function workOff(context: RegistrationContext, { consumer, take }: Lane, key: string): Promise<void> {
  for (;;) {
    const item = await context.inbox.nextWork(consumer, key);
    if (item === null) return;
    try {
      await take(context, item);
    } catch (thrown) {
      await reject(context, item, refusal(thrown));
    }
  }
}

/** What says that something can never be taken in. @throws whatever else was thrown. */
function refusal(thrown: unknown): AppError {
  const error = refusedByDatabase(thrown);
  if (!(error instanceof AppError) || error.retryable || overtaken.has(error.code)) throw error;
  return error;
}

/** A value that the tables do not take ends its own work alone. What the database says of it repeats the value. */
function refusedByDatabase(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof AppError || !("code" in thrown)) return thrown;
  // Class 22 of SQLSTATE: the value is none of its type.
  const isRefused = typeof thrown.code === "string" && /^22[0-9A-Z]{3}$/u.test(thrown.code);
  return isRefused ? new AppError("fact.unappliable", { details: { sqlstate: String(thrown.code) } }) : thrown;
}

/** What can never be taken in is dropped with a notice: what comes behind it says the whole state of another, or a newer one. */
async function reject(context: RegistrationContext, item: WorkItem, error: AppError): Promise<void> {
  await context.log.transaction(async (tx) => {
    await context.inbox.finish(tx.sql, item.id);
    raise(context, tx, item, error);
  });
  context.logger.error({ topic: item.topic, offset: item.offset, err: error }, "fact dropped");
}

function raise(context: RegistrationContext, tx: Transaction, item: WorkItem, error: AppError): void {
  const { code, remedy } = error;
  const { district, topic, offset } = item;
  const at = context.clock.now();
  const message = `${topic} at ${offset}: ${error.message}`;
  const notice = { district, code, severity: "error", message, remedy, since: at, at };
  const value = context.records.encode("rollcall.control.Notice", notice);
  tx.append(controlTopics.notices.name, [{ key: controlKey(district, code), value }]);
}

/** Judges the single logins of a district that are marked. */
async function judgeSingle(context: RegistrationContext, district: string): Promise<void> {
  const marked: readonly { readonly login: string; readonly mark: number }[] = await context
    .sql("login_due")
    .where({ district })
    .orderBy("login")
    .select("login", "mark");
  for (let i = 0; i < marked.length; i += loginsPerTransaction) {
    const part = marked.slice(i, i + loginsPerTransaction);
    const logins = part.map(({ login }) => login);
    await context.log.transaction((tx) => judge(context, tx, { district, logins }));
    for (const { login, mark } of part) await context.sql("login_due").where({ login, mark }).delete();
  }
}

type Pass = {
  readonly district: string;
  readonly mark: number;
  readonly pass_mark: number | null;
  readonly pass_after: string | null;
};

/** Districts of which one that nobody else works on is looked for. */
const passesLookedAt = 16;

/** Goes on with the pass over the logins of the district that waits longest. @returns whether there is one. */
async function judgeSome(context: RegistrationContext): Promise<boolean> {
  const passes: readonly Pass[] = await context
    .sql("registration_due")
    .orderBy(["asked_at", "district"])
    .limit(passesLookedAt)
    .select("district", "mark", "pass_mark", "pass_after");
  for (const pass of passes) {
    const isOurs = await underLease(context, `registration.${pass.district}`, async () => {
      await createTopic(context, pass.district);
      await goOn(context, pass);
    });
    if (isOurs) return true;
  }
  return false;
}

async function goOn(context: RegistrationContext, { district, mark, ...pass }: Pass): Promise<void> {
  const begun = pass.pass_mark ?? mark;
  const query = context.sql("logins").where({ district }).orderBy("id").limit(loginsPerTransaction).select("id");
  if (pass.pass_after !== null) void query.where("id", ">", pass.pass_after);
  const logins: readonly string[] = (await query).map(({ id }: { readonly id: string }) => id);
  const last = logins.at(-1);
  // The mark is taken away in a statement of its own: a transaction that held it beside a license would wait in a circle
  // with one that spreads.
  const due = context.sql("registration_due").where({ district });
  if (last === undefined) {
    const ended = await due.clone().where({ mark: begun }).delete();
    // Asked for anew meanwhile: from the beginning, behind the others.
    if (ended === 0) await due.update({ pass_mark: null, pass_after: null, asked_at: context.sql.fn.now() });
    return;
  }
  await context.log.transaction((tx) => judge(context, tx, { district, logins }));
  await due.update({ pass_mark: begun, pass_after: last });
}
