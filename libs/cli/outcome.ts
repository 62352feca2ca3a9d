// What became of a delivery, as its plan and changeset say it.

import { setTimeout as sleep } from "node:timers/promises";

import { waitsForRange } from "../../services/diff/refills.ts";
import type { Count, PlanPart } from "../records.ts";
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
  /** published, held (some or all of it), stopped. */
  readonly outcome: "published" | "held" | "stopped";
  readonly reason: string | null;
  readonly plan: PlanView | null;
  readonly changeset: ChangesetView | null;
};

type PlanRow = Omit<PlanView, "held" | "since"> & { readonly since: Date };

/** A version of a district's plan, or its newest; null when there is none. */
export async function planView(system: System, district: string, version?: number): Promise<PlanView | null> {
  const query = system.sql("plans").where(version === undefined ? { district } : { district, version });
  const row: PlanRow | undefined = await query
    .orderBy("version", "desc")
    .first("district", "version", "delivery", "state", "verdict", "cause", "parts", "since");
  if (row === undefined) return null;
  return { ...row, held: row.state === "open" ? await heldByType(system, row) : {}, since: row.since.toISOString() };
}

async function heldByType(system: System, plan: PlanRow): Promise<Readonly<Record<string, number>>> {
  if (plan.verdict === "hold-all") return Object.fromEntries(totals(plan.parts));
  const rows: { readonly type: string; readonly count: number }[] = await system
    .sql("exceptions")
    .where({ district: plan.district, state: "held" })
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

/** Waits until a delivery is published, held or stopped. */
export async function outcomeOf(
  system: System,
  { district, delivery }: { readonly district: string; readonly delivery: string },
): Promise<Outcome> {
  for (;;) {
    const planned: { readonly version: number; readonly verdict: string } | undefined = await system
      .sql("plans")
      .where({ district, delivery })
      .first("version", "verdict");
    if (planned !== undefined) {
      const changeset = await publishedChangeset(system, { district, plan: planned.version });
      if (changeset !== null || planned.verdict === "hold-all") {
        const plan = await planView(system, district, planned.version);
        const outcome = planned.verdict === "publish" ? "published" : "held";
        return { delivery, outcome, reason: plan?.cause ?? null, plan, changeset };
      }
    }
    const stopped = await stoppedReason(system, district);
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

async function stoppedReason(system: System, district: string): Promise<string | null> {
  const row: { readonly reason: string } | undefined = await system
    .sql("work")
    .where({ consumer: "diff", district, state: "stopped" })
    .whereNot({ reason: waitsForRange })
    .orderBy("id")
    .first("reason");
  return row?.reason ?? null;
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
  return lines.join("\n");
}

/** A plan in a few lines, with what to do about it. */
export function planText(plan: PlanView): string {
  const lines = [
    `plan ${plan.version} of ${plan.delivery}: ${plan.state}, ${plan.verdict}${plan.cause === null ? "" : `, ${plan.cause}`}`,
  ];
  for (const part of plan.parts) {
    // What an open plan does not hold went out with its changeset.
    if (plan.state === "open" && part.held === 0 && part.op !== "dangling") continue;
    const held = part.held === 0 ? "" : `, ${part.held} held (${part.causes.join(", ")})`;
    const why = part.op === "dangling" ? ` (${part.causes.join(", ")})` : held;
    lines.push(`  ${part.type}: ${part.count} ${part.op}${why}`);
  }
  if (plan.state !== "open") return lines.join("\n");
  const cause = plan.cause === null ? "" : ` --cause ${plan.cause}`;
  const held = Object.entries(plan.held).map(([type, count]) => `${count} ${type}`);
  lines.push(
    `held since ${plan.since}: ${held.join(", ")}`,
    `  to let it go out:  rollcall approve ${plan.district} ${plan.version}${cause}`,
    `  to keep it back:   rollcall reject ${plan.district} ${plan.version}`,
  );
  return lines.join("\n");
}
