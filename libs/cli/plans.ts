// Verbs about what is published and what waits: plan, approve, reject, changes.

import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import { Command, InvalidArgumentError } from "commander";

import { unreachable } from "../domain/assert.ts";
import type { DistrictId } from "../domain/ids.ts";
import { entityTypes, isEntityType } from "../domain/oneroster/entity-types.ts";
import { AppError } from "../errors.ts";
import { writeOut } from "../runtime/output.ts";
import { controlKey, controlTopics } from "../topics.ts";
import { changesetRanges, changesOf, changeText, knownDistrict } from "./changes.ts";
import { answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import { type ChangesetView, countsText, type PlanView, planText, planView, publishedChangeset } from "./outcome.ts";
import { withServices } from "./services.ts";
import { unfinishedChangeset, watchStops, type WhyStopped } from "./stops.ts";
import type { System } from "./system.ts";

const pollMs = 50;

export function planVerbs(): readonly Command[] {
  return [planVerb(), decisionVerb("approve"), decisionVerb("reject"), changesVerb()];
}

function planVerb(): Command {
  return described(new Command("plan").argument("<district>"), {
    says: "show the district's newest plan: what changes, what is held, and why",
    example: "rollcall plan springfield",
  }).action(async (id: string, options: JsonOption) => {
    await withSystem(async (system) => {
      const plan = await planView(system, await knownDistrict(system, id));
      const text = plan === null ? `nothing was delivered for ${id} yet` : planText(plan);
      await answer(options, { text, json: plan });
    });
  });
}

type DecisionFlags = JsonOption & { readonly type?: readonly string[]; readonly cause?: string; readonly by?: string };

function decisionVerb(verdict: "approve" | "reject"): Command {
  const does =
    verdict === "approve"
      ? "let what a plan holds go out"
      : "keep back what a plan holds, for as long as the source says the same";
  return described(
    new Command(verdict).argument("<district>").argument("<version>", "the plan's version that you have seen", version),
    {
      says: does,
      example: `rollcall ${verdict} springfield 12 --type enrollment`,
    },
  )
    .option("--type <type...>", `only these entity types: ${entityTypes.join(", ")}`)
    .option("--cause <cause>", "the cause by which the whole plan is held, to say that you have seen it")
    .option("--by <who>", "who decides; without it the user of this terminal")
    .action(async (id: string, seen: number, options: DecisionFlags) => {
      const types = options.type ?? [];
      const unknown = types.find((type) => !isEntityType(type));
      if (unknown !== undefined)
        throw new AppError("usage", { message: `${unknown} is no entity type: ${entityTypes.join(", ")}` });
      await withSystem(async (system) => {
        const district = await knownDistrict(system, id);
        const made = {
          verdict,
          version: seen,
          types,
          cause: options.cause ?? null,
          by: options.by ?? userInfo().username,
        };
        const whyStopped = await watchStops(system, district);
        await withServices(system, async () => {
          const decided = await decide(system, district, { ...made, whyStopped });
          await answer(options, { text: decidedText(decided, district), json: decided, exitCode: exitCodeOf(decided) });
        });
      });
    });
}

function version(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/u.test(text)) throw new InvalidArgumentError("It is the number that `rollcall plan` shows.");
  return Number(text);
}

type Decided = {
  readonly decision: string;
  /** stopped: it is not carried out to its end, because the district's work has stopped. */
  readonly outcome: "applied" | "refused" | "stopped";
  readonly reason: string | null;
  readonly plan: PlanView | null;
  readonly changeset: ChangesetView | null;
};

