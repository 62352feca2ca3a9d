// Finishing what was begun: writing a changeset's records and publishing it; and the decisions of people.

import { action } from "../../libs/domain/diff/image.ts";
import { holdAsStored, holdParents } from "../../libs/domain/diff/plan.ts";
import { fingerprint } from "../../libs/domain/fingerprint.ts";
import { parseEntityKey, typeOfKey } from "../../libs/domain/ids.ts";
import { entityTypes, isEntityType } from "../../libs/domain/oneroster/entity-types.ts";
import { AppError } from "../../libs/errors.ts";
import type { Transaction } from "../../libs/ports.ts";
import type { Count, Decision, Delivery } from "../../libs/records.ts";
import { controlKey, controlTopics } from "../../libs/topics.ts";
import { applyChangeset } from "./apply.ts";
import { type Comparison, desires } from "./compare.ts";
import { type DiffContext, fence, type HeldDistrict } from "./context.ts";
import { begin, compareNow, deletesToWrite, endPlan, layExceptions, passOver } from "./planning.ts";
import { countHeld, decideExceptions, desiredHash, type NewException, putExceptions } from "./exceptions.ts";
import {
  begunChangeset,
  type ChangesetRow,
  newestSequence,
  openPlan,
  type PlanRow,
  planOfVersion,
  publishChangeset,
  recordDecision,
} from "./store.ts";
import { refusalBeforeStart } from "./start.ts";

/** An item of the inbox. */
type Item<T> = { readonly workId: number; readonly record: T };

/** Plans a delivery and publishes what is not held. */
export async function workOnDelivery(
  context: DiffContext,
  district: HeldDistrict,
  { workId, record: delivery }: Item<Delivery>,
): Promise<void> {
  const deliveryRecord = Buffer.from(context.records.encode("rollcall.control.Delivery", delivery));
  const { source, sequence } = delivery;
  if (sequence < (await newestSequence(context.sql, { district: district.id, source })))
    return passOver(context, district, { delivery, deliveryRecord, workId });
  await planAndPublish(context, district, { delivery, deliveryRecord, workId });
}

/** Plans once more what waited for the district's first day, by the limits of now, and publishes what is not held. */
export async function workOnStart(context: DiffContext, district: HeldDistrict, waited: PlanRow): Promise<void> {
  const { deliveryRecord } = waited;
  await planAndPublish(context, district, { delivery: deliveryOf(context, waited), deliveryRecord, workId: null });
}

async function planAndPublish(
  context: DiffContext,
  district: HeldDistrict,
  job: { readonly delivery: Delivery; readonly deliveryRecord: Buffer; readonly workId: number | null },
): Promise<void> {
  const { delivery } = job;
  const comparison = await compareNow(context, district, delivery);
  try {
    const begun = await begin(context, district, { ...job, comparison, approval: null });
    const { changeset } = begun;
    if (changeset !== null) await publish(context, district, { comparison, delivery, changeset });
  } finally {
    comparison.before.close();
  }
}

/**
 * Finishes the changeset that a process before this one began, if there is one.
 * @throws AppError `changeset.exceeds` when that would delete more than was planned: the district stops.
 */
export async function finishBegun(context: DiffContext, district: HeldDistrict): Promise<void> {
  const changeset = await begunChangeset(context.sql, district.id);
  if (changeset === null) return;
  if (changeset.generation !== district.writer.generation)
    throw new AppError("log.generation", {
      message: `changeset ${changeset.number} was begun on another generation of its topic`,
    });
  const plan = await planOfVersion(context.sql, district.id, changeset.plan);
  const delivery = deliveryOf(context, plan);
  const comparison = await compareNow(context, district, delivery);
  try {
    await layExceptions(context, comparison.image, { district: district.id, release: () => false, keepWaiting: true });
    holdAsStored(comparison.image);
    // What was approved and waits for children is stored as approved alone.
    holdParents(comparison.image, comparison.before);
    await refuseExcess(context, district, { comparison, changeset });
    await publish(context, district, { comparison, delivery, changeset });
  } finally {
    comparison.before.close();
  }
}

function deliveryOf(context: DiffContext, plan: PlanRow | null): Delivery {
  if (plan === null) throw new AppError("plan.none", { message: "the plan of a changeset is missing" });
  return context.records.decode("rollcall.control.Delivery", plan.deliveryRecord);
}

