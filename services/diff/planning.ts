// From a delivery or a decision to a changeset that is begun.
//
//   delivery ──▶ compare ──▶ judge ──▶ [plan row, exceptions, changeset row: applying] ──▶ write ──▶ [published]
//   decision ──▶ compare ──▶ judge ──▶ [approved, changeset row: applying] ──────────────▶ write ──▶ [published]
//   restart  ──▶ compare ──▶ as stored ──────────────────────────────────────────────────▶ write ──▶ [published]
//
// Square brackets are transactions. After the first one the changeset is an obligation: it is finished before anything
// else of the district, however often the process dies.

import { createHash } from "node:crypto";

import { action, declared, desired, exception, hold, type Image, published } from "../../libs/domain/diff/image.ts";
import {
  type DeliveredTypes,
  exceptionMatches,
  holdParents,
  matchException,
  type StoredException,
  type Verdict,
} from "../../libs/domain/diff/plan.ts";
import { type Part, summarise } from "../../libs/domain/diff/summary.ts";
import { parseEntityKey } from "../../libs/domain/ids.ts";
import { entityTypes, isEntityType } from "../../libs/domain/oneroster/entity-types.ts";
import { AppError } from "../../libs/errors.ts";
import type { Transaction } from "../../libs/ports.ts";
import type { Delivery, Plan, PlanPart } from "../../libs/records.ts";
import { refuseLostBeginning } from "../../libs/subscriber/rules.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import { compare, type Comparison, deliveredTypes } from "./compare.ts";
import { type DiffContext, fence, type HeldDistrict } from "./context.ts";
import { danglingParts } from "./dangling.ts";
import {
  type ExceptionRow,
  exceptionsOf,
  heldFor,
  isHeld,
  type NewException,
  putExceptions,
  readException,
  reasonOf,
  releaseExceptions,
  removeExceptions,
} from "./exceptions.ts";
import {
  amendPlan,
  type ChangesetRow,
  insertChangeset,
  insertPlan,
  lastRangeEnd,
  nextNumber,
  openPlan,
  type PlanRow,
  policyOf,
  setPlanState,
} from "./store.ts";
import { heldNotice } from "./held-notice.ts";
import { judgeToday } from "./start.ts";

/** Compares a delivery with what is published now; this process is the roster's only writer, so it stays so. */
export async function compareNow(
  context: DiffContext,
  district: HeldDistrict,
  delivery: Delivery,
): Promise<Comparison> {
  const topic = district.topics.roster;
  const extent = await context.log.extent(topic);
  if (extent === null || extent.generation !== district.writer.generation)
    throw new AppError("log.generation", { message: `${topic} was deleted and made again` });
  refuseLostBeginning(topic, extent);
  const roster = { topic, generation: extent.generation, from: extent.start, to: extent.end };
  const exceptions = exceptionsOf(context.sql, district.id);
  const { entities } = district.topics;
  return compare({ log: context.log, codec: context.changes }, { delivery, entities, roster, exceptions });
}

/**
 * Lays the stored exceptions over the image.
 * @param options.release which held rows are approved now.
 * @param options.keepWaiting whether keys that waited for children still do, rather than being looked at again.
 */
export async function layExceptions(
  context: DiffContext,
  image: Image,
  options: {
    readonly district: string;
    readonly release: (row: ExceptionRow) => boolean;
    readonly keepWaiting: boolean;
  },
): Promise<void> {
  for await (const rows of exceptionsOf(context.sql, options.district)) {
    for (const row of rows) {
      const { entry, stored } = readException(image, row);
      if (entry === -1 || !matchException(image, entry, stored) || !isHeld(stored.state)) continue;
      if (options.release(row)) image.exception[entry] = exception.approved;
      else if (row.reason === "children" && !options.keepWaiting) image.exception[entry] = exception.none;
    }
  }
}

/**
 * Removes exceptions that no longer match, and releases those of keys that waited for children and need not wait any more:
 * released and not removed, because of a key that the delivery does not mention the row is all that says it is absent.
 */
async function settleExceptions(
  tx: Transaction,
  { district, image, delivery }: { readonly district: string; readonly image: Image; readonly delivery: Delivery },
): Promise<void> {
  const types = deliveredTypes(delivery);
  for await (const rows of exceptionsOf(tx.sql, district)) {
    const outdated: ExceptionRow[] = [];
    const free: ExceptionRow[] = [];
    for (const row of rows) {
      const { entry, stored } = readException(image, row);
      if (hasEnded(image, { entry, stored, type: row.type }, types)) outdated.push(row);
      else if (row.reason === "children" && image.action[entry] !== action.none && image.hold[entry] === hold.none)
        free.push(row);
    }
    await removeExceptions(tx.sql, district, outdated);
    await releaseExceptions(tx.sql, district, free);
  }
}

