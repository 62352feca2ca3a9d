// rosters: applies changesets to the roster tables, one district at a time under its lease, and publishes each teacher's
// classes.
//
//   changesets ──inbox──▶ work rows ──┐
//   roster_due (grants changed) ──────┼──lease──▶ roster_* tables, teacher-rosters.<district>, registration_due
//   the district's day, its rules ────┘
//
// One transaction per changeset holds its rows, what is published of them and the position: nobody sees half of it.
// A changeset that cannot be applied stops with a reason and keeps its place; grants and days of its district, and other
// districts, go on.

import { controlTopics, districtTopic } from "../../libs/topics.ts";
import {
  districtDays,
  dueDistricts,
  duePersons,
  positionOf,
  takeMarks,
} from "../../libs/adapters/postgres/roster-state.ts";
import type { WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { localDate } from "../../libs/domain/dates.ts";
import { type DistrictId, parseDistrictId } from "../../libs/domain/ids.ts";
import { defaultPolicy } from "../../libs/domain/policy.ts";
import { AppError } from "../../libs/errors.ts";
import { applyChangeset } from "./apply.ts";
import { appendNotice, consumer, fence, type HeldDistrict, holdRosters, type RostersContext } from "./context.ts";
import { publishFenced } from "./publish.ts";
import { settle, tell } from "./settle.ts";

const topics = [controlTopics.changesets.name];
const personsPerDrain = 500;

export type RostersTimes = {
  /** How long to wait for something new before looking all the same. */
  readonly pollIntervalMs: number;
  /** How long a district that failed without a work item is left alone. */
  readonly stoppedPauseMs: number;
};

/** Until when districts are left alone, epoch milliseconds of the clock. */
type Pauses = Map<DistrictId, number>;

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runRosters(context: RostersContext, times: RostersTimes, signal: AbortSignal): Promise<void> {
  const pausedUntil: Pauses = new Map();
  while (!signal.aborted) {
    const { worked, known } = await workOnce(context, { ...times, pausedUntil }, signal);
    // Registration appends there in the transaction that marks whose rosters are due.
    const grants = known.map((district) => districtTopic("registrations", district));
    if (!worked) await context.log.waitForAppend([...topics, ...grants], times.pollIntervalMs, signal);
  }
}

/** One look at every district. @returns whether something was done, and which districts there are. */
export async function workOnce(
  context: RostersContext,
  { pausedUntil, stoppedPauseMs }: { readonly pausedUntil: Pauses; readonly stoppedPauseMs: number },
  signal: AbortSignal,
): Promise<{ readonly worked: boolean; readonly known: readonly DistrictId[] }> {
  await context.inbox.pump({ consumer, topics });
  const { known, withWork } = await lookAround(context);
  let worked = false;
  for (const district of withWork) {
    if (signal.aborted) break;
    if ((pausedUntil.get(district) ?? 0) > context.clock.now()) continue;
    const outcome = await workOnDistrict(context, district, signal);
    if (outcome === "stopped") pausedUntil.set(district, context.clock.now() + stoppedPauseMs);
    worked ||= outcome === "worked";
  }
  return { worked, known };
}

type Around = { readonly known: readonly DistrictId[]; readonly withWork: readonly DistrictId[] };

async function lookAround(context: RostersContext): Promise<Around> {
  const now = context.clock.now();
  const days = await districtDays(context.sql);
  const todayIn = new Map<string, string>();
  const today = (timeZone: string): string => {
    const day = todayIn.get(timeZone) ?? localDate(now, timeZone);
    todayIn.set(timeZone, day);
    return day;
  };
  const isOld = ({ timeZone, asOf, isChanged }: (typeof days)[number]): boolean =>
    asOf !== null && (isChanged || asOf !== today(timeZone ?? defaultPolicy.timeZone));
  const names = new Set([
    ...(await dueDistricts(context.sql)),
    ...(await context.inbox.waitingDistricts(consumer)),
    ...days.filter(isOld).map(({ district }) => district),
  ]);
  const ids = (texts: Iterable<string>): readonly DistrictId[] =>
    [...texts].flatMap((text) => parseDistrictId(text) ?? []);
  return { known: ids(days.map(({ district }) => district)), withWork: ids(names) };
}

type Outcome = "worked" | "idle" | "stopped";

/** What a holder meets whose lease has gone to someone else. */
const overtaken: ReadonlySet<string> = new Set(["lease.lost", "work.not-waiting"]);

/** Does all the work of a district that is there; idle when another process holds it. */
async function workOnDistrict(context: RostersContext, id: DistrictId, signal: AbortSignal): Promise<Outcome> {
  const held = await holdRosters(context.sql, id);
  if (held === null) return "idle";
  const district: HeldDistrict = { id, lease: held.lease };
  let outcome: Outcome = "idle";
  try {
    while (!signal.aborted && !held.signal.aborted) {
      if (!(await takeStep(context, district))) return outcome;
      outcome = "worked";
    }
    return outcome;
  } catch (error) {
    if (!(error instanceof AppError) || error.retryable) throw error;
    // Whoever holds the lease now, or takes it next, goes on.
    if (overtaken.has(error.code)) return "idle";
    await raise(context, district, error);
    return "stopped";
  } finally {
    await held.release();
  }
}

/** One transaction's worth of work. Grants go first: a teacher waits for them. @returns false when there is none. */
async function takeStep(context: RostersContext, district: HeldDistrict): Promise<boolean> {
  if (await drainDue(context, district)) return true;
  const item = await context.inbox.nextWork(consumer, district.id);
  if (item !== null) {
    await workOnItem(context, district, item);
    return true;
  }
  return renewDay(context, district);
}

/** Looks at the persons whose grants changed. */
async function drainDue(context: RostersContext, district: HeldDistrict): Promise<boolean> {
  const due = await duePersons(context.sql, district.id, personsPerDrain);
  if (due.length === 0) return false;
  await context.log.createTopic(districtTopic("teacherRosters", district.id));
  await context.log.transaction(async (tx) => {
    const position = await positionOf(tx.sql, district.id);
    const persons = due.map(({ person }) => person);
    await publishFenced(context, tx, { district, persons, changeset: position?.changeset ?? 0 });
    await takeMarks(tx.sql, district.id, due);
  });
  return true;
}

/** Looks at the whole district once its day, its state, its policy or its pilot is another. */
async function renewDay(context: RostersContext, district: HeldDistrict): Promise<boolean> {
  const days = await districtDays(context.sql, district.id);
  const [day] = days;
  const position = await positionOf(context.sql, district.id);
  if (day === undefined || position === null) return false;
  const today = localDate(context.clock.now(), day.timeZone ?? defaultPolicy.timeZone);
  if (!day.isChanged && day.asOf === today) return false;
  await context.log.createTopic(districtTopic("teacherRosters", district.id));
  const done = await context.log.transaction((tx) => settle(context, tx, { district, position, workId: null }));
  tell(context, district, { changeset: position.changeset, ...done });
  return true;
}

async function workOnItem(context: RostersContext, district: HeldDistrict, item: WorkItem): Promise<void> {
  try {
    await applyChangeset(context, district, item);
  } catch (thrown) {
    const error = refusedByDatabase(thrown);
    if (!(error instanceof AppError) || error.retryable || overtaken.has(error.code)) throw error;
    await context.log.transaction(async (tx) => {
      await fence(tx, district);
      const reason = `${error.code}: ${error.message}`;
      await tx.sql("work").where({ id: item.id, state: "waiting" }).update({ state: "stopped", reason });
    });
    await raise(context, district, error);
  }
}

/** A value that the tables do not take. What the database says of it repeats the value, so that is left out. */
function refusedByDatabase(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof AppError || !("code" in thrown)) return thrown;
  // Classes of SQLSTATE: 22 the value is none of its type, 23 a constraint does not hold.
  const isRefused = typeof thrown.code === "string" && /^2[23][0-9A-Z]{3}$/u.test(thrown.code);
  return isRefused ? new AppError("roster.unappliable", { details: { sqlstate: String(thrown.code) } }) : thrown;
}

/** Says to people that a district has stopped. */
async function raise(context: RostersContext, district: HeldDistrict, error: AppError): Promise<void> {
  const { remedy } = error;
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    appendNotice(context, tx, { district: district.id, error });
  });
  context.logger.error({ district: district.id, err: error, remedy }, "district stopped");
}