/** What is still to be deleted, with what the range already deletes, may not exceed what the changeset's row allows. */
async function refuseExcess(
  context: DiffContext,
  district: HeldDistrict,
  { comparison, changeset }: { readonly comparison: Comparison; readonly changeset: ChangesetRow },
): Promise<void> {
  const written = await deletesWritten(context, district, changeset);
  const toWrite = deletesToWrite(comparison.image);
  for (const [index, type] of entityTypes.entries()) {
    const allowed = changeset.allowed.find((part) => part.type === type && part.op === "deleted")?.count ?? 0;
    const total = (toWrite[index] ?? 0) + (written.get(type) ?? 0);
    if (total > allowed)
      throw new AppError("changeset.exceeds", {
        message: `changeset ${changeset.number} may delete ${allowed} of type ${type}, and would delete ${total}`,
      });
  }
}

async function deletesWritten(
  context: DiffContext,
  district: HeldDistrict,
  changeset: ChangesetRow,
): Promise<ReadonlyMap<string, number>> {
  const topic = district.topics.roster;
  const end = (await context.log.extent(topic))?.end ?? changeset.from;
  const counts = new Map<string, number>();
  for await (const batch of context.log.scan({
    topic,
    generation: changeset.generation,
    from: changeset.from,
    to: end,
  })) {
    for (const { key, value, offset } of batch) {
      const type = typeOfKey(key) ?? "";
      if (value === null || !isEntityType(type)) continue;
      const change = context.changes.changeAt(type, { value, offset });
      if (change.head.op !== "deleted" || change.head.changeset !== changeset.number) continue;
      counts.set(change.type, (counts.get(change.type) ?? 0) + 1);
    }
  }
  return counts;
}

async function publish(
  context: DiffContext,
  district: HeldDistrict,
  job: { readonly comparison: Comparison; readonly delivery: Delivery; readonly changeset: ChangesetRow },
): Promise<void> {
  const { comparison, delivery, changeset } = job;
  const application = {
    log: context.log,
    codec: context.changes,
    encode: context.records.encode,
    writer: district.writer,
    clock: context.clock,
  };
  const applied = await applyChangeset(application, {
    comparison,
    delivery,
    topics: district.topics,
    begun: changeset,
  });
  const at = context.clock.now();
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    await publishChangeset(tx.sql, { district: district.id, number: changeset.number, ...applied, at: new Date(at) });
    await closeDecidedPlan(context, tx, district);
    const value = context.records.encode("rollcall.control.Changeset", {
      district: district.id,
      number: changeset.number,
      delivery: changeset.delivery,
      plan: changeset.plan,
      generation: changeset.generation,
      from: changeset.from,
      ...applied,
      at,
      left: false,
    });
    tx.append(controlTopics.changesets.name, [{ key: controlKey(district.id), value }]);
  });
  context.logger.info(
    { district: district.id, delivery: delivery.delivery, changeset: changeset.number, counts: totals(applied.counts) },
    "changeset published",
  );
}

function totals(counts: readonly Count[]): Readonly<Record<string, number>> {
  return Object.fromEntries(counts.map(({ type, op, count }) => [`${type} ${op}`, count]));
}

/** An open plan of which nothing is held any more is closed. */
async function closeDecidedPlan(context: DiffContext, tx: Transaction, district: HeldDistrict): Promise<void> {
  const plan = await openPlan(tx.sql, district.id);
  if (plan !== null && (await countHeld(tx.sql, { district: district.id, plan: plan.version })) === 0)
    await endPlan(context, tx, { district, plan, state: "closed" });
}

/** Carries out a person's decision, or records why it is refused. */
export async function workOnDecision(
  context: DiffContext,
  district: HeldDistrict,
  { workId, record: decision, newerDelivery }: Item<Decision> & { readonly newerDelivery: boolean },
): Promise<void> {
  const plan = await planOfVersion(context.sql, district.id, decision.version);
  const early = decision.verdict === "approve" ? await refusalBeforeStart(context, district.id) : null;
  const refusal = newerDelivery
    ? "a newer delivery waits to be planned: look at the plan again"
    : (early ?? refusalOf(plan, decision));
  if (plan === null || refusal !== null) {
    await refuse(context, district, { workId, decision, refusal });
    return;
  }
  if (decision.verdict === "reject" && plan.verdict === "hold-some")
    await rejectHeld(context, district, { workId, decision, plan });
  else if (decision.verdict === "reject") await rejectAll(context, district, { workId, decision, plan });
  else await approve(context, district, { workId, decision, plan });
}

/** Why a decision is refused, in words for who decided; null when it stands. */
function refusalOf(plan: PlanRow | null, decision: Decision): string | null {
  if (plan === null) return `there is no version ${decision.version} of the plan`;
  if (plan.state !== "open") return `version ${decision.version} is ${plan.state}: look at the plan again`;
  if (plan.verdict !== "hold-all")
    return decision.cause === null
      ? null
      : "the plan is not held as a whole: leave out the cause, or look at the plan again";
  if (decision.types.length > 0) return "a plan that is held as a whole is decided as a whole: leave out the types";
  if (decision.verdict === "approve" && decision.cause !== plan.cause)
    return `the whole plan is held because of ${plan.cause ?? "a cause"}: name that cause to approve it`;
  return null;
}

