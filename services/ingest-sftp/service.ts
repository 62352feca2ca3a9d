// ingest-sftp: sees every received delivery through to its end, and fills ranges again that diff asks for.
// A reading that a crash cut short begins again from landing; nothing that was received is forgotten. What fails is told
// and tried again later, or ended with its reason where no retry helps; everything else goes on meanwhile.
//
//   delivery  received ──read──▶ accepted | refused         request  waiting ──filled──▶ done
//                 ▲ └─fails─▶ pause ─┘                                 ▲ └─fails─▶ pause ─┘
//                   no retry helps ──▶ refused                           no retry helps ──▶ stopped

import { randomUUID } from "node:crypto";

import type { Inbox, WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { recordCodec } from "../../libs/adapters/registry/record-codec.ts";
import { parseDeliveryId } from "../../libs/domain/ids.ts";
import { AppError, isAppError } from "../../libs/errors.ts";
import {
  type DeliveryRow,
  type IngestContext,
  readDelivery,
  readUnread,
  refuseUnread,
  unreadDeliveries,
} from "../../libs/ingest/deliver.ts";
import { controlTopics } from "../../libs/topics.ts";
import { failureOf, Failures } from "./failures.ts";

const consumer = "ingest-sftp";
const leaseMs = 15_000;
const topics = [controlTopics.requests.name];
const defaultFailedPauseMs = 30_000;

export type IngestTimes = {
  /** How long to wait for something new before looking all the same. */
  readonly pollIntervalMs: number;
  /** A delivery that was received less long ago is still in the hands of who received it. */
  readonly unreadAfterMs: number;
  /** How long what failed is left alone. Default 30 s. */
  readonly failedPauseMs?: number;
};

type Ingest = IngestContext & { readonly inbox: Inbox; readonly failures: Failures };

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runIngest(
  context: IngestContext & { readonly inbox: Inbox },
  times: IngestTimes,
  signal: AbortSignal,
): Promise<void> {
  const failures = new Failures(context, times.failedPauseMs ?? defaultFailedPauseMs);
  const ingest: Ingest = { ...context, failures };
  while (!signal.aborted) {
    await readLeftOvers(ingest, times, signal);
    await context.inbox.pump({ consumer, topics });
    for (const district of await districtsWithRequests(ingest)) await answerRequests(ingest, district, signal);
    await context.log.waitForAppend(topics, times.pollIntervalMs, signal);
  }
}

async function readLeftOvers(context: Ingest, times: IngestTimes, signal: AbortSignal): Promise<void> {
  const before = new Date(context.clock.now() - times.unreadAfterMs);
  for (const delivery of await unreadDeliveries(context.sql)) {
    if (signal.aborted) return;
    // A source's deliveries are read in their order: one that fails keeps the later ones of that source waiting.
    const name = `${delivery.district} ${delivery.source}`;
    if (delivery.received_at > before || context.failures.isPaused(name)) continue;
    try {
      await readUnread(context, delivery.id);
      context.failures.forget(name);
    } catch (error) {
      // The district left meanwhile, and its deliveries with it.
      if (isAppError(error, "delivery.unknown", "district.unknown")) continue;
      const failed = failureOf(error, signal);
      if (failed !== null) await leftOverFailed(context, { name, delivery, failed });
    }
  }
}

async function leftOverFailed(
  context: Ingest,
  { name, delivery, failed }: { readonly name: string; readonly delivery: DeliveryRow; readonly failed: AppError },
): Promise<void> {
  const { id, district } = delivery;
  if (!failed.retryable) await refuseUnread(context, id, `${failed.code}: ${failed.message}`);
  await context.failures.add(name, { district, delivery: id, error: failed });
  if (!failed.retryable) context.failures.forget(name);
}

/** A request depends on no other, so one that is stopped or pauses keeps none waiting: the inbox's order is not asked. */
async function districtsWithRequests({ sql }: Ingest): Promise<readonly string[]> {
  return sql("work").where({ consumer, state: "waiting" }).distinct("district").pluck<string[]>("district");
}

type RequestItem = Pick<WorkItem, "id" | "value">;

/** Answers a district's requests; one process at a time, or each would fill the same range. */
async function answerRequests(context: Ingest, district: string, signal: AbortSignal): Promise<void> {
  const name = `${consumer}.${district}`;
  const held = await holdLease(context.sql, { name, holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return;
  try {
    const items: readonly RequestItem[] = await context
      .sql("work")
      .where({ consumer, district, state: "waiting" })
      .orderBy("id")
      .select("id", "value");
    for (const item of items) {
      if (signal.aborted || held.signal.aborted) return;
      if (!context.failures.isPaused(`request ${item.id}`)) await answer(context, { district, item, signal });
    }
  } finally {
    await held.release();
  }
}

async function answer(
  context: Ingest,
  { district, item, signal }: { readonly district: string; readonly item: RequestItem; readonly signal: AbortSignal },
): Promise<void> {
  const name = `request ${item.id}`;
  await context.sql("work").where({ id: item.id }).increment("attempts", 1);
  try {
    await fillAgain(context, item, signal);
    context.failures.forget(name);
  } catch (error) {
    const failed = failureOf(error, signal);
    if (failed === null) return;
    if (!failed.retryable) await context.inbox.stop(item.id, `${failed.code}: ${failed.message}`);
    await context.failures.add(name, { district, delivery: null, error: failed });
    if (!failed.retryable) context.failures.forget(name);
  }
}

/** @throws AppError `registry.undecodable`, `delivery.unknown`, `delivery.unfillable`, and what reading throws. */
async function fillAgain(context: Ingest, item: RequestItem, signal: AbortSignal): Promise<void> {
  if (item.value === null)
    throw new AppError("registry.undecodable", { message: "decoding a request without a value" });
  const request = recordCodec(context.codec).decode("rollcall.control.Request", item.value);
  const id = parseDeliveryId(request.delivery);
  if (id === null) throw new AppError("delivery.unknown", { message: "reading a request that names no delivery" });
  const { verdict } = await readDelivery(context, { id, signal });
  if (verdict.refusal !== null) {
    throw new AppError("delivery.unfillable", { message: `filling the range of ${id} again: ${verdict.refusal}` });
  }
  await context.log.transaction((tx) => context.inbox.finish(tx.sql, item.id));
}
