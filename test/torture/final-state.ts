// What a system holds in the end, less all that may differ between two runs of the same nights: offsets, times, epochs,
// writer records, ids of decisions, sequences and attempts, and what an empty changeset leaves.

import { parseEntityKey } from "../../libs/domain/ids.ts";
import { isEntityType } from "../../libs/domain/oneroster/entity-types.ts";
import { openSystem, type System } from "../../libs/cli/system.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import type { Count } from "../../libs/records.ts";

export type FinalState = {
  /** Of each key of the roster topic everything that was ever said, in order; null: its tombstone. */
  readonly roster: Readonly<Record<string, readonly string[]>>;
  /** Of each key of the entities topic the last word. */
  readonly entities: Readonly<Record<string, string>>;
  /** Counts of every changeset that changed something, in order. */
  readonly changesets: readonly string[];
  readonly exceptions: readonly string[];
  readonly decisions: readonly string[];
  readonly deliveries: readonly string[];
  readonly plan: string;
  /** Begun and not finished: work, deliveries, changesets; and ranges that do not tile. All of it must be empty. */
  readonly unfinished: readonly string[];
};

/** Opens the folder's system, which nobody else uses, and reads it. */
export async function finalState(dataDir: string, district: string): Promise<FinalState> {
  const system = await openSystem({ dataDir, databaseUrl: null }, createLogger({ name: "test", level: "silent" }));
  try {
    return {
      roster: await rosterOf(system, `roster.${district}`),
      entities: await entitiesOf(system, `entities.${district}`),
      changesets: await changesetsOf(system),
      exceptions: await lines(system, "select type, sourced_id, hash, state, reason, decided_by from exceptions"),
      decisions: await lines(
        system,
        "select distinct verdict, types, cause, decided_by, outcome from decisions where outcome = 'applied'",
      ),
      deliveries: await lines(system, "select distinct set_hash, state, refusal from deliveries"),
      plan: (await lines(system, "select state from plans where version = (select max(version) from plans)")).join(),
      unfinished: await unfinishedOf(system),
    };
  } finally {
    await system.close();
  }
}

async function lines(system: System, query: string): Promise<readonly string[]> {
  const { rows } = await system.sql.raw<{ readonly rows: readonly object[] }>(query);
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

async function rosterOf(system: System, topic: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const said = new Map<string, string[]>();
  const extent = await system.log.extent(topic);
  if (extent === null) return {};
  const { generation, start: from, end: to } = extent;
  for await (const batch of system.log.scan({ topic, generation, from, to })) {
    for (const { key, value } of batch) {
      const text = Buffer.from(key).toString();
      if (!isEntityType(parseEntityKey(text)?.type ?? "")) continue;
      said.set(text, [...(said.get(text) ?? []), value === null ? "null" : await changeText(system, value)]);
    }
  }
  return byKey(said);
}

async function changeText(system: System, value: Uint8Array): Promise<string> {
  const change = system.changes.changeOf(value);
  if (change === null) return "unreadable";
  const { op, cause, changed, sources } = change.head;
  return `${op} ${cause ?? ""} ${changed.join()} ${sources.join()} ${Buffer.from(change.content).toString("base64")}`;
}

async function entitiesOf(system: System, topic: string): Promise<Readonly<Record<string, string>>> {
  const last = new Map<string, string>();
  const extent = await system.log.extent(topic);
  if (extent === null) return {};
  const { generation, start: from, end: to } = extent;
  for await (const batch of system.log.scan({ topic, generation, from, to })) {
    for (const { key, value } of batch) {
      const text = Buffer.from(key).toString();
      if (isEntityType(parseEntityKey(text)?.type ?? ""))
        last.set(text, value === null ? "null" : Buffer.from(value).toString("base64"));
    }
  }
  return byKey(last);
}

/** The log's order of different keys is not compared: of one key it is. */
function byKey<T>(map: ReadonlyMap<string, T>): Readonly<Record<string, T>> {
  return Object.fromEntries([...map].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function changesetsOf(system: System): Promise<readonly string[]> {
  const rows: { readonly counts: readonly Count[] | null }[] = await system
    .sql("changesets")
    .orderBy("number")
    .select("counts");
  return rows.flatMap(({ counts }) => (counts === null || counts.length === 0 ? [] : [JSON.stringify(counts)]));
}

async function unfinishedOf(system: System): Promise<readonly string[]> {
  const open = [
    // What rosters and registration make of it goes on after a verb has ended, and has kills of its own.
    "select 'work' as of, consumer, topic, state, reason from work where state <> 'done' and consumer in ('diff', 'ingest-sftp')",
    "select 'delivery' as of, id, state from deliveries where state = 'received'",
    "select 'changeset' as of, number, state from changesets where state <> 'published'",
    `select 'range' as of, number from (
       select number, from_offset, lag(to_offset, 1, 0) over (order by number) as before from changesets) c
     where from_offset <> before`,
    `select 'number' as of, number from (select number, row_number() over (order by number) as place from changesets) c
     where number <> place`,
  ];
  return (await Promise.all(open.map((query) => lines(system, query)))).flat();
}