async function record(tx: Transaction, decision: Decision, refusal: string | null): Promise<void> {
  await recordDecision(tx.sql, {
    ...decision,
    id: decision.decision,
    at: new Date(decision.at),
    outcome: refusal === null ? "applied" : "refused",
    reason: refusal,
  });
}

async function refuse(
  context: DiffContext,
  district: HeldDistrict,
  { workId, decision, refusal }: Decided & { readonly refusal: string | null },
): Promise<void> {
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    await record(tx, decision, refusal);
    await context.inbox.finish(tx.sql, workId);
  });
}

type Decided = { readonly workId: number; readonly decision: Decision };

async function rejectHeld(
  context: DiffContext,
  district: HeldDistrict,
  { workId, decision, plan }: Decided & { readonly plan: PlanRow },
): Promise<void> {
  await context.log.transaction(async (tx) => {
    await fence(tx, district);
    await decideExceptions(tx.sql, {
      district: district.id,
      plan: plan.version,
      types: decision.types,
      state: "rejected",
      by: decision.by,
    });
    await closeDecidedPlan(context, tx, district);
    await record(tx, decision, null);
    await context.inbox.finish(tx.sql, workId);
  });
}

async function approve(
  context: DiffContext,
  district: HeldDistrict,
  { workId, decision, plan }: Decided & { readonly plan: PlanRow },
): Promise<void> {
  const delivery = deliveryOf(context, plan);
  const comparison = await compareNow(context, district, delivery);
  const decideRows = async (tx: Transaction): Promise<void> => {
    await decideExceptions(tx.sql, {
      district: district.id,
      plan: plan.version,
      types: decision.types,
      state: "approved",
      by: decision.by,
    });
    await record(tx, decision, null);
  };
  try {
    const approval = { plan, types: decision.types, cause: decision.cause, record: decideRows };
    const { deliveryRecord } = plan;
    const begun = await begin(context, district, { comparison, delivery, deliveryRecord, workId, approval });
    const { changeset, cause } = begun;
    if (changeset !== null) await publish(context, district, { comparison, delivery, changeset });
    if (cause !== null)
      await refuse(context, district, {
        workId,
        decision,
        refusal: `by the present policy the whole plan is held: ${cause}`,
      });
  } finally {
    comparison.before.close();
  }
}

/** A whole plan that a person refused: every key of it is left out of plans for as long as the source says the same. */
async function rejectAll(
  context: DiffContext,
  district: HeldDistrict,
  { workId, decision, plan }: Decided & { readonly plan: PlanRow },
): Promise<void> {
  const delivery = deliveryOf(context, plan);
  const comparison = await compareNow(context, district, delivery);
  try {
    await layExceptions(context, comparison.image, { district: district.id, release: () => false, keepWaiting: false });
    const rows = refusals(context, district, { comparison, delivery });
    const since = new Date(context.clock.now());
    await context.log.transaction(async (tx) => {
      await fence(tx, district);
      await putExceptions(tx.sql, { district: district.id, plan: plan.version, since, by: decision.by, rows });
      await endPlan(context, tx, { district, plan, state: "closed" });
      await record(tx, decision, null);
      await context.inbox.finish(tx.sql, workId);
    });
  } finally {
    comparison.before.close();
  }
}

/** An exception for every key that the comparison would change: upserts with the content that was refused, then deletes. */
async function* refusals(
  context: DiffContext,
  district: HeldDistrict,
  { comparison, delivery }: { readonly comparison: Comparison; readonly delivery: Delivery },
): AsyncGenerator<NewException> {
  const { image, before } = comparison;
  const refused = { state: "rejected", reason: "plan" } as const;
  const key = new Uint32Array(4);
  const reading = { log: context.log, codec: context.changes };
  const range = { delivery, entities: district.topics.entities, only: comparison.changed };
  for await (const batch of desires(reading, range)) {
    for (const { record: row } of batch) {
      fingerprint(row.key, 0, row.key.length, key);
      const entry = image.find(key);
      if (image.action[entry] !== action.create && image.action[entry] !== action.update) continue;
      const name = parseEntityKey(Buffer.from(row.key).toString());
      if (name !== null) yield { ...name, ...refused, hash: desiredHash(image, entry) };
      image.action[entry] = action.none;
    }
  }
  for (let entry = 0; entry < image.size; entry++) {
    if (image.action[entry] !== action.delete) continue;
    const name = parseEntityKey(before.read(entry).key);
    if (name !== null) yield { ...name, ...refused, hash: null };
  }
}
