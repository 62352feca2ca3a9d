// The end of a district that is leaving: everything of it is deleted, but a stone with its id.
//
//   stone ─▶ rows ─▶ accounts ─▶ topics ─▶ landing ─▶ end
//
// It keeps true that each step can be done again, so that after a crash the next removal ends what this one began; that no
// service works on the district meanwhile, because its leases are held; and that whatever comes late is dropped, because
// the stone lies first. Other districts are not locked by more than a moment's wait of the inbox.

import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

import type { Knex } from "knex";

import { type DistrictId, parseSourceId } from "../../domain/ids.ts";
import { AppError } from "../../errors.ts";
import type { Landing } from "../../ports.ts";
import { controlKey, controlTopics, districtTopic, districtTopicKinds, isKeyedByDistrict } from "../../topics.ts";
import { deleteDrops, sourceLease } from "../drops/place.ts";
import { type LinkPorts, unlinkAccounts } from "./account-links.ts";
import { pullFolder, pullLease } from "./api-pulls.ts";
import { deleteUnnamed } from "./landing-retention.ts";
import { checkLease, type HeldLease, holdLease, weekLease } from "./leases.ts";
import { rosterTables } from "./roster-rows.ts";
import { readingLease } from "./sources.ts";
import { isStone, type Stone, stoneOf } from "./stones.ts";

export type RemovalPorts = LinkPorts & {
  readonly landing: Landing;
  /** What districts uploaded lies below it. */
  readonly dropsFolder: string;
  /** What was pulled and has not landed lies below it. */
  readonly pullsFolder: string;
};

export const removalSteps = ["stone", "rows", "accounts", "topics", "landing", "end"] as const;
export type RemovalStep = (typeof removalSteps)[number];

export type RemovalOptions = {
  /** How long to wait for services that work on the district. Default a minute. */
  readonly patienceMs?: number;
  /** Told before each step. */
  readonly begins?: (step: RemovalStep) => void;
};

/** Tables whose rows are one district's, by their column `district`: those that refer to others first. */
export const districtTables: readonly string[] = [
  "seats",
  "registrations",
  "pilot_teachers",
  "registration_due",
  "login_due",
  "roster_due",
  "login_receipts",
  "logins",
  "identifier_holders",
  "person_users",
  "persons",
  "teacher_rosters",
  "roster_positions",
  ...Object.values(rosterTables),
  "exceptions",
  "plans",
  "decisions",
  "changesets",
  "deliveries",
  "drop_waits",
  "drop_sets",
  "drop_files",
  "sftp_credentials",
  "sftp_audit",
  "api_pulls",
  "api_states",
  "api_credentials",
  "sources",
  "district_states",
];

const leaseMs = 15_000;
const leasePollMs = 250;
const unfinishedAgeMs = 24 * 60 * 60_000;

/**
 * Removes a district whose state is `leaving`, or ends a removal that was begun. Done already, it changes nothing.
 * @throws AppError `district.unknown`; `district.busy` when services go on working on it, with nothing done.
 */
export async function removeDistrict(
  ports: RemovalPorts,
  id: DistrictId,
  options: RemovalOptions = {},
): Promise<Stone> {
  const { patienceMs = 60_000, begins = () => undefined } = options;
  const names = [...(await sourceLeases(ports.sql, id)), ...leaseNames(id)];
  const held = await holdAll(ports.sql, names, patienceMs);
  try {
    for (const step of removalSteps) {
      const stone = await stoneOf(ports.sql, id);
      if (stone !== null && stone.emptiedAt !== null) break;
      begins(step);
      await steps[step](ports, { id, held, patienceMs });
    }
  } finally {
    for (const each of held) await each.release();
  }
  await ports
    .sql("leases")
    .whereIn("name", [...names, ...topicLeases(id)])
    .delete();
  const stone = await stoneOf(ports.sql, id);
  if (stone === null) throw new AppError("district.unknown", { message: `there is no district ${id}` });
  return stone;
}

/** Of whoever works on the district, in the order in which one service takes two of them. */
function leaseNames(id: DistrictId): readonly string[] {
  const topics = [districtTopic("entities", id), districtTopic("roster", id)];
  return [`ingest-sftp.${id}`, ...topics, `rosters.${id}`, `registration.${id}`];
}

/** Of whoever pulls, or takes and reads what the district uploaded: it takes one of the others later. */
async function sourceLeases(sql: Knex, district: DistrictId): Promise<readonly string[]> {
  const ids: readonly string[] = await sql("sources").where({ district }).orderBy("id").pluck("id");
  return ids
    .flatMap((id) => parseSourceId(id) ?? [])
    .flatMap((id) => [
      sourceLease({ district, source: id }),
      readingLease({ district, id }),
      pullLease({ district, source: id }),
    ]);
}

function topicLeases(id: DistrictId): readonly string[] {
  return districtTopicKinds.flatMap((kind) => {
    const topic = districtTopic(kind, id);
    return [`outbox.${topic}`, weekLease(topic)];
  });
}

async function holdAll(sql: Knex, names: readonly string[], patienceMs: number): Promise<readonly HeldLease[]> {
  const held: HeldLease[] = [];
  const deadline = performance.now() + patienceMs;
  try {
    for (const name of names) held.push(await holdOne(sql, name, deadline));
    return held;
  } catch (error) {
    for (const each of held) await each.release();
    throw error;
  }
}