/** Puts a decision on its topic and waits until diff has taken it up, and published what it lets out. */
export async function decide(
  system: System,
  district: DistrictId,
  about: {
    readonly verdict: "approve" | "reject";
    readonly version: number;
    readonly types: readonly string[];
    readonly cause: string | null;
    readonly by: string;
    readonly whyStopped?: WhyStopped;
  },
): Promise<Decided> {
  const { whyStopped = await watchStops(system, district), ...made } = about;
  const decision = randomUUID();
  const before = await publishedChangeset(system, { district, plan: made.version });
  const value = system.records.encode("rollcall.control.Decision", {
    decision,
    district,
    ...made,
    at: system.clock.now(),
  });
  await system.log.transaction(async (tx) => {
    tx.append(controlTopics.decisions.name, [{ key: controlKey(district), value }]);
    await Promise.resolve();
  });
  const end = await endOfDecision(system, { district, decision, whyStopped });
  const plan = await planView(system, district, made.version);
  const newest = await publishedChangeset(system, { district, plan: made.version });
  const isNew = end.outcome === "applied" && (newest?.number ?? 0) > (before?.number ?? 0);
  return { decision, ...end, plan, changeset: isNew ? newest : null };
}

/**
 * Waits until a decision was taken up and nothing of the district is half published, or its work has stopped.
 * An approval may begin no changeset, when a policy that was changed since now holds the whole plan.
 */
async function endOfDecision(
  system: System,
  {
    district,
    decision,
    whyStopped,
  }: { readonly district: DistrictId; readonly decision: string; readonly whyStopped: WhyStopped },
): Promise<Pick<Decided, "outcome" | "reason">> {
  for (;;) {
    // Asked first: work that stops after the decision was taken up says nothing of the decision.
    const stopped = await whyStopped();
    const row: Pick<Decided, "outcome" | "reason"> | undefined = await system
      .sql("decisions")
      .where({ id: decision })
      .first("outcome", "reason");
    if (row?.outcome === "refused") return row;
    if (row !== undefined && (await unfinishedChangeset(system, district)) === null) return row;
    if (stopped !== null) return { outcome: "stopped", reason: stopped };
    await sleep(pollMs);
  }
}

function exitCodeOf({ outcome }: Decided): number {
  switch (outcome) {
    case "applied":
      return exitCodes.done;
    case "refused":
      return exitCodes.refused;
    case "stopped":
      return exitCodes.failed;
    default:
      return unreachable(outcome);
  }
}

function decidedText({ outcome, reason, plan, changeset }: Decided, district: string): string {
  const lines = [outcome === "applied" ? "done" : `${outcome}: ${reason ?? ""}`];
  if (changeset !== null) lines.push(`changeset ${changeset.number}`, countsText(changeset.counts));
  if (outcome === "stopped") lines.push(`  to let it go on:  rollcall resume ${district}`);
  else if (plan?.state === "open") lines.push(planText(plan));
  return lines.join("\n");
}

type ChangesFlags = JsonOption & {
  readonly changeset?: number;
  readonly from?: number;
  readonly follow?: boolean;
  readonly values?: boolean;
};

function changesVerb(): Command {
  return described(new Command("changes").argument("<district>"), {
    says: "show what changed: of the newest changeset, of one, or of all from one on",
    example: "rollcall changes springfield --from 1 --follow --json",
  })
    .option("--changeset <n>", "this changeset alone", version)
    .option("--from <n>", "this changeset and all after it", version)
    .option("--follow", "go on with changesets as they are published")
    .option("--values", "with the entities themselves, which are personal data")
    .action(showChanges);
}

async function showChanges(id: string, options: ChangesFlags): Promise<void> {
  await withSystem(async (system) => {
    const district = await knownDistrict(system, id);
    await withServices(system, async () => {
      let next = options.changeset ?? options.from ?? null;
      for (;;) {
        const ranges = await changesetRanges(system, { district, from: next });
        if (options.changeset !== undefined && ranges[0]?.number !== options.changeset && options.follow !== true)
          throw new AppError("usage", { message: `${id} has no changeset ${options.changeset}` });
        for (const range of ranges) {
          if (options.changeset !== undefined && range.number !== options.changeset) break;
          for await (const line of changesOf(system, { district, range, values: options.values === true }))
            await writeOut(options.json === true ? `${JSON.stringify(line)}\n` : `${changeText(line)}\n`);
          next = range.number + 1;
        }
        if (options.follow !== true) return;
        next ??= 1;
        await sleep(pollMs * 4);
      }
    });
  });
}
