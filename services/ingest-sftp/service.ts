// ingest-sftp: sees every received delivery through to its end, and fills ranges again that diff asks for.
// A reading that a crash cut short begins again from landing; nothing that was received is forgotten.

import { randomUUID } from "node:crypto";

import type { Inbox, WorkItem } from "../../libs/adapters/postgres/inbox.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { recordCodec } from "../../libs/adapters/registry/record-codec.ts";
import { parseDeliveryId } from "../../libs/domain/ids.ts";
import { AppError } from "../../libs/errors.ts";
import { type IngestContext, readDelivery, readUnread, unreadDeliveries } from "../../libs/ingest/deliver.ts";
import { controlTopics } from "../../libs/topics.ts";

const consumer = "ingest-sftp";
const leaseMs = 15_000;
const topics = [controlTopics.requests.name];

export type IngestTimes = {
  /** How long to wait for something new before looking all the same. */
  readonly pollIntervalMs: number;
  /** A delivery that was received less long ago is still in the hands of who received it. */
  readonly unreadAfterMs: number;
};

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runIngest(
  context: IngestContext & { readonly inbox: Inbox },
  times: IngestTimes,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await readLeftOvers(context, times, signal);
    await context.inbox.pump({ consumer, topics });
    for (const district of await context.inbox.waitingDistricts(consumer))
      await answerRequests(context, district, signal);
    await context.log.waitForAppend(topics, times.pollIntervalMs, signal);
  }
}

async function readLeftOvers(context: IngestContext, times: IngestTimes, signal: AbortSignal): Promise<void> {
  const before = new Date(context.clock.now() - times.unreadAfterMs);
  for (const { id, received_at: receivedAt } of await unreadDeliveries(context.sql)) {
    if (signal.aborted) return;
    if (receivedAt <= before) await readUnread(context, { id, signal });
  }
}

/** Answers a district's requests; one process at a time, or each would fill the same range. */
async function answerRequests(
  context: IngestContext & { readonly inbox: Inbox },
  district: string,
  signal: AbortSignal,
): Promise<void> {
  const name = `${consumer}.${district}`;
  const held = await holdLease(context.sql, { name, holder: randomUUID(), ttlMs: leaseMs });
  if (held === null) return;
  try {
    while (!signal.aborted && !held.signal.aborted) {
      const item = await context.inbox.nextWork(consumer, district);
      if (item === null) return;
      await fillAgain(context, item, signal);
    }
  } finally {
    await held.release();
  }
}

async function fillAgain(
  context: IngestContext & { readonly inbox: Inbox },
  item: WorkItem,
  signal: AbortSignal,
): Promise<void> {
  if (item.value === null) throw new AppError("registry.undecodable", { message: "a request has no value" });
  const request = recordCodec(context.codec).decode("rollcall.control.Request", item.value);
  const id = parseDeliveryId(request.delivery);
  if (id === null) {
    await context.inbox.stop(item.id, "the request names no delivery");
    return;
  }
  await readDelivery(context, { id, signal });
  await context.log.transaction((tx) => context.inbox.finish(tx.sql, item.id));
}
