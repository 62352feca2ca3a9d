// A delivery's way: received (its files are in landing and its row exists), then read (judged, its entities written),
// then accepted or refused. What was received survives every crash: reading begins again from landing, as one more
// attempt, until it has ended.
//
//   received ──read──▶ accepted ──(refill: one more attempt)──▶ accepted
//                └───▶ refused

import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import type { Knex } from "knex";
import type { Logger } from "pino";

import { type DeliveredSet, openSet, type SetEntry } from "../adapters/oneroster/set-reader.ts";
import { districtOf, storedPolicy } from "../adapters/postgres/districts.ts";
import { mustDeliver } from "../adapters/postgres/sources.ts";
import { keepLanding } from "../adapters/postgres/landing-names.ts";
import { checkLease, type HeldLease, holdLease } from "../adapters/postgres/leases.ts";
import type { Codec } from "../adapters/registry/codec.ts";
import { recordCodec } from "../adapters/registry/record-codec.ts";
import { type DeliveryId, type DistrictId, type SourceId } from "../domain/ids.ts";
import { entityTypes } from "../domain/oneroster/entity-types.ts";
import type { Policy } from "../domain/policy.ts";
import { AppError } from "../errors.ts";
import type { Clock, EventLog, LandedFile, Landing, Lease, TopicWriter } from "../ports.ts";
import type { Delivery } from "../records.ts";
import { controlKey, controlTopics, districtTopic } from "../topics.ts";
import { EntitySink } from "./entity-sink.ts";
import { judgeSet } from "./judge-set.ts";
import { checkWhole, landedSet, readAs } from "./landed-set.ts";
import { type Beside, demographicsFile, insertDelivery, isLastAccepted, land, type Received } from "./landing-set.ts";
import { reportOf } from "./report.ts";
import type { Verdict } from "./verdict.ts";

/** Version of the rules by which rows become entities; raised when the same row would become another entity. */
export const rulesVersion = "1";
export const reportName = "report.json";
const leaseMs = 15_000;
const leasePollMs = 250;

