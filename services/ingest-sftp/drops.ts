// Looks at what lies in the folders of all sources, takes what is whole, and reads it; beside it tells what is not whole,
// what is late, and what became of earlier sets.
// It keeps true that one process at a time takes sets of a source, and one reads them; that a source which cannot be worked
// on, or whose sets take long to read, keeps no other waiting; and that a look is cheap: one query for all files, and a
// folder is listed only where another server fills it.

import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { keyOf, type LyingFile, lyingFiles } from "../../libs/adapters/drops/contents.ts";
import { type Facts, factsOf } from "../../libs/adapters/drops/facts.ts";
import { placeOf, sourceLease } from "../../libs/adapters/drops/place.ts";
import { tearLeftOpen } from "../../libs/adapters/drops/rows.ts";
import { makeRoom, mend, takeSet } from "../../libs/adapters/drops/sets.ts";
import { observe } from "../../libs/adapters/drops/watched.ts";
import { storedPolicy } from "../../libs/adapters/postgres/districts.ts";
import type { Inbox } from "../../libs/adapters/postgres/inbox.ts";
import { holdLease } from "../../libs/adapters/postgres/leases.ts";
import { allSources, readingLease, type Source } from "../../libs/adapters/postgres/sources.ts";
import { type Judgement, judgeDrop } from "../../libs/domain/drop.ts";
import type { DistrictId, SourceId } from "../../libs/domain/ids.ts";
import type { Policy } from "../../libs/domain/policy.ts";
import type { AppError } from "../../libs/errors.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import { Rarely } from "../../libs/runtime/rarely.ts";
import { type DropWork, isDue, nameOf, readSets } from "./drop-sets.ts";
import { tellLate } from "./expected.ts";
import { failureOf, Failures } from "./failures.ts";
import { takeNews } from "./news.ts";
import { tellDistrict } from "./reports.ts";
import { allWaits, isSettled, noteWait, tellWait, type Wait } from "./waits.ts";

const leaseMs = 15_000;
/** How many sources are read at once; taking and telling go on for all. */
const readAtOnce = 4;
const defaultPollIntervalMs = 2_000;
/** How long what a crash left may wait for somebody to look. */
const mendEveryMs = 60_000;
/** What is late, and results that may have become others without news here, are looked for less often. */
const rarelyMs = 5_000;
const defaultFailedPauseMs = 30_000;

export type DropsPlace = {
  /** The folder of all drops. */
  readonly root: string;
  /** How long to wait between two looks. Default 2 s. */
  readonly pollIntervalMs?: number;
  /** How long a source that failed is left alone. Default 30 s. */
  readonly failedPauseMs?: number;
};

