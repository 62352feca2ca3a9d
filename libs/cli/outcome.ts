// What became of a delivery, as its plan and changeset say it.

import { setTimeout as sleep } from "node:timers/promises";

import { beforeStart } from "../domain/diff/plan.ts";
import type { DistrictId } from "../domain/ids.ts";
import type { Count, PlanPart } from "../records.ts";
import { waitsForDecision, watchStops, type WhyStopped } from "./stops.ts";
import type { System } from "./system.ts";

const pollMs = 50;

export type PlanView = {
  readonly district: string;
  readonly version: number;
  readonly delivery: string;
  readonly state: string;
  readonly verdict: string;
  readonly cause: string | null;
  readonly parts: readonly PlanPart[];
  /** Keys that are held now, by type. */
  readonly held: Readonly<Record<string, number>>;
  /** ISO 8601, UTC. */
  readonly since: string;
};

export type ChangesetView = { readonly number: number; readonly counts: readonly Count[] };

export type Outcome = {
  readonly delivery: string;
  /** published, held (some or all of it), stopped, or superseded by a delivery that was planned before it. */
  readonly outcome: "published" | "held" | "stopped" | "superseded";
  readonly reason: string | null;
  readonly plan: PlanView | null;
  readonly changeset: ChangesetView | null;
};

type PlanRow = Omit<PlanView, "held" | "since"> & { readonly since: Date };

/** A version of a district's plan, or the open one, or the newest; null when there is none. */
export async function planView(system: System, district: string, version?: number): Promise<PlanView | null> {
  const query = system.sql("plans").where(version === undefined ? { district } : { district, version });
  const row: PlanRow | undefined = await query
    .orderByRaw("(state = 'open') desc, version desc")
    .first("district", "version", "delivery", "state", "verdict", "cause", "parts", "since");
  if (row === undefined) return null;
  return { ...row, held: row.state === "open" ? await heldByType(system, row) : {}, since: row.since.toISOString() };
}

async function heldByType(system: System, plan: PlanRow): Promise<Readonly<Record<string, number>>> {
  if (plan.verdict === "hold-all") return Object.fromEntries(totals(plan.parts));
  const rows: { readonly type: string; readonly count: number }[] = await system
    .sql("exceptions")
    .where({ district: plan.district, plan: plan.version })
    .whereRaw("(state = 'held' or (state = 'approved' and reason = 'children'))")
    .groupBy("type")
    .select("type")
    .count({ count: "*" });
  return Object.fromEntries(rows.map(({ type, count }) => [type, count]));
}

function totals(parts: readonly PlanPart[]): ReadonlyMap<string, number> {
  const byType = new Map<string, number>();
  for (const { type, count } of parts) byType.set(type, (byType.get(type) ?? 0) + count);
  return byType;
}

type Planned = Pick<PlanRow, "version" | "verdict" | "state" | "parts">;

/** Whether diff passed the delivery over: nothing was planned of it, and nothing will be. */
function isPassedOver({ verdict, state, parts }: Planned): boolean {
  return verdict === "publish" && state === "superseded" && parts.length === 0;
}

/** Waits until a delivery is published, held (also behind a plan that is held as a whole) or stopped. */
export async function outcomeOf(
  system: System,
  about: { readonly district: DistrictId; readonly delivery: string; readonly whyStopped?: WhyStopped },
): Promise<Outcome> {
  const { district, delivery, whyStopped = await watchStops(system, district) } = about;
  for (;;) {
    // Asked first: work that stops after this delivery was published says nothing of it.
    const stopped = await whyStopped();
    const planned: Planned | undefined = await system
      .sql("plans")
      .where({ district, delivery })
      // What waited for the start date is planned once more.
      .orderBy("version", "desc")
      .first("version", "verdict", "state", "parts");
    if (planned !== undefined && isPassedOver(planned))
      return {
        delivery,
        outcome: "superseded",
        reason: "a newer delivery was planned before it",
        plan: null,
        changeset: null,
      };
    if (planned !== undefined) {
      const changeset = await publishedChangeset(system, { district, plan: planned.version });
      if (changeset !== null || planned.verdict === "hold-all") {
        const plan = await planView(system, district, planned.version);
        const outcome = planned.verdict === "publish" ? "published" : "held";
        return { delivery, outcome, reason: plan?.cause ?? null, plan, changeset };
      }
    }
    const waits = planned === undefined ? await waitsForDecision(system, district) : null;
    if (waits !== null)
      return { delivery, outcome: "held", reason: waits, plan: await planView(system, district), changeset: null };
    if (stopped !== null) return { delivery, outcome: "stopped", reason: stopped, plan: null, changeset: null };
    await sleep(pollMs);
  }
}