export type IngestContext = {
  readonly log: EventLog;
  readonly sql: Knex;
  readonly codec: Codec;
  readonly landing: Landing;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A row of `deliveries`. */
export type DeliveryRow = {
  readonly id: DeliveryId;
  readonly district: DistrictId;
  readonly source: SourceId;
  readonly sequence: number;
  readonly attempt: number;
  readonly state: "received" | "accepted" | "refused";
  readonly set_hash: string;
  readonly files: readonly LandedFile[];
  /** Those of its files that landing need not keep any more. */
  readonly forgotten: readonly LandedFile[];
  readonly beside: Beside;
  readonly policy: Policy;
  readonly as_of: string;
  readonly refusal: string | null;
  readonly received_at: Date;
};

/** Columns of {@link DeliveryRow}; the date as text, for a Date would be of the server's time zone. */
const columns = [
  "id",
  "district",
  "source",
  "sequence",
  "attempt",
  "state",
  "set_hash",
  "files",
  "forgotten",
  "beside",
  "policy",
  "refusal",
  "received_at",
];

function deliveries(sql: Knex): Knex.QueryBuilder<object, StoredDelivery[]> {
  return sql("deliveries").select(...columns, sql.raw("as_of::text as as_of"));
}

type StoredDelivery = Omit<DeliveryRow, "policy"> & { readonly policy: unknown };

/** It may have been received by an earlier version, whose policies had fewer fields. */
function whole(row: StoredDelivery): DeliveryRow {
  return { ...row, policy: storedPolicy(row.policy) };
}

/** @throws AppError `delivery.unknown`. */
export async function findDelivery(sql: Knex, id: string): Promise<DeliveryRow> {
  const [row] = await deliveries(sql).where({ id });
  if (row === undefined) throw new AppError("delivery.unknown", { message: `there is no delivery ${id}` });
  return whole(row);
}

/** Deliveries that were received and not yet read to their end, oldest first: all, or those of a source before one. */
export async function unreadDeliveries(
  sql: Knex,
  before?: { readonly district: DistrictId; readonly source: SourceId; readonly sequence: number },
): Promise<readonly DeliveryRow[]> {
  const query = deliveries(sql).where({ state: "received" }).orderBy(["received_at", "sequence"]);
  if (before === undefined) return (await query).map(whole);
  const { district, source, sequence } = before;
  return (await query.where({ district, source }).where("sequence", "<", sequence)).map(whole);
}

/** Who delivers, and how the set is opened. */
export type Opening = {
  readonly district: DistrictId;
  readonly source: SourceId;
  readonly open: () => Promise<DeliveredSet>;
};

export type Handed = { readonly district: DistrictId; readonly source: SourceId; readonly path: string };

/**
 * Lands the set at a path and records the delivery: from here on it cannot be lost.
 * @throws AppError `set.unreadable`, `district.unknown`, `source.disabled`; `source.second` when another source of the
 * district is enabled.
 */
export async function receive(context: IngestContext, handed: Handed): Promise<DeliveryRow> {
  return landAndRecord(context, opening(handed), async (trx, received) =>
    findDelivery(trx, await insertDelivery(trx, received)),
  );
}

/**
 * Receives a set that was dropped: recorded once, in the transaction that says so in its row.
 * @param handed.set id of its row.
 * @returns null when it is the last accepted set of the source, under the same policy and rules.
 * @throws as {@link receive}.
 */
export async function receiveDropped(
  context: IngestContext,
  handed: Handed & { readonly set: string },
): Promise<DeliveryRow | null> {
  return landAndRecord(context, opening(handed), async (trx, received) => {
    if (await isLastAccepted(trx, received)) return null;
    const id = await insertDelivery(trx, received);
    await trx("drop_sets").where({ id: handed.set }).update({ delivery: id });
    return findDelivery(trx, id);
  });
}

function opening({ district, source, path }: Handed): Opening {
  return { district, source, open: () => openSet(path) };
}

/**
 * Lands the files of a set.
 * @param record within the transaction in which they are known to be in landing.
 */
export async function landAndRecord<T>(
  context: IngestContext,
  { district, source, open }: Opening,
  record: (trx: Knex.Transaction, received: Received) => Promise<T>,
): Promise<T> {
  const known = await districtOf(context.sql, district);
  if (known === null) throw new AppError("district.unknown", { message: `there is no district ${district}` });
  const { policy } = known;
  await mustDeliver(context.sql, { district, id: source });
  const set = await open();
  try {
    for (;;) {
      const { files, notKept } = await land(context.landing, set, { demographics: policy.demographics });
      const { notes, otherNames, pull } = set;
      const beside = { notes, otherNames, notKept, ...(pull && { pull }) };
      const from = { district, source, policy, rules: rulesVersion, at: context.clock.now() };
      const recorded = await recordLanded(context, { ...from, files, beside }, record);
      if (recorded !== "gone") return recorded;
    }
  } finally {
    set.close();
  }
}

/** @returns gone: some of the files went from landing meanwhile, with a district that had the same. Land them again. */
async function recordLanded<T>(
  { sql, landing }: IngestContext,
  received: Received,
  record: (trx: Knex.Transaction, received: Received) => Promise<T>,
): Promise<T | "gone"> {
  const { district, source, files } = received;
  return sql.transaction(async (trx) => {
    // Landing takes its time: another source may have come first meanwhile, and none may come between check and insert.
    const isKnown = (await trx("districts").where({ id: district }).forNoKeyUpdate().first("id")) !== undefined;
    if (!isKnown) throw new AppError("district.unknown", { message: `there is no district ${district} any more` });
    await mustDeliver(trx, { district, id: source });
    await keepLanding(trx);
    for (const { sha256 } of files) if (!(await landing.has(sha256))) return "gone";
    return record(trx, received);
  });
}

export type ReadDelivery = { readonly id: DeliveryId; readonly verdict: Verdict };

/**
 * Judges a received delivery, writes its entities and says what became of it. Called again, it is one more attempt,
 * which takes the place of earlier ones. Deliveries of the source that were received before it and never read to their
 * end are read first: read later, they would bring back what it replaced.
 * @param demographics demographics.csv as delivered, where it was not landed: it is checked and goes no further.
 * @throws AppError `lease.lost` when another process reads the district's deliveries for longer than the signal allows;
 * `delivery.unfillable` when its time in landing is over; `district.unknown` when the district has left meanwhile.
 */
export async function readDelivery(
  context: IngestContext,
  {
    id,
    signal,
    demographics,
  }: { readonly id: DeliveryId; readonly signal: AbortSignal; readonly demographics?: SetEntry },
): Promise<ReadDelivery> {
  const row = await findDelivery(context.sql, id);
  checkWhole(row);
  return alone(context, { district: row.district, signal }, async (place) => {
    for (const earlier of await unreadDeliveries(context.sql, row))
      await readAttempt(context, { ...place, id: earlier.id, demographics: undefined });
    return readAttempt(context, { ...place, id, demographics });
  });
}

/**
 * Reads a delivery to its end, and those before it, unless whoever received it has done so meanwhile.
 * @returns false, at once, while another process reads deliveries of the district: others need not wait for it.
 */
export async function readUnread(context: IngestContext, id: DeliveryId): Promise<boolean> {
  const row = await findDelivery(context.sql, id);
  const held = await tryLease(context.sql, districtTopic("entities", row.district));
  if (held === null) return false;
  await asHolder(context, { district: row.district, held }, async (place) => {
    for (const unread of await unreadDeliveries(context.sql, { ...row, sequence: row.sequence + 1 }))
      await readAttempt(context, { ...place, id: unread.id, demographics: undefined });
  });
  return true;
}

/** Ends a delivery that was received and that no further try can read. */
export async function refuseUnread({ sql, clock }: IngestContext, id: DeliveryId, refusal: string): Promise<void> {
  const decided = { state: "refused", refusal, decided_at: new Date(clock.now()) };
  await sql("deliveries").where({ id, state: "received" }).update(decided);
}

type Place = { readonly writer: TopicWriter; readonly lease: Lease; readonly topic: string };

/** Works as the only writer of the district's entities, once nobody else is. */
async function alone<T>(
  context: IngestContext,
  { district, signal }: { readonly district: DistrictId; readonly signal: AbortSignal },
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const held = await waitForLease(context.sql, districtTopic("entities", district), signal);
  return asHolder(context, { district, held }, work);
}

async function asHolder<T>(
  context: IngestContext,
  { district, held }: { readonly district: DistrictId; readonly held: HeldLease },
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const topic = districtTopic("entities", district);
  try {
    // It may have left while its lease was waited for: then its topic is not made again.
    if ((await districtOf(context.sql, district)) === null)
      throw new AppError("district.unknown", { message: `there is no district ${district} any more` });
    await context.log.createTopic(topic);
    const writer = await context.log.openWriter(topic, held.lease);
    return await work({ writer, lease: held.lease, topic });
  } finally {
    await held.release();
  }
}

async function waitForLease(sql: Knex, name: string, signal: AbortSignal): Promise<HeldLease> {
  for (;;) {
    const held = await tryLease(sql, name);
    if (held !== null) return held;
    await sleep(leasePollMs, undefined, { signal });
  }
}

const tryLease = (sql: Knex, name: string): Promise<HeldLease | null> =>
  holdLease(sql, { name, holder: randomUUID(), ttlMs: leaseMs });

type Attempt = Place & { readonly id: DeliveryId; readonly demographics: SetEntry | undefined };

async function readAttempt(context: IngestContext, attempt: Attempt): Promise<ReadDelivery> {
  const { id, writer } = attempt;
  await context.sql("deliveries").where({ id }).increment("attempt", 1);
  const row = await findDelivery(context.sql, id);
  const from = (await context.log.extent(attempt.topic))?.end ?? writer.barrier + 1;
  const sink = new EntitySink({ writer, codec: context.codec, delivery: id, attempt: row.attempt });
  const set = landedSet(context.landing, row, attempt.demographics);
  const notKept = attempt.demographics === undefined ? row.beside.notKept : [];
  const judged = await judgeSet({ set, policy: row.policy, sink, notKept });
  await sink.flush();
  const to = (await context.log.extent(attempt.topic))?.end ?? from;
  // A range that is filled again says nothing new of the set, and knows less of it than who received it.
  const isRefill = row.state === "accepted" && judged.verdict.outcome === "accepted";
  if (!isRefill) await context.landing.putDocument(id, reportName, JSON.stringify(reportOf(judged)));
  await decide(context, { row, attempt, sink, verdict: judged.verdict, range: { from, to } });
  const { outcome, refusal } = judged.verdict;
  context.logger.info(
    { district: row.district, delivery: id, attempt: row.attempt, outcome, refusal },
    "delivery read",
  );
  return { id, verdict: judged.verdict };
}

/** Accepted or refused, in one transaction with the record that says so. */
async function decide(
  context: IngestContext,
  read: {
    readonly row: DeliveryRow;
    readonly attempt: Attempt;
    readonly sink: EntitySink;
    readonly verdict: Verdict;
    readonly range: { readonly from: number; readonly to: number };
  },
): Promise<void> {
  const { row, attempt, verdict } = read;
  const acceptedAt = context.clock.now();
  await context.log.transaction(async (tx) => {
    await checkLease(tx.sql, attempt.lease);
    const { outcome, refusal } = verdict;
    const read_as = outcome === "accepted" ? readAs(verdict) : null;
    const decided = { state: outcome, refusal, read_as, decided_at: new Date(acceptedAt) };
    await tx.sql("deliveries").where({ id: row.id }).update(decided);
    if (outcome === "refused") return;
    const delivery: Delivery = {
      delivery: row.id,
      district: row.district,
      source: row.source,
      sequence: row.sequence,
      attempt: row.attempt,
      basis: null,
      generation: attempt.writer.generation,
      ...read.range,
      version: verdict.version ?? "",
      set: row.set_hash,
      asOf: row.as_of,
      policy: createHash("sha256").update(JSON.stringify(row.policy)).digest("hex"),
      rules: rulesVersion,
      acceptedAt,
      types: entityTypes.map((type) => {
        const { mode, absence, suspended, derived } = verdict.types[type];
        return { type, mode, absence, suspended, derived, ...read.sink.counted(type) };
      }),
      causes: row.beside.pull?.causes ?? [],
    };
    const value = recordCodec(context.codec).encode("rollcall.control.Delivery", delivery);
    tx.append(controlTopics.deliveries.name, [{ key: controlKey(row.district, row.source), value }]);
  });
}

/** Receives and reads the set at a path: the whole way of a delivery that a person hands over. */
export async function deliver(
  context: IngestContext,
  { signal, ...handed }: Handed & { readonly signal: AbortSignal },
): Promise<ReadDelivery> {
  return readHanded(context, { row: await receive(context, handed), path: handed.path, signal });
}

/** Reads a delivery while the set that it came from is at hand, which may have more than was landed. */
export async function readHanded(
  context: IngestContext,
  { row, path, signal }: { readonly row: DeliveryRow; readonly path: string; readonly signal: AbortSignal },
): Promise<ReadDelivery> {
  if (row.policy.demographics) return readDelivery(context, { id: row.id, signal });
  const set = await openSet(path);
  try {
    const demographics = set.entries.find((entry) => entry.name === demographicsFile);
    return await readDelivery(context, { id: row.id, signal, ...(demographics && { demographics }) });
  } finally {
    set.close();
  }
}
