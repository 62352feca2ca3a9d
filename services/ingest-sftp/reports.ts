// Tells a district, in its own folder, that a set was received and what became of it.
// It keeps true that each is told once, and again only when it becomes another; what is written is written before it is
// noted as told, under a name that follows from the set, so a crash between the two repeats the same file.

import type { Source } from "../../libs/adapters/postgres/sources.ts";
import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import { nextMoment } from "../../libs/adapters/schedule.ts";
import { parseDeliveryId } from "../../libs/domain/ids.ts";
import { findDelivery, type IngestContext, reportName } from "../../libs/ingest/deliver.ts";
import {
  type Held,
  type ReceivedFile,
  receivedText,
  type Result,
  resultText,
} from "../../libs/ingest/district-report.ts";
import type { Report } from "../../libs/ingest/report.ts";
import type { Plan } from "../../libs/records.ts";
import type { PublishedPart } from "./news.ts";
import { datedName, writeReport } from "./report-folder.ts";

const setsAtOnce = 50;
const comesWithinMs = 600_000;

type SetRow = {
  readonly id: string;
  readonly state: "taken" | "delivered" | "same" | "refused" | "superseded";
  readonly files: readonly ReceivedFile[];
  readonly complete_at: Date;
  readonly delivery: string | null;
  readonly reason: string | null;
  readonly plan: Plan | null;
  readonly changesets: readonly PublishedPart[];
  readonly received_told_at: Date | null;
  /** {@link Told} as text; null: nothing was told of its end. */
  readonly result_told: string | null;
};

/** What of a set's end was told, and whether more may come. */
type Told = { readonly outcome: Result["outcome"]; readonly changesets: readonly number[]; readonly isOpen: boolean };

export type Telling = {
  readonly source: Source;
  /** Where the district finds its reports. */
  readonly folder: string;
};

/**
 * Writes what is not told yet. Call it under the lease of the source's drops.
 * @throws AppError `report.io`.
 */
export async function tellDistrict(context: IngestContext, telling: Telling): Promise<void> {
  const rows = await untold(context, telling.source);
  if (rows.length === 0) return;
  const district = await districtOf(context.sql, telling.source.district);
  if (district === null) return;
  const about = { ...telling, name: district.name, timeZone: district.policy.timeZone };
  for (const row of rows) {
    if (row.received_told_at === null) await tellReceived(context, about, row);
    if (row.state !== "taken") await tellResult(context, about, row);
  }
}

async function untold({ sql }: IngestContext, { district, id: source }: Source): Promise<readonly SetRow[]> {
  return sql("drop_sets")
    .where({ district, source })
    .whereRaw(
      "(received_told_at is null or (state <> 'taken' and (result_told is null or result_told like '%\"isOpen\":true%')))",
    )
    .orderBy("complete_at")
    .limit(setsAtOnce)
    .select(
      "id",
      "state",
      "files",
      "complete_at",
      "delivery",
      "reason",
      "plan",
      "changesets",
      "received_told_at",
      "result_told",
    );
}

type About = Telling & { readonly name: string; readonly timeZone: string };

const named = (about: About, row: SetRow, what: string): string =>
  datedName(row.complete_at, about.timeZone, `${row.id.slice(0, 4)}-${what}`);

async function tellReceived(context: IngestContext, about: About, row: SetRow): Promise<void> {
  const received = {
    format: 1,
    report: "received",
    district: about.name,
    source: about.source.id,
    files: row.files.map(({ name, bytes }) => ({ name, bytes })),
    completeAt: row.complete_at.toISOString(),
    readFrom: readFrom(about, row),
  } as const;
  const text = receivedText(received, about.timeZone);
  await writeReport(about.folder, named(about, row, "received"), { text, json: received });
  await context
    .sql("drop_sets")
    .where({ id: row.id })
    .update({ received_told_at: new Date(context.clock.now()) });
}

/** When its window opens; null: at once. */
function readFrom({ source, timeZone }: About, { complete_at: at }: SetRow): string | null {
  const { window: pattern } = source.settings;
  const opens = pattern === null ? null : nextMoment({ pattern, timeZone }, at.getTime());
  return opens === null ? null : new Date(opens).toISOString();
}

async function tellResult(context: IngestContext, about: About, row: SetRow): Promise<void> {
  const end = await endOf(context, about.source, row);
  if (end === null) return;
  const { outcome, last = null, reason, parts, held, declined, isOpen } = end;
  const told: Told = { outcome, changesets: parts.map(({ number }) => number), isOpen };
  const toldText = JSON.stringify(told);
  if (toldText === row.result_told) return;
  const result: Result = {
    format: 1,
    report: "result",
    district: about.name,
    source: about.source.id,
    completeAt: row.complete_at.toISOString(),
    delivery: row.delivery,
    outcome,
    last,
    reason,
    counts: summed(parts),
    held,
    declined,
    findings: await findingsOf(context, row),
  };
  const text = resultText(result, about.timeZone);
  await writeReport(about.folder, named(about, row, "result"), { text, json: result });
  await context.sql("drop_sets").where({ id: row.id }).update({ result_told: toldText });
}

