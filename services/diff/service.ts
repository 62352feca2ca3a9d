// diff: takes up deliveries and decisions, one district at a time under its lease, and publishes what changed.
//
//   deliveries, decisions ──inbox──▶ work rows ──lease──▶ plan ──▶ roster.<district>, changesets, plans, notices
//
// A district that cannot go on stops with a reason and keeps its place; the others go on.

import { randomUUID } from "node:crypto";

import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { type DistrictId, parseDistrictId } from "../../libs/domain/ids.ts";
import { AppError } from "../../libs/errors.ts";
import type { Delivery } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import { type DiffContext, fence, type HeldDistrict, topicsOf } from "./context.ts";
import { finishBegun, workOnDecision, workOnDelivery, workOnStart } from "./publishing.ts";
import { consumer, nextItem, type QueuedItem, recordsAhead, supersedingDeliveryWaits } from "./queue.ts";
import { requestRefill, stopWork, takeRefills } from "./refills.ts";
import { startedDistricts, startedPlan } from "./start.ts";
import { begunChangeset, type PlanRow, planOfVersion } from "./store.ts";
import { defaultWorkers, Workers, type WorkerSettings } from "./workers.ts";

const topics = [controlTopics.deliveries.name, controlTopics.decisions.name];
const leaseMs = 15_000;

export type DiffTimes = {
  /** How long to wait for something new before looking all the same. */
  readonly pollIntervalMs: number;
  /** How long a district that stopped without a work item is left alone. */
  readonly stoppedPauseMs: number;
  readonly workers?: WorkerSettings;
};

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runDiff(
  ports: Omit<DiffContext, "askedAt">,
  times: DiffTimes,
  signal: AbortSignal,
): Promise<void> {
  const context: DiffContext = { ...ports, askedAt: new Map() };
  const settings = times.workers ?? defaultWorkers;
  const workers = new Workers(settings);
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const pausedUntil = new Map<string, number>();
  const work = async (district: DistrictId): Promise<boolean> => {
    const outcome = await workOnDistrict(context, district, stop);
    if (outcome === "stopped") pausedUntil.set(district, context.clock.now() + times.stoppedPauseMs);
    return outcome === "worked";
  };
  try {
    while (!signal.aborted) {
      await workers.free();
      const { change } = workers;
      await context.inbox.pump({ consumer, topics });
      for (const district of await districtsWithWork(context)) {
        await workers.free();
        if (signal.aborted) return;
        if ((pausedUntil.get(district) ?? 0) > context.clock.now()) continue;
        const isLarge = (await recordsAhead(context, district)) >= settings.largeRecords;
        if (workers.takes(district, isLarge)) workers.start(district, { isLarge, work: () => work(district) });
      }
      await context.log.waitForAppend(topics, times.pollIntervalMs, AbortSignal.any([signal, change]));
    }
  } finally {
    failed.abort();
    await workers.end();
  }
}

async function districtsWithWork(context: DiffContext): Promise<readonly DistrictId[]> {
  const begun: { readonly district: string }[] = await context
    .sql("changesets")
    .where({ state: "applying" })
    .distinct("district");
  const refilled: { readonly district: string }[] = await context
    .sql("work")
    .where({ consumer, topic: controlTopics.deliveries.name, state: "waiting" })
    .distinct("district");
  const waiting = await context.inbox.waitingDistricts(consumer);
  const started = await startedDistricts(context);
  const names = [...begun.map((row) => row.district), ...waiting, ...refilled.map((row) => row.district), ...started];
  return [...new Set(names)].flatMap((name) => parseDistrictId(name) ?? []);
}

/** What a holder meets whose lease has gone to someone else. */
const overtaken: ReadonlySet<string> = new Set(["lease.lost", "log.writer-fenced", "work.not-waiting"]);

type Outcome = "worked" | "idle" | "stopped";

