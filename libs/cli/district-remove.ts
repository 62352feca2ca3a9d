// `rollcall district remove`: deletes everything of a district that is leaving, and says until when copies of what it
// sent expire by themselves.

import { Command } from "commander";

import { districtOf } from "../adapters/postgres/districts.ts";
import { type RemovalOptions, removeDistrict } from "../adapters/postgres/removal.ts";
import { type Stone, stoneOf } from "../adapters/postgres/stones.ts";
import { type DistrictId, parseDistrictId } from "../domain/ids.ts";
import { AppError } from "../errors.ts";
import { allTopics, controlTopics } from "../topics.ts";
import { type Answer, answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import type { System } from "./system.ts";

const dayMs = 24 * 60 * 60_000;
/** Old records go hourly; on Kafka with the segment they are in, which may hold a week. */
const lateMs = { postgres: dayMs, kafka: 7 * dayMs } as const;

/** A shared topic that holds records about the district, and the day (UTC) on which the last of them has gone. */
export type Copy = { readonly topic: string; readonly until: string };

/** What became of a removal, as `--json` tells it. */
export type Removed = {
  readonly district: string;
  readonly outcome: "done" | "unchanged" | "refused";
  readonly reason: string | null;
  readonly leftOn: string | null;
  readonly copies: readonly Copy[];
  /** The day on which the last copy has gone. */
  readonly lastCopyUntil: string | null;
};

export function removeVerb(): Command {
  return described(new Command("remove").argument("<id>"), {
    says: "delete everything of a district that is leaving; its id is not used again",
    example: "rollcall district remove springfield --sure",
  })
    .option("--sure", "needed: what is deleted cannot be brought back")
    .action(async (id: string, options: JsonOption & { readonly sure?: boolean }) => {
      await withSystem(async (system) => {
        const removed = await remove(system, id, { isSure: options.sure === true });
        await answer(options, answerOf(removed));
      });
    });
}

/** @throws AppError `usage`, `district.unknown`, `district.busy`. */
export async function remove(
  system: System,
  text: string,
  { isSure, ...options }: RemovalOptions & { readonly isSure: boolean },
): Promise<Removed> {
  const id = parseDistrictId(text);
  if (id === null) throw new AppError("usage", { message: `${text} is no id of a district` });
  const before = await stoneOf(system.sql, id);
  const reason = before === null ? await whyNot(system, id, isSure) : null;
  if (reason !== null)
    return { district: id, outcome: "refused", reason, leftOn: null, copies: [], lastCopyUntil: null };
  const isNew = before === null || before.emptiedAt === null;
  const stone = isNew ? await removeDistrict(system, id, options) : before;
  const copies = copiesOf(stone, system);
  const last =
    copies
      .map(({ until }) => until)
      .toSorted()
      .at(-1) ?? null;
  const outcome = isNew ? "done" : "unchanged";
  return { district: id, outcome, reason: null, leftOn: stone.leftOn, copies, lastCopyUntil: last };
}

/** Why the district is not removed; null when it is. A removal that was begun is always ended. */
async function whyNot(system: System, id: DistrictId, isSure: boolean): Promise<string | null> {
  const district = await districtOf(system.sql, id);
  if (district === null) throw new AppError("district.unknown", { message: `there is no district ${id}` });
  if (district.state !== "leaving")
    return `${id} is ${district.state}: only a district that is leaving is removed; rollcall district leave comes first`;
  return isSure
    ? null
    : `everything of ${id} is deleted, what it delivered, its people and its topics, and nothing brings it back; ` +
        "add --sure if that is meant";
}

function copiesOf({ emptiedAt }: Stone, { postgresLog, clock }: System): readonly Copy[] {
  const since = emptiedAt?.getTime() ?? clock.now();
  const late = postgresLog === null ? lateMs.kafka : lateMs.postgres;
  const shared = new Set<string>(Object.values(controlTopics).map(({ name }) => name));
  // A license is no district's.
  shared.delete(controlTopics.licenses.name);
  return allTopics.flatMap(({ name, kept }) => {
    const keptMs = kept.policy === "delete" ? kept.retentionMs : kept.maxLagMs;
    const until = new Date(since + keptMs + late).toISOString().slice(0, 10);
    return shared.has(name) ? [{ topic: name, until }] : [];
  });
}

function answerOf(removed: Removed): Answer {
  const { district, outcome, reason, leftOn, copies, lastCopyUntil } = removed;
  if (outcome === "refused") return { text: `refused: ${reason ?? ""}`, json: removed, exitCode: exitCodes.refused };
  const text = [
    `${district} left on ${leftOn ?? ""}, and nothing of it is kept but its id${outcome === "unchanged" ? ", as before" : ""}`,
    `what shared topics hold of it expires by itself, the last copy on ${lastCopyUntil ?? ""}:`,
    ...copies.map(({ topic, until }) => `  ${topic} until ${until}`),
  ];
  return { text: text.join("\n"), json: removed };
}