type End = {
  readonly outcome: Result["outcome"];
  readonly last?: Result["outcome"];
  readonly reason: string | null;
  readonly parts: readonly PublishedPart[];
  readonly held: readonly Held[];
  readonly declined: readonly Held[];
  readonly isOpen: boolean;
};

/** How far the set has come; null while there is nothing to be told. */
async function endOf(context: IngestContext, source: Source, row: SetRow): Promise<End | null> {
  const none = { reason: row.reason, parts: [], held: [], declined: [], isOpen: false };
  if (row.state === "refused") return { ...none, outcome: "refused" };
  if (row.state === "same") return endOfSame(context, source, row);
  if (row.state === "superseded") return { ...none, outcome: "superseded" };
  if (row.delivery === null) return null;
  const { state, refusal } = await findDelivery(context.sql, row.delivery);
  if (state === "refused") return { ...none, outcome: "refused", reason: refusal };
  if (state === "received") return null;
  if (row.plan !== null) return endOfPlan(row, row.plan, context.clock.now());
  return (await isBehindHeld(context, source)) ? { ...none, outcome: "waits", isOpen: true } : null;
}

/** What became of the set that it is the same as stands for it too. */
async function endOfSame({ sql, clock }: IngestContext, source: Source, row: SetRow): Promise<End | null> {
  const last: Pick<SetRow, "plan" | "changesets"> | undefined = await sql("drop_sets as last")
    .join("deliveries", "deliveries.id", "last.delivery")
    .where({ "last.district": source.district, "last.source": source.id, "deliveries.state": "accepted" })
    .where("last.complete_at", "<=", row.complete_at)
    .orderBy("last.complete_at", "desc")
    .first("last.plan", "last.changesets");
  const same = { outcome: "same", reason: null, parts: [], held: [], declined: [], isOpen: false } as const;
  if (last === undefined || last.plan === null) return same;
  const end = endOfPlan(last, last.plan, clock.now());
  return end && { ...same, last: end.outcome, held: end.held, declined: end.declined, isOpen: end.isOpen };
}

function endOfPlan({ changesets }: Pick<SetRow, "changesets">, plan: Plan, now: number): End | null {
  const parts = changesets.filter((part) => part.plan === plan.version);
  const all = { parts: changesets, held: [], declined: [], reason: null, isOpen: false };
  const held = leftOf(plan, parts);
  const isWhole = plan.verdict === "hold-all";
  // The changeset of what is not held is on its way.
  if (parts.length === 0 && plan.state !== "superseded" && plan.verdict !== "hold-all") return null;
  switch (plan.state) {
    case "open":
      return { ...all, outcome: "held", reason: plan.cause, held, isOpen: true };
    case "superseded":
      if (parts.length === 0) return { ...all, outcome: "superseded" };
      // It goes on in the plan of the newer set.
      return {
        ...all,
        outcome: "published",
        reason: held.length > 0 ? "what was held went over into a newer set" : null,
      };
    default:
      if (isWhole && parts.length === 0)
        return { ...all, outcome: "refused", reason: "the changes were looked at and not wanted", declined: held };
      // What was approved is on its way by another topic, and may come after the plan's end.
      return { ...all, outcome: "published", declined: held, isOpen: held.length > 0 && now - plan.at < comesWithinMs };
  }
}

/** What the plan held and no changeset after its first one published. Once nothing is open any more, that was declined. */
function leftOf({ parts }: Plan, published: readonly PublishedPart[]): readonly Held[] {
  const [, ...decided] = published.toSorted((a, b) => a.number - b.number);
  const approved = summed(decided);
  const byType = new Map<string, Held>();
  for (const { type, op, held, causes } of parts) {
    const left = held - (approved.find((each) => each.type === type && each.op === op)?.count ?? 0);
    if (left <= 0) continue;
    const before = byType.get(type);
    const every = new Set([...(before?.causes ?? []), ...causes]);
    byType.set(type, { type, count: (before?.count ?? 0) + left, causes: [...every] });
  }
  return [...byType.values()];
}

/** Whether the plan of an earlier set of the source is held as a whole: what comes after it is not planned. */
async function isBehindHeld({ sql }: IngestContext, { district, id: source }: Source): Promise<boolean> {
  const held: unknown = await sql("drop_sets")
    .where({ district, source })
    .whereRaw("plan->>'state' = 'open' and plan->>'verdict' = 'hold-all'")
    .first("id");
  return held !== undefined;
}

function summed(parts: readonly PublishedPart[]): Result["counts"] {
  const sums = new Map<string, Result["counts"][number]>();
  for (const { type, op, count } of parts.flatMap(({ counts }) => counts)) {
    const key = `${type} ${op}`;
    sums.set(key, { type, op, count: (sums.get(key)?.count ?? 0) + count });
  }
  return [...sums.values()];
}

async function findingsOf({ landing }: IngestContext, { delivery }: SetRow): Promise<Report | null> {
  const id = delivery === null ? null : parseDeliveryId(delivery);
  const text = id === null ? null : await landing.document(id, reportName);
  if (text === null) return null;
  const report: Report = JSON.parse(text);
  return report;
}