/** Does all the work of a district that is there; idle when another process holds it. */
async function workOnDistrict(context: DiffContext, district: DistrictId, signal: AbortSignal): Promise<Outcome> {
  const { roster } = topicsOf(district);
  const held = await holdLease(context.sql, { name: roster, holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return "idle";
  try {
    await takeRefills(context, { id: district, lease: held.lease });
    // Opening a writer leaves a record: not for a district whose next work is stopped.
    if (!(await hasWork(context, district))) return "idle";
    await context.log.createTopic(roster);
    const writer = await context.log.openWriter(roster, held.lease);
    const place: HeldDistrict = { id: district, lease: held.lease, writer, topics: topicsOf(district) };
    if (!(await finishWhatWasBegun(context, place)) || !(await planWhatStarted(context, place))) return "stopped";
    let outcome: Outcome = "idle";
    while (!signal.aborted && !held.signal.aborted) {
      const next = await nextItem(context, district);
      if (next === null) return outcome;
      await workOnItem(context, place, next);
      outcome = "worked";
    }
    return outcome;
  } catch (error) {
    // Whoever holds the lease now, or takes it next, goes on.
    if (error instanceof AppError && overtaken.has(error.code)) return "idle";
    throw error;
  } finally {
    await held.release();
  }
}

async function hasWork(context: DiffContext, district: DistrictId): Promise<boolean> {
  return (
    (await nextItem(context, district)) !== null ||
    (await begunChangeset(context.sql, district)) !== null ||
    (await startedPlan(context, district)) !== null
  );
}

async function finishWhatWasBegun(context: DiffContext, district: HeldDistrict): Promise<boolean> {
  const changeset = await begunChangeset(context.sql, district.id);
  const plan = changeset === null ? null : await planOfVersion(context.sql, district.id, changeset.plan);
  return succeeds(context, district, { plan, work: () => finishBegun(context, district) });
}

async function planWhatStarted(context: DiffContext, district: HeldDistrict): Promise<boolean> {
  const plan = await startedPlan(context, district.id);
  return plan === null || succeeds(context, district, { plan, work: () => workOnStart(context, district, plan) });
}

/** Does work that belongs to no item. @returns false when it cannot be done now, which people or the ingest are told. */
async function succeeds(
  context: DiffContext,
  district: HeldDistrict,
  { plan, work }: { readonly plan: PlanRow | null; readonly work: () => Promise<void> },
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof AppError) || passes(error)) throw error;
    if (error.code === "delivery.range-unusable" && plan !== null) {
      const delivery = context.records.decode("rollcall.control.Delivery", plan.deliveryRecord);
      await requestRefill(context, district, { delivery, workId: null, error });
    } else await raise(context, district, error);
    return false;
  }
}

async function workOnItem(context: DiffContext, district: HeldDistrict, item: QueuedItem): Promise<void> {
  try {
    if (item.topic === controlTopics.deliveries.name)
      await workOnDelivery(context, district, deliveryItem(context, item));
    else await workOnDecision(context, district, await decisionItem(context, item));
  } catch (error) {
    if (!(error instanceof AppError) || passes(error)) throw error;
    const delivery = error.code === "delivery.range-unusable" ? await deliveryMeant(context, item) : null;
    if (delivery !== null) await requestRefill(context, district, { delivery, workId: item.id, error });
    else {
      await stopWork(context, district, { workId: item.id, reason: `${error.code}: ${error.message}` });
      await raise(context, district, error);
    }
  }
}

function passes(error: AppError): boolean {
  return error.retryable || overtaken.has(error.code);
}

function valueOf(item: QueuedItem): Uint8Array {
  if (item.value === null) throw new AppError("registry.undecodable", { message: "a control record has no value" });
  return item.value;
}

function deliveryItem(context: DiffContext, item: QueuedItem): Parameters<typeof workOnDelivery>[2] {
  return { workId: item.id, record: context.records.decode("rollcall.control.Delivery", valueOf(item)) };
}

async function decisionItem(context: DiffContext, item: QueuedItem): Promise<Parameters<typeof workOnDecision>[2]> {
  const record = context.records.decode("rollcall.control.Decision", valueOf(item));
  const newerDelivery = await supersedingDeliveryWaits(context, item.district);
  return { workId: item.id, record, newerDelivery };
}

/** The delivery that an item is about: its own, or that of the plan it decides on. */
async function deliveryMeant(context: DiffContext, item: QueuedItem): Promise<Delivery | null> {
  if (item.topic === controlTopics.deliveries.name)
    return context.records.decode("rollcall.control.Delivery", valueOf(item));
  const { version } = context.records.decode("rollcall.control.Decision", valueOf(item));
  const plan = await planOfVersion(context.sql, item.district, version);
  return plan === null ? null : context.records.decode("rollcall.control.Delivery", plan.deliveryRecord);
}

/** Says to people that a district has stopped. */
async function raise(context: DiffContext, district: HeldDistrict, error: AppError): Promise<void> {
  const at = context.clock.now();
  const { message, remedy } = error;
  const notice = { district: district.id, code: error.code, severity: "error", message, remedy, since: at, at };
  const value = context.records.encode("rollcall.control.Notice", notice);
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    tx.append(controlTopics.notices.name, [{ key: controlKey(district.id, error.code), value }]);
  });
  context.logger.error({ district: district.id, err: error, remedy }, "district stopped");
}