/** Works until the signal is aborted. @throws AppError when the world fails: what called starts it again. */
export async function runDrops(
  context: IngestContext & { readonly inbox: Inbox },
  place: DropsPlace,
  signal: AbortSignal,
): Promise<void> {
  const watch = new Watch(context, place, signal);
  try {
    while (!signal.aborted) {
      await watch.look();
      await sleep(place.pollIntervalMs ?? defaultPollIntervalMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    await watch.end();
  }
}

type District = { readonly name: string; readonly policy: Policy };

/** What lies in the folder of a source, or is to be done with it. */
type Lying = {
  readonly source: Source;
  readonly files: readonly LyingFile[];
  readonly wait: Wait | null;
  readonly owed: readonly Owed[];
};

/** What is known of a source in one look. */
type Seen = Lying & { readonly district: District };

class Watch {
  readonly #work: DropWork & { readonly inbox: Inbox };
  readonly #signal: AbortSignal;
  /** What is looked at, taken and told, by source. */
  readonly #running = new Map<string, Promise<void>>();
  /** What is read. */
  readonly #reading = new Map<string, Promise<void>>();
  readonly #facts = new Map<string, Facts>();
  readonly #mendedAt = new Map<string, number>();
  /** What the district was told that it waits for. */
  readonly #toldWaits = new Map<string, string>();
  readonly #broken: unknown[] = [];
  readonly #rarely = new Rarely(rarelyMs);
  /** The first source that there was no room to read in the last look. */
  #next: string | null = null;

  constructor(context: IngestContext & { readonly inbox: Inbox }, place: DropsPlace, signal: AbortSignal) {
    const failures = new Failures(context, place.failedPauseMs ?? defaultFailedPauseMs);
    this.#work = { ...context, failures, root: place.root };
    this.#signal = signal;
  }

  /** One look at everything; what is to be done with a source goes on beside it. */
  async look(): Promise<void> {
    const { sql } = this.#work;
    await tearLeftOpen(sql);
    const hasNews = await takeNews({ ...this.#work, stopped: (district, error) => this.#newsStopped(district, error) });
    const isRare = this.#rarely.isTime();
    const owed = await this.#owed(hasNews || isRare);
    const files = Map.groupBy(await lyingFiles(sql), ({ district, source }) => `${district} ${source}`);
    const waits = new Map((await allWaits(this.#work)).map((wait) => [`${wait.district} ${wait.source}`, wait]));
    const all = this.#inTurn(await this.#sources()).map((source) => {
      const key = textOf(source);
      return { source, files: files.get(key) ?? [], wait: waits.get(key) ?? null, owed: owed.get(key) ?? [] };
    });
    const looked = all.filter(
      (lying) => lying.source.kind !== "files" && lying.source.isEnabled && (isRare || this.#isOfInterest(lying)),
    );
    const districts = await districtsOf(this.#work, looked);
    for (const lying of looked) {
      if (this.#signal.aborted || this.#broken.length > 0) break;
      const district = districts.get(lying.source.district);
      if (district === undefined) continue;
      this.#startReading({ ...lying, district });
      if (!this.#isLeftAlone(lying.source)) await this.#startLook({ ...lying, district }, isRare);
    }
    if (this.#broken.length > 0) throw this.#broken[0];
  }

  /** Of one that cannot be read people are told, and the others go on. */
  async #sources(): Promise<readonly Source[]> {
    const broken: { readonly district: DistrictId; readonly id: SourceId; readonly error: AppError }[] = [];
    const sources = await allSources(this.#work.sql, undefined, (each) => broken.push(each));
    for (const { district, id, error } of broken) {
      const name = `settings ${district} ${id}`;
      if (!this.#work.failures.isPaused(name)) await this.#work.failures.add(name, { district, delivery: null, error });
    }
    return sources;
  }

  async #newsStopped(district: string, error: AppError): Promise<void> {
    const name = `news ${district}`;
    await this.#work.failures.add(name, { district, delivery: null, error });
    this.#work.failures.forget(name);
  }

  /** Looks, and goes on beside what called if there is something to do. Nobody waits for the folder of another server. */
  #startLook(seen: Seen, isRare: boolean): Promise<unknown> {
    const { source } = seen;
    const looked = this.#guarded(source, lookOf(source), () => this.#lookOnce(seen, isRare));
    const all = looked.then(async (isMore) => {
      if (isMore === true) await this.#guarded(source, workOf(source), () => this.#workOn(seen));
      this.#running.delete(textOf(source));
    });
    this.#running.set(textOf(source), all);
    return source.kind === "folder" ? Promise.resolve() : looked;
  }

  /** @returns whether there is something to mend, take or tell. */
  async #lookOnce(seen: Seen, isRare: boolean): Promise<boolean> {
    const { source } = seen;
    if (isRare) await tellLate(this.#work, source);
    if (isRare) await makeRoom(this.#work.root, source);
    const isMore = this.#isOfInterest(seen) && (await this.#lookAt(seen));
    this.#work.failures.forget(lookOf(source));
    return isMore;
  }

  #isLeftAlone(source: Source): boolean {
    const isPaused = [workOf(source), lookOf(source)].some((name) => this.#work.failures.isPaused(name));
    return isPaused || this.#running.has(textOf(source));
  }

  /** Most sources are empty most of the time. */
  #isOfInterest({ source, files, wait, owed }: Lying): boolean {
    const isKnown = this.#mendedAt.has(textOf(source)) && !this.#toldWaits.has(textOf(source));
    return source.kind === "folder" || files.length > 0 || wait !== null || owed.length > 0 || !isKnown;
  }

  /** Waits for what goes on. */
  async end(): Promise<void> {
    await Promise.all([...this.#running.values(), ...this.#reading.values()]);
  }

  /** Those that there was no room to read come first. */
  #inTurn(sources: readonly Source[]): readonly Source[] {
    const first = Math.max(
      0,
      sources.findIndex((source) => textOf(source) === this.#next),
    );
    this.#next = null;
    return [...sources.slice(first), ...sources.slice(0, first)];
  }

  /** @returns whether there is something to mend, take or tell. */
  async #lookAt(seen: Seen): Promise<boolean> {
    const { source, wait, owed } = seen;
    const judged = await this.#judge(seen);
    const isComplete = judged !== null && judged.complete.length > 0;
    if (judged !== null && !isComplete) await noteWait(this.#work, { source, waiting: judged.waiting, before: wait });
    const isOwed = owed.some((set) => set.state !== "taken" || set.received_told_at === null);
    return isOwed || isComplete || this.#isToMend(seen) || this.#isToTell(seen);
  }

  /** null when it cannot be said just now. */
  async #judge({ source, district, files }: Seen): Promise<Judgement | null> {
    const { sql, root } = this.#work;
    const differs = source.kind === "folder" && (await observe(sql, root, { source, files }));
    const now = differs ? await lyingFiles(sql, keyOf(source)) : files;
    const facts = await this.#factsOf(source, now);
    if (facts === null) return null;
    const { manifestOptional } = district.policy;
    return judgeDrop({ files: now, settings: source.settings, manifestOptional, ...facts });
  }

  async #factsOf(source: Source, files: readonly LyingFile[]): Promise<Facts | null> {
    const key = textOf(source);
    const facts = await factsOf(this.#work.root, { source, files, last: this.#facts.get(key) ?? null });
    if (facts !== null) this.#facts.set(key, facts);
    return facts;
  }

  #isToMend({ source, files }: Seen): boolean {
    const last = this.#mendedAt.get(textOf(source));
    if (last !== undefined) return files.length > 0 && performance.now() - last > mendEveryMs;
    // What lies in the folder of another server is not asked for here.
    if (source.kind === "folder") return true;
    const { sets, reports } = placeOf(this.#work.root, keyOf(source));
    const isLeft = existsSync(sets) && readdirSync(sets).length > 0;
    const isTold = existsSync(join(reports, "waiting.txt"));
    if (files.length === 0 && !isLeft && !isTold) this.#mendedAt.set(textOf(source), performance.now());
    return files.length > 0 || isLeft || isTold;
  }

  #isToTell({ source, wait }: Seen): boolean {
    const told = this.#toldWaits.get(textOf(source));
    if (wait === null) return told !== undefined;
    return isSettled(this.#work, source, wait) && told !== JSON.stringify(wait.state);
  }

  /** Reads what is due, beside what called, if there is room. */
  #startReading({ source, district, owed }: Seen): void {
    const key = textOf(source);
    const at = { timeZone: district.policy.timeZone, now: this.#work.clock.now() };
    const isOwed = owed.some((set) => set.state === "taken" && isDue(source, set, at));
    if (!isOwed || this.#reading.has(key) || this.#work.failures.isPaused(nameOf(source))) return;
    if (this.#reading.size >= readAtOnce) {
      this.#next ??= key;
      return;
    }
    const reading = this.#guarded(source, nameOf(source), () => this.#read(source, at.timeZone));
    this.#reading.set(
      key,
      reading.then(() => void this.#reading.delete(key)),
    );
  }

  async #read(source: Source, timeZone: string): Promise<void> {
    const name = readingLease(source);
    const held = await holdLease(this.#work.sql, { name, holder: randomUUID(), ttlMs: leaseMs });
    if (held === null) return;
    try {
      await readSets(this.#work, { source, timeZone, signal: AbortSignal.any([this.#signal, held.signal]) });
    } finally {
      await held.release();
    }
  }

  /** What fails of one source is told and tried again later; what fails of the world ends the look. */
  async #guarded<T>({ district }: Source, name: string, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      try {
        const failed = failureOf(error, this.#signal);
        if (failed !== null) await this.#work.failures.add(name, { district, delivery: null, error: failed });
      } catch (broken) {
        this.#broken.push(broken);
      }
      return null;
    }
  }

  /** Alone of all processes: mends, takes and tells. */
  async #workOn(seen: Seen): Promise<void> {
    const { source, district } = seen;
    const { sql, root, clock } = this.#work;
    const held = await holdLease(sql, { name: sourceLease(keyOf(source)), holder: randomUUID(), ttlMs: leaseMs });
    if (held === null) return;
    const signal = AbortSignal.any([this.#signal, held.signal]);
    try {
      await mend(sql, root, source);
      this.#mendedAt.set(textOf(source), performance.now());
      const { manifestOptional } = district.policy;
      for (let took = true; took && !signal.aborted;) {
        const facts = await this.#factsOf(source, await lyingFiles(sql, keyOf(source)));
        took = facts !== null && (await takeSet(sql, { root, source, facts, manifestOptional, now: clock.now() }));
      }
      await tellDistrict(this.#work, { source, folder: this.#reportsOf(source) });
      await this.#tellWait(seen);
      this.#work.failures.forget(workOf(source));
    } finally {
      await held.release();
    }
  }

  async #tellWait({ source, district, ...seen }: Seen): Promise<void> {
    const { sql } = this.#work;
    const key = keyOf(source);
    // What was taken is not waited for any more.
    const judged = await this.#judge({ source, district, ...seen, files: await lyingFiles(sql, key) });
    const [before = null] = await allWaits(this.#work, key);
    if (judged !== null) await noteWait(this.#work, { source, waiting: judged.waiting, before });
    const [wait = null] = await allWaits(this.#work, key);
    if (wait !== null && !isSettled(this.#work, source, wait)) return;
    const about = { folder: this.#reportsOf(source), name: district.name, timeZone: district.policy.timeZone };
    await tellWait({ ...about, source: source.id, wait });
    if (wait === null) this.#toldWaits.delete(textOf(source));
    else this.#toldWaits.set(textOf(source), JSON.stringify(wait.state));
  }

  /** Beside the files where that folder may be written. */
  #reportsOf(source: Source): string {
    const { folder, readOnly } = source.settings;
    if (source.kind === "folder" && folder !== null && !readOnly) return join(folder, "reports");
    return placeOf(this.#work.root, keyOf(source)).reports;
  }

  /** Sets that are to be read or told of, by source. @param withOpen also those of which diff may have said something. */
  async #owed(withOpen: boolean): Promise<ReadonlyMap<string, readonly Owed[]>> {
    const open = `or (state = 'delivered' and result_told is null) or result_told like '%"isOpen":true%'`;
    const rows: readonly Owed[] = await this.#work
      .sql("drop_sets")
      .whereRaw(
        `(state = 'taken' or received_told_at is null or (state in ('same', 'refused', 'superseded') and result_told is null)
         ${withOpen ? open : ""})`,
      )
      .select("district", "source", "state", "complete_at", "received_told_at");
    return Map.groupBy(rows, ({ district, source }) => `${district} ${source}`);
  }
}

/** Under which failures of looking are known. */
function lookOf(source: Source): string {
  return `look ${textOf(source)}`;
}

/** Under which failures of mending, taking and telling are known. */
function workOf(source: Source): string {
  return `work ${textOf(source)}`;
}

function textOf({ district, id }: Source): string {
  return `${district} ${id}`;
}

type Owed = {
  readonly district: string;
  readonly source: string;
  readonly state: string;
  readonly complete_at: Date;
  readonly received_told_at: Date | null;
};

/** Those of the sources that are not leaving. */
async function districtsOf({ sql }: IngestContext, looked: readonly Lying[]): Promise<ReadonlyMap<string, District>> {
  const ids = [...new Set(looked.map(({ source }) => source.district))];
  const rows: readonly { readonly id: string; readonly name: string; readonly policy: unknown }[] = await sql(
    "districts",
  )
    .whereRaw("id = any(?)", [ids])
    .whereNot({ state: "leaving" })
    .select("id", "name", "policy");
  return new Map(rows.map(({ id, name, policy }) => [id, { name, policy: storedPolicy(policy) }]));
}