async function holdOne(sql: Knex, name: string, deadline: number): Promise<HeldLease> {
  for (;;) {
    const held = await holdLease(sql, { name, holder: randomUUID(), ttlMs: leaseMs });
    if (held !== null) return held;
    if (performance.now() > deadline) throw new AppError("district.busy", { details: { lease: name } });
    await sleep(leasePollMs);
  }
}

type Removal = { readonly id: DistrictId; readonly held: readonly HeldLease[]; readonly patienceMs: number };
type Step = (ports: RemovalPorts, removal: Removal) => Promise<void>;

const steps: Readonly<Record<RemovalStep, Step>> = {
  stone: layStone,
  rows: deleteRows,
  accounts: (ports, { id }) => unlinkAccounts(ports, id),
  topics: async ({ log }, { id }) => {
    for (const kind of districtTopicKinds) await log.deleteTopic(districtTopic(kind, id));
  },
  landing: emptyLanding,
  end: async (ports, { id, patienceMs }) => {
    const { sql, clock } = ports;
    await untilSent(ports, patienceMs);
    await sql("stones")
      .where({ id })
      .update({ emptied_at: new Date(clock.now()) });
  },
};

/** From here on whatever comes for the district is dropped. The record that says that it left comes after all others. */
async function layStone({ log, records, clock }: RemovalPorts, { id, held }: Removal): Promise<void> {
  const extent = await log.extent(districtTopic("roster", id));
  const at = clock.now();
  await log.transaction(async (tx) => {
    const { sql } = tx;
    await sql.raw("select 1 from districts where id = ? for update", [id]);
    // Whoever looked for the stone and found none ends first; whoever looks now waits, and finds it.
    await sql.raw("lock table stones in access exclusive mode");
    if (await isStone(sql, id)) return;
    const [row]: readonly { readonly last_changeset: number }[] = await sql("districts")
      .where({ id, state: "leaving" })
      .increment("last_changeset", 1)
      .returning("last_changeset");
    if (row === undefined) throw new AppError("district.unknown", { message: `no district ${id} is leaving` });
    const number = row.last_changeset;
    const generation = extent?.generation ?? null;
    await sql("stones").insert({ id, left_on: new Date(at).toISOString().slice(0, 10), changeset: number, generation });
    await checkLeases(sql, held);
    const end = extent?.end ?? 0;
    const value = records.encode("rollcall.control.Changeset", {
      district: id,
      number,
      delivery: "",
      plan: 0,
      generation: generation ?? "",
      from: end,
      to: end,
      counts: [],
      hash: "0".repeat(16),
      at,
      left: true,
    });
    tx.append(controlTopics.changesets.name, [{ key: controlKey(id), value }]);
  });
}

/** Every row of the district, and the district, in one transaction: nobody sees half of it. */
async function deleteRows({ sql, pullsFolder }: RemovalPorts, { id, held }: Removal): Promise<void> {
  // What a pull left whose process died, while it is known that it was this district's.
  const pulls: readonly string[] = await sql("api_pulls").where({ district: id }).pluck("id");
  for (const pull of pulls) await rm(pullFolder(pullsFolder, pull), { recursive: true, force: true });
  await sql.transaction(async (trx) => {
    // Whoever adds a fact locks the row first: after this statement nobody does, and later nobody finds it.
    await trx.raw("select 1 from districts where id = ? for update", [id]);
    for (const table of districtTables) await trx(table).where({ district: id }).delete();
    const topics = Object.values(controlTopics).flatMap(({ name }) => (isKeyedByDistrict(name) ? [name] : []));
    // Work on licenses and accounts has their ids where other work has a district.
    await trx("work").where({ district: id }).whereIn("topic", topics).delete();
    await trx("accounts").where({ district: id }).update({ login: null, district: null, proof: null, linked_at: null });
    await trx("tokens")
      .whereRaw("districts = array[cast(? as text)]", [id])
      .whereNull("revoked_at")
      .update({ revoked_at: trx.fn.now() });
    await trx("districts").where({ id }).delete();
    await checkLeases(trx, held);
  });
}

/** Last, because a lease that is locked cannot be renewed. */
async function checkLeases(sql: Knex.Transaction, held: readonly HeldLease[]): Promise<void> {
  for (const { lease } of held) await checkLease(sql, lease);
}

/** What the district uploaded and delivered, what an interrupted delivery left, and whatever else no delivery names. */
async function emptyLanding({ sql, landing, dropsFolder }: RemovalPorts, { id }: Removal): Promise<void> {
  await deleteDrops(dropsFolder, id);
  await landing.deleteDocuments(id);
  await landing.deleteUnfinished(unfinishedAgeMs);
  await deleteUnnamed({ sql, landing });
}

/**
 * What waits to be sent to the shared topics may be about the district: from when they have it, it is kept for a known time.
 * @throws AppError `kafka.unreachable` when it cannot be sent now.
 */
async function untilSent({ sql, log }: RemovalPorts, patienceMs: number): Promise<void> {
  const shared = Object.values(controlTopics).map(({ name }) => name);
  const last: number | null = (await sql("outbox").whereIn("topic", shared).max("seq as last").first())?.last ?? null;
  const signal = new AbortController().signal;
  for (const deadline = performance.now() + patienceMs; last !== null;) {
    const waiting: { readonly topic: string } | undefined = await sql("outbox")
      .whereIn("topic", shared)
      .where("seq", "<=", last)
      .first("topic");
    if (waiting === undefined) return;
    if (performance.now() > deadline) throw new AppError("kafka.unreachable", { details: waiting });
    // Whoever waits takes part in sending.
    await log.waitForAppend(shared, leasePollMs, signal);
  }
}
