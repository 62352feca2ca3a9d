// Districts that are pulled from the test's OneRoster server by the code that ingest-api runs, with diff beside it and no
// limit that holds anything back: what the pipeline concludes from a fault goes out, and is seen.

import type { Patience } from "../../libs/adapters/oneroster-api/api.ts";
import { setCredentials } from "../../libs/adapters/postgres/api-credentials.ts";
import { type ApiPull, lastPulls } from "../../libs/adapters/postgres/api-pulls.ts";
import type { ApiPlace } from "../../libs/adapters/postgres/api-sources.ts";
import { type ApiState, stateOf, wantPull } from "../../libs/adapters/postgres/api-states.ts";
import { addSource } from "../../libs/adapters/postgres/sources.ts";
import { outcomeOf, planView } from "../../libs/cli/outcome.ts";
import { decide } from "../../libs/cli/plans.ts";
import type { Cause } from "../../libs/domain/api/pulled.ts";
import type { AuthKind } from "../../libs/domain/api/profile.ts";
import type { ApiSettings } from "../../libs/domain/api/settings.ts";
import { parseSourceId, type SourceId } from "../../libs/domain/ids.ts";
import { entityTypes } from "../../libs/domain/oneroster/entity-types.ts";
import type { Version } from "../../libs/domain/oneroster/enumerations.ts";
import { type Policy, parsePolicy } from "../../libs/domain/policy.ts";
import { lastPulled } from "../../libs/ingest/pulled-set.ts";
import { runDiff } from "../../services/diff/service.ts";
import type { ApiWork } from "../../services/ingest-api/context.ts";
import { pullSource } from "../../services/ingest-api/pull.ts";
import type { Image } from "../sample/naive.ts";
import { type Fold, foldRoster, linesOfFold, linesOfImage, without } from "./checker.ts";
import { faultNamed } from "./oneroster-faults.ts";
import type { Truth } from "./oneroster-items.ts";
import { oneRosterServer, type Served, type ServerOptions } from "./oneroster-server.ts";
import { TestDistrict } from "./pipeline.ts";
import { addDistrict, type TestSystem } from "./system.ts";
import type { Teardown } from "./teardown.ts";

/** Short enough for tests; a stalled answer is given up soon. */
export const hasty: Patience = {
  tries: 3,
  firstPauseMs: 2,
  longestPauseMs: 5,
  retryAfterMs: 5_000,
  silenceMs: 200,
  requestMs: 10_000,
};

export type LaneOptions = Omit<ServerOptions, "version" | "auth"> & {
  readonly version: Version;
  readonly auth: AuthKind;
  readonly settings?: Partial<ApiSettings>;
};

export const source: SourceId = parseSourceId("api") ?? neverHappens();

function neverHappens(): never {
  throw new Error("api is a source id");
}

/** Nothing is ever held for being much. */
export function boundless(): Policy {
  const none = { share: 1, count: 1e9 };
  const deletes = Object.fromEntries(entityTypes.map((type) => [type, none]));
  const parsed = parsePolicy({ limits: { deletes, idsChanged: { ...none, tolerance: 0 } }, maximumRejectShare: 1 });
  if (parsed.outcome === "faults") throw new Error(parsed.faults.join());
  return parsed.policy;
}

/** What one pull led to. */
export type Pulled = { readonly pull: ApiPull; readonly state: ApiState; readonly isHeld: boolean };

/** One district with its source and its server. */
export class Lane {
  readonly district: TestDistrict;
  readonly place: ApiPlace;
  readonly served: Served;
  readonly work: ApiWork;

  constructor(parts: Pick<Lane, "district" | "place" | "served" | "work">) {
    this.district = parts.district;
    this.place = parts.place;
    this.served = parts.served;
    this.work = parts.work;
  }

  /** Pulls now, and waits until what was delivered is published or held. */
  async pull(signal: AbortSignal): Promise<Pulled> {
    const { sql, clock } = this.district.system;
    this.district.system.sleepDays(1 / 24);
    await wantPull(sql, this.place, clock.now());
    await pullSource(this.work, this.place, signal);
    const [pull] = await lastPulls(sql, this.place, 1);
    if (pull === undefined) throw new Error("nothing was pulled");
    const state = await stateOf(sql, this.place);
    if (pull.delivery === null) return { pull, state, isHeld: false };
    const row: { readonly state: string } | undefined = await sql("deliveries")
      .where({ id: pull.delivery })
      .first("state");
    if (row?.state !== "accepted") throw new Error(`${pull.delivery} is ${row?.state ?? "gone"}`);
    const about = { district: this.place.district, delivery: pull.delivery };
    const { outcome, reason } = await outcomeOf(this.district.system, about);
    if (outcome === "stopped" || outcome === "superseded") throw new Error(`${outcome}: ${reason ?? ""}`);
    return { pull, state, isHeld: outcome === "held" };
  }

  /** What is published. */
  async fold(): Promise<Fold> {
    return foldRoster(await this.district.records("roster"));
  }
}

/** A district on the system that is pulled from a server of its own. */
export async function addLane(t: Teardown, system: TestSystem, options: LaneOptions): Promise<Lane> {
  const { settings: changed, ...serverOptions } = options;
  const served = await oneRosterServer(t, serverOptions);
  const id = await addDistrict(system, `${options.auth}-${options.version.replace(".", "")}`, boundless());
  const place = { district: id, source };
  const settings = { ...served.settings, ...changed };
  await system.sql.transaction((trx) => addSource(trx, { district: id, id: source, kind: "api", settings }));
  if (options.auth !== "proxy") await setCredentials(system.sql, system.secretKey, place, served.credentials);
  const proxy = options.auth === "proxy" ? { url: served.url, key: served.credentials["secret"] ?? "" } : null;
  const work: ApiWork = { ...system, proxy, patience: hasty, chance: () => 0.5 };
  return new Lane({ district: new TestDistrict(system, id), place, served, work });
}