function hasEnded(
  image: Image,
  { entry, stored, type }: { readonly entry: number; readonly stored: StoredException; readonly type: string },
  types: DeliveredTypes,
): boolean {
  const isOver = isEntityType(type) && types[type].absence;
  // A refused create is on no topic: only a whole file without it says that the source has given it up.
  if (entry === -1) return stored.hash === null || isOver;
  if (!exceptionMatches(image, entry, stored)) return true;
  if (stored.hash === null) return image.declaredAbsent[entry] === declared.withdrawn;
  const isGone = image.published[entry] !== published.live && image.desired[entry] === desired.unmentioned;
  return isGone && isOver;
}

/** What a decision adds to a delivery that is planned again. */
export type Approval = {
  readonly plan: PlanRow;
  readonly types: readonly string[];
  readonly cause: string | null;
  /** Written in the transaction that begins the changeset. */
  readonly record: (tx: Transaction) => Promise<void>;
};

export type Begun = {
  /** The changeset that must now be written; null when the whole plan is held. */
  readonly changeset: ChangesetRow | null;
  /** The cause that holds the whole plan, or null. */
  readonly cause: string | null;
};

/**
 * Judges a comparison and records, in one transaction, the plan, its exceptions, the changeset that is begun, and that
 * the work item is done. Nothing is begun when the whole plan is held; and of an approval nothing is recorded then.
 */
export async function begin(
  context: DiffContext,
  district: HeldDistrict,
  job: {
    readonly comparison: Comparison;
    readonly delivery: Delivery;
    readonly deliveryRecord: Buffer;
    /** The work item that is done by this; null for a plan whose day has come. */
    readonly workId: number | null;
    readonly approval: Approval | null;
  },
): Promise<Begun> {
  const { comparison, approval } = job;
  const released = (row: ExceptionRow): boolean =>
    row.plan === approval?.plan.version && (approval.types.length === 0 || approval.types.includes(row.type));
  await layExceptions(context, comparison.image, {
    district: district.id,
    release: released,
    keepWaiting: false,
  });
  const policy = await policyOf(context.sql, district.id);
  const { causes: doubts } = job.delivery;
  const judged = { policy, approvedCause: approval?.cause ?? null, isDoubted: doubts.length > 0 };
  const cause = judgeToday(context, comparison.image, judged);
  if (approval !== null && cause !== null) return { changeset: null, cause };
  if (cause === null) holdParents(comparison.image, comparison.before);
  const parts = summarise(comparison.image, { planCause: cause, doubts });
  const verdict = verdictOf(parts, cause);
  const reading = { log: context.log, codec: context.changes };
  const dangling = cause === null ? await danglingParts(reading, comparison) : [];
  return context.log.transaction(async (tx) => {
    await fence(tx, district);
    // Before new holds are stored: a decision is about those that were seen.
    await approval?.record(tx);
    const version = await planVersion(context, tx, { district, job, parts, dangling, verdict, cause });
    await settleExceptions(tx, { district: district.id, image: comparison.image, delivery: job.delivery });
    const since = new Date(context.clock.now());
    const rows = heldNow(comparison);
    await putExceptions(tx.sql, { district: district.id, plan: version, since, by: null, rows });
    if (job.workId !== null) await context.inbox.finish(tx.sql, job.workId);
    if (cause !== null) return { changeset: null, cause };
    const changeset = await beginChangeset(context, tx, { district, delivery: job.delivery, version, parts });
    const policyHash = createHash("sha256").update(JSON.stringify(policy)).digest("hex");
    const { rules } = job.delivery;
    await insertChangeset(tx.sql, {
      ...changeset,
      district: district.id,
      policy: policyHash,
      rules,
      verdict,
      at: since,
    });
    return { changeset, cause };
  });
}

/**
 * Records that a delivery was overtaken by a newer one of its source, which was planned before it: it changes nothing.
 * Otherwise the older set would take the newer one's place.
 */
export async function passOver(
  context: DiffContext,
  district: HeldDistrict,
  {
    delivery,
    deliveryRecord,
    workId,
  }: { readonly delivery: Delivery; readonly deliveryRecord: Buffer; readonly workId: number },
): Promise<void> {
  const at = new Date(context.clock.now());
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    const { source, sequence } = delivery;
    const version = await nextNumber(tx.sql, district.id, "last_plan");
    const nothing = { state: "superseded", verdict: "publish", cause: null, parts: [] } as const;
    const plan = { ...nothing, version, source, delivery: delivery.delivery };
    await insertPlan(tx.sql, district.id, { ...plan, since: at, at, sequence, deliveryRecord });
    const times = { since: at.getTime(), at: at.getTime() };
    const value = context.records.encode("rollcall.control.Plan", { district: district.id, ...plan, ...times });
    tx.append(controlTopics.plans.name, [{ key: controlKey(district.id, source), value }]);
    await context.inbox.finish(tx.sql, workId);
  });
  context.logger.warn({ district: district.id, delivery: delivery.delivery }, "delivery overtaken by a newer one");
}

function verdictOf(parts: readonly Part[], cause: string | null): Verdict {
  if (cause !== null) return "hold-all";
  return parts.some((part) => part.held > 0) ? "hold-some" : "publish";
}