/** The newest changeset of a plan, once it is published; null before. */
export async function publishedChangeset(
  system: System,
  { district, plan }: { readonly district: string; readonly plan: number },
): Promise<ChangesetView | null> {
  const row: (ChangesetView & { readonly state: string }) | undefined = await system
    .sql("changesets")
    .where({ district, plan })
    .orderBy("number", "desc")
    .first("number", "counts", "state");
  return row?.state === "published" ? { number: row.number, counts: row.counts } : null;
}

/** Counts in words: `user 3 created, 1 deleted`. */
export function countsText(counts: readonly Count[]): string {
  if (counts.length === 0) return "  nothing changed";
  const byType = new Map<string, string[]>();
  for (const { type, op, count } of counts) byType.set(type, [...(byType.get(type) ?? []), `${count} ${op}`]);
  return [...byType].map(([type, parts]) => `  ${type}: ${parts.join(", ")}`).join("\n");
}

/** An outcome in a few lines. */
export function outcomeText({ delivery, outcome, reason, plan, changeset }: Outcome): string {
  const lines = [`${delivery}: ${outcome}${reason === null ? "" : ` (${reason})`}`];
  if (changeset !== null) lines.push(`changeset ${changeset.number}`, countsText(changeset.counts));
  if (plan !== null && outcome === "held") lines.push(planText(plan));
  if (outcome === "stopped")
    lines.push(`  to let it go on:  rollcall resume ${delivery.slice(0, delivery.indexOf("."))}`);
  return lines.join("\n");
}

/** A plan in a few lines, with what to do about it. Of an open plan what waits now, not what was planned. */
export function planText(plan: PlanView): string {
  const head = `plan ${plan.version} of ${plan.delivery}: ${plan.state}, ${plan.verdict}${plan.cause === null ? "" : `, ${plan.cause}`}`;
  const isOpen = plan.state === "open";
  const parts = plan.parts.filter(({ op }) => !isOpen || op === "dangling").map(partText);
  return [head, ...(isOpen ? heldLines(plan) : []), ...parts, ...(isOpen ? remedyLines(plan) : [])].join("\n");
}

function partText({ type, op, count, held, causes }: PlanPart): string {
  const why = causes.length === 0 ? "" : ` (${causes.join(", ")})`;
  return `  ${type}: ${count} ${op}${op === "dangling" ? why : held === 0 ? "" : `, ${held} held at first${why}`}`;
}

/** What waits now, a line per type in the order of the plan; counts by op only where the whole is decided as a whole. */
function heldLines({ held, parts, verdict }: PlanView): readonly string[] {
  return heldTypes({ held, parts }).map((type) => {
    const ofType = parts.filter((part) => part.type === type && part.held > 0);
    const causes = [...new Set(ofType.flatMap((part) => part.causes))];
    const ops = verdict === "hold-all" ? ofType.map(({ op, count }) => `${count} ${op}`) : [];
    const why = [...ops, ...causes];
    return `  ${type}: ${held[type] ?? 0} held${why.length === 0 ? "" : ` (${why.join(", ")})`}`;
  });
}

function heldTypes({ held, parts }: Pick<PlanView, "held" | "parts">): readonly string[] {
  const planned = new Set(parts.map(({ type }) => type));
  return [...planned, ...Object.keys(held)].filter(
    (type, at, all) => (held[type] ?? 0) > 0 && all.indexOf(type) === at,
  );
}

function remedyLines(plan: PlanView): readonly string[] {
  if (heldTypes(plan).length === 0) return ["nothing of it waits for a decision"];
  if (plan.cause === beforeStart)
    return [
      `held since ${plan.since}`,
      "  it goes out by itself on the district's start date, startDate of its policy",
      `  to keep it back:   rollcall reject ${plan.district} ${plan.version}`,
    ];
  const cause = plan.cause === null ? "" : ` --cause ${plan.cause}`;
  return [
    `held since ${plan.since}`,
    `  to let it go out:  rollcall approve ${plan.district} ${plan.version}${cause}`,
    `  to keep it back:   rollcall reject ${plan.district} ${plan.version}`,
  ];
}
