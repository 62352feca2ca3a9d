// `rollcall resume <district>`: lets work that stopped go on, once a person has mended what stopped it.
// It keeps true that work which only waits for a range to be filled again is left alone: it goes on by itself.

import { setTimeout as sleep } from "node:timers/promises";

import { Command } from "commander";

import { waitsForRange } from "../../services/diff/refills.ts";
import type { StoppedWork } from "../adapters/postgres/inbox.ts";
import type { DistrictId } from "../domain/ids.ts";
import { isAppError } from "../errors.ts";
import { knownDistrict } from "./changes.ts";
import { answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import { withServices } from "./services.ts";
import { unfinishedChangeset, waitsForDecision, watchStops } from "./stops.ts";
import type { System } from "./system.ts";

const consumers = ["ingest-sftp", "ingest-sftp.news", "diff", "rosters"] as const;
type Consumer = (typeof consumers)[number];
const pollMs = 50;

type Stopped = { readonly consumer: Consumer; readonly topic: string; readonly reason: string };
type Resumed = {
  readonly district: string;
  /** How many pieces of work were resumed, and how many of them are done. */
  readonly resumed: number;
  readonly done: number;
  /** What has stopped again. */
  readonly stopped: readonly Stopped[];
  /** The changeset that was begun and is not published: diff tries it again by itself. */
  readonly unfinished: number | null;
  /** Why the next work waits for a decision, or null. */
  readonly waits: string | null;
};

export function resumeVerb(): Command {
  return described(new Command("resume").argument("<district>"), {
    says: "let the stopped work of a district go on, and wait until it is done or has stopped again",
    example: "rollcall resume springfield",
  }).action(async (id: string, options: JsonOption) => {
    await withSystem(async (system) => {
      const district = await knownDistrict(system, id);
      const resumed = await resumeStopped(system, district);
      const became =
        resumed.length === 0
          ? await stateOf(system, district, [])
          : await withServices(system, () => endOf(system, district, resumed));
      const exitCode = became.stopped.length === 0 ? exitCodes.done : exitCodes.failed;
      await answer(options, { text: resumedText(became), json: became, exitCode });
    });
  });
}

/** @returns the ids of the work that was resumed. */
async function resumeStopped(system: System, district: DistrictId): Promise<readonly number[]> {
  const resumed: number[] = [];
  for (const { id } of await stoppedWork(system, district)) {
    try {
      await system.inbox.resume(id);
      resumed.push(id);
    } catch (error) {
      // Someone else resumes at the same moment: it is theirs.
      if (!isAppError(error, "work.not-waiting")) throw error;
    }
  }
  return resumed;
}

async function stoppedWork(
  system: System,
  district: DistrictId,
): Promise<readonly (StoppedWork & { readonly consumer: Consumer })[]> {
  const found = [];
  for (const consumer of consumers) {
    for (const work of await system.inbox.stopped(consumer))
      if (work.district === district && work.reason !== waitsForRange) found.push({ ...work, consumer });
  }
  return found;
}

/** Waits until all that was resumed is done and published, or the district has stopped again. */
async function endOf(system: System, district: DistrictId, ids: readonly number[]): Promise<Resumed> {
  const whyStopped = await watchStops(system, district);
  for (;;) {
    const isStopped = (await whyStopped()) !== null;
    const state = await stateOf(system, district, ids);
    if (
      isStopped ||
      state.waits !== null ||
      state.stopped.length > 0 ||
      (state.done === ids.length && state.unfinished === null)
    )
      return state;
    await sleep(pollMs);
  }
}

async function stateOf(system: System, district: DistrictId, ids: readonly number[]): Promise<Resumed> {
  const done: readonly unknown[] = await system
    .sql("work")
    .whereIn("id", [...ids])
    .where({ state: "done" })
    .select("id");
  const stopped = await stoppedWork(system, district);
  return {
    district,
    resumed: ids.length,
    done: done.length,
    stopped: stopped.map(({ consumer, topic, reason }) => ({ consumer, topic, reason })),
    unfinished: await unfinishedChangeset(system, district),
    waits: await waitsForDecision(system, district),
  };
}

function resumedText({ district, resumed, done, stopped, unfinished, waits }: Resumed): string {
  const lines = [resumed === 0 ? `nothing of ${district} is stopped` : `${resumed} resumed, ${done} done`];
  for (const { consumer, topic, reason } of stopped)
    lines.push(`stopped again: ${consumer}, work of ${topic}: ${reason}`);
  if (unfinished !== null) lines.push(`changeset ${unfinished} was begun and is tried again by itself`);
  if (waits !== null) lines.push(`the next delivery ${waits}`);
  return lines.join("\n");
}