/** The version under which this is planned: that of the approved plan, or a new one that supersedes what was open. */
async function planVersion(
  context: DiffContext,
  tx: Transaction,
  planned: {
    readonly district: HeldDistrict;
    readonly job: {
      readonly comparison: Comparison;
      readonly delivery: Delivery;
      readonly deliveryRecord: Buffer;
      readonly approval: Approval | null;
    };
    readonly parts: readonly Part[];
    readonly dangling: readonly PlanPart[];
    readonly verdict: Verdict;
    readonly cause: string | null;
  },
): Promise<number> {
  const { district, job, verdict, cause } = planned;
  const parts = [...planned.parts.map((part) => withSample(part, job.comparison)), ...planned.dangling];
  if (job.approval !== null) {
    const { plan } = job.approval;
    // Approved as a whole, it is no longer held as a whole: deltas need not wait for what is left of it.
    if (plan.verdict === "hold-all")
      await amendPlan(tx.sql, { district: district.id, version: plan.version, verdict, parts });
    return plan.version;
  }
  const version = await nextNumber(tx.sql, district.id, "last_plan");
  const previous = await openPlan(tx.sql, district.id);
  if (previous !== null) await endPlan(context, tx, { district, plan: previous, state: "superseded" });
  const now = context.clock.now();
  const since = previous !== null && verdict !== "publish" ? previous.since.getTime() : now;
  const plan: Plan = {
    district: district.id,
    source: job.delivery.source,
    delivery: job.delivery.delivery,
    version,
    state: verdict === "publish" ? "closed" : "open",
    verdict,
    cause,
    parts,
    since,
    at: now,
  };
  const { deliveryRecord } = job;
  const { sequence } = job.delivery;
  await insertPlan(tx.sql, district.id, {
    ...plan,
    sequence,
    verdict,
    since: new Date(since),
    at: new Date(now),
    deliveryRecord,
  });
  const key = controlKey(district.id, plan.source);
  tx.append(controlTopics.plans.name, [{ key, value: context.records.encode("rollcall.control.Plan", plan) }]);
  if (verdict !== "publish") tx.append(controlTopics.notices.name, [heldNotice(context, plan)]);
  return version;
}

/** Ends an open plan, and says so on its topic. */
export async function endPlan(
  context: DiffContext,
  tx: Transaction,
  about: {
    readonly district: HeldDistrict;
    readonly plan: PlanRow;
    readonly state: "superseded" | "closed";
  },
): Promise<void> {
  const { district, plan, state } = about;
  await setPlanState(tx.sql, { district: district.id, version: plan.version, state });
  const { source, delivery, version, verdict, cause, parts } = plan;
  const times = { since: plan.since.getTime(), at: context.clock.now() };
  const ended: Plan = { district: district.id, source, delivery, version, state, verdict, cause, parts, ...times };
  const value = context.records.encode("rollcall.control.Plan", ended);
  tx.append(controlTopics.plans.name, [{ key: controlKey(district.id, source), value }]);
}

function withSample({ entries, ...part }: Part, { before, newIds }: Comparison): PlanPart {
  const sample =
    part.op === "created"
      ? (newIds[entityTypes.indexOf(part.type)] ?? [])
      : entries.map((entry) => parseEntityKey(before.read(entry).key)?.sourcedId ?? "");
  return { ...part, sample };
}

/** Exceptions for all deletes that are held now; what was held before keeps its `since`, and is of this plan from now on. */
function* heldNow({ image, before }: Comparison): Generator<NewException> {
  for (let entry = 0; entry < image.size; entry++) {
    if (image.action[entry] !== action.delete) continue;
    const stored = image.exception[entry];
    const wasHeld = image.hold[entry] === hold.plan && isHeld(stored);
    const reason = reasonOf(image.hold[entry]) ?? (wasHeld ? heldFor(stored) : null);
    if (reason === null) continue;
    const name = parseEntityKey(before.read(entry).key);
    // What was approved stays so while it waits for its children: it is not judged again.
    const state = image.exception[entry] === exception.approved ? "approved" : "held";
    if (name !== null) yield { ...name, hash: null, state, reason };
  }
}

async function beginChangeset(
  context: DiffContext,
  tx: Transaction,
  begun: {
    readonly district: HeldDistrict;
    readonly delivery: Delivery;
    readonly version: number;
    readonly parts: readonly Part[];
  },
): Promise<ChangesetRow> {
  const { district, delivery, version, parts } = begun;
  const { generation } = district.writer;
  const extent = await context.log.extent(district.topics.roster);
  return {
    number: await nextNumber(tx.sql, district.id, "last_changeset"),
    plan: version,
    delivery: delivery.delivery,
    allowed: parts.map(({ type, op, count, held }) => ({ type, op, count: count - held })),
    generation,
    from: await lastRangeEnd(tx.sql, { district: district.id, generation, start: extent?.start ?? 0 }),
  };
}

/** How many deletes of each type the image would write now, by index of the type. */
export function deletesToWrite(image: Image): readonly number[] {
  const counts = entityTypes.map(() => 0);
  for (let entry = 0; entry < image.size; entry++) {
    if (image.action[entry] !== action.delete || image.hold[entry] !== hold.none) continue;
    const type = image.type[entry] ?? 0;
    counts[type] = (counts[type] ?? 0) + 1;
  }
  return counts;
}