/** Runs work with diff beside it. */
export async function withDiff<T>(system: TestSystem, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const diff = runDiff(system, { pollIntervalMs: 20, stoppedPauseMs: 30_000 }, stop.signal);
  try {
    return await Promise.race([work(stop.signal), diff.then(() => Promise.reject(new Error("diff ended")))]);
  } finally {
    stop.abort();
    await diff.catch(() => {});
  }
}

export type Tried = {
  readonly faults: readonly string[];
  readonly target?: Parameters<Served["setFaults"]>[1];
  /** The truth while the fault is on. */
  readonly next: Truth;
};

export type Trial = {
  readonly outcome: "whole" | "incomplete" | "held";
  /** Why the delivery's absences are doubted. */
  readonly causes: readonly Cause[];
  readonly state: string;
  readonly reason: string;
  /** What must never be: nothing when all is well. */
  readonly faults: readonly string[];
};

/**
 * Pulls once under faults, while the truth is another one than what is published, and once without.
 * Whatever the faults: nothing that is in both truths goes, nothing comes that is in neither, and at the end the roster is
 * the truth.
 */
export async function tryFaults(lane: Lane, tried: Tried, signal: AbortSignal): Promise<Trial> {
  const { served } = lane;
  const before = without(served.data().image, "demographics");
  const after = without(tried.next.image, "demographics");
  served.setData(tried.next);
  served.setFaults(tried.faults.map(faultNamed), tried.target);
  const strays = served.strays.length;
  const { pull, state, isHeld } = await lane.pull(signal);
  const fold = await lane.fold();
  const isNext = sameText(linesOfFold(fold, after), linesOfImage(after));
  const record = pull.delivery === null ? null : await lastPulled(lane.district.system.sql, lane.place);
  const causes = record?.causes ?? [];
  const outcome = pull.delivery === null ? "incomplete" : isNext && !isHeld ? "whole" : "held";
  const wrongs = [
    ...(pull.delivery === null
      ? refusedWrongs({ state, pull }, sameText(linesOfFold(fold, before), linesOfImage(before)))
      : []),
    ...lost(fold, before, after),
    ...strangers(fold, before, after),
    ...(causes.length > 0 ? lost(fold, before, before) : []),
    ...(served.strays.length > strays ? [`another host was asked: ${served.strays.at(-1) ?? ""}`] : []),
  ];
  served.setFaults([]);
  if (!isNext) wrongs.push(...(await cleanWrongs(lane, after, signal)));
  return { outcome, causes, state: state.state, reason: pull.reason ?? "", faults: wrongs };
}

function sameText(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((line, index) => line === other[index]);
}

function refusedWrongs({ state, pull }: Pick<Pulled, "state" | "pull">, isAsBefore: boolean): readonly string[] {
  return [
    ...(isAsBefore ? [] : ["nothing was delivered, and yet the roster changed"]),
    ...(state.state === "ready" ? ["nothing was delivered, and yet the state is ready"] : []),
    ...((state.reason ?? "") === "" || (pull.reason ?? "") === "" ? ["no reason is said"] : []),
  ];
}

function keysOf(image: Image | Fold): ReadonlySet<string> {
  return new Set([...image].flatMap(([type, entities]) => [...entities.keys()].map((id) => `${type} ${id}`)));
}

function lost(fold: Fold, before: Image, after: Image): readonly string[] {
  const [now, next] = [keysOf(fold), keysOf(after)];
  const gone = [...keysOf(before)].filter((key) => next.has(key) && !now.has(key));
  return gone.length === 0
    ? []
    : [`${gone.length} were deleted that are there, such as ${gone.slice(0, 3).join(", ")}`];
}

function strangers(fold: Fold, before: Image, after: Image): readonly string[] {
  const [old, next] = [keysOf(before), keysOf(after)];
  const made = [...keysOf(fold)].filter((key) => !old.has(key) && !next.has(key));
  return made.length === 0 ? [] : [`${made.length} were made up, such as ${made.slice(0, 3).join(", ")}`];
}

async function approveHeld({ district: { system, id } }: Lane): Promise<void> {
  const plan = await planView(system, id);
  if (plan?.state !== "open" || Object.keys(plan.held).length === 0) return;
  await decide(system, id, { verdict: "approve", version: plan.version, types: [], cause: null, by: "tester" });
}

/** The next pull without faults brings the truth. */
async function cleanWrongs(lane: Lane, after: Image, signal: AbortSignal): Promise<readonly string[]> {
  const { pull, state } = await lane.pull(signal);
  if (state.state !== "ready") return [`without faults it is ${state.state}: ${pull.reason ?? ""}`];
  // A doubt of before lasts until a person has decided: then those who really left go.
  await approveHeld(lane);
  const [has, should] = [linesOfFold(await lane.fold(), after), linesOfImage(after)];
  if (sameText(has, should)) return [];
  const known = new Set(has);
  const missing = should.filter((line) => !known.has(line));
  const wanted = new Set(should);
  const extra = has.filter((line) => !wanted.has(line));
  return [
    `without faults ${missing.length} are missing: ${missing[0] ?? ""}; ${extra.length} are too many: ${extra[0] ?? ""}`,
  ];
}
