// Tries a source's API as a pull would, up to the verdict, and says in plain words what its district has to change.
// It keeps true that nothing is delivered and nothing stays on this machine: the pages lie in a folder that goes with the
// probe, and what is said holds counts, names of fields and ids.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { connect } from "../adapters/oneroster-api/connect.ts";
import type { OneRosterApi, Patience } from "../adapters/oneroster-api/api.ts";
import { pullCollections, type Pulled } from "../adapters/oneroster-api/pull.ts";
import { collectionUrl } from "../domain/api/base-url.ts";
import { causesOf } from "../domain/api/causes.ts";
import type { Collection } from "../domain/api/collections.ts";
import type { ApiProfile } from "../domain/api/profile.ts";
import type { PullRecord } from "../domain/api/pulled.ts";
import type { ApiSettings } from "../domain/api/settings.ts";
import { wantedCollections } from "../domain/api/wanted.ts";
import type { Policy } from "../domain/policy.ts";
import { type AppError, isAppError } from "../errors.ts";
import { judgeSet } from "./judge-set.ts";
import { FactSink } from "./probe-facts.ts";
import { remarksOnRows, remarksOnSource, type Remarks } from "./probe-remarks.ts";
import { pulledSet } from "./pulled-set.ts";
import { type ReportGroup, reportOf } from "./report.ts";

export type ProbeOptions = {
  readonly settings: ApiSettings;
  readonly profile: ApiProfile;
  readonly credentials: Readonly<Record<string, string>>;
  readonly policy: Policy;
  /** Of the newest accepted delivery of the source; null before the first. */
  readonly before: PullRecord | null;
  /** YYYY-MM-DD and HH:MM in the district's time zone. */
  readonly today: string;
  readonly time: string;
  readonly atOnce: () => number;
  readonly signal: AbortSignal;
  readonly progress: (at: ProbeProgress) => void;
  readonly patience?: Patience;
};

export type ProbeProgress = { readonly collection: Collection; readonly items: number; readonly total: number | null };

/** `answers`: its first page can be read, and no more was tried. */
export type ProbedState = "read" | "answers" | "forbidden" | "unknown" | "failed" | "not-tried";

export type ProbedCollection = {
  readonly collection: Collection;
  readonly state: ProbedState;
  /** null unless it was read whole. */
  readonly items: number | null;
  readonly pages: number | null;
};

export type Probe = Remarks & {
  /** `well`: nothing has to change. `failed`: the source was not read whole, and `error` says why. */
  readonly outcome: "well" | "changes" | "failed";
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string } | null;
  readonly signedIn: boolean;
  readonly version: string;
  readonly baseUrl: string | null;
  /** null where the source does not say. */
  readonly scopes: readonly string[] | null;
  readonly requests: number;
  readonly collections: readonly ProbedCollection[];
  /** What a delivery of this would name, so that what is missing is held and not deleted. */
  readonly causes: readonly string[];
  readonly verdict: "accepted" | "refused" | null;
  /** What weighs most, worst first. */
  readonly findings: readonly ReportGroup[];
};

/** For somebody who waits at a terminal. */
export const probePatience: Patience = {
  tries: 4,
  firstPauseMs: 500,
  longestPauseMs: 10_000,
  retryAfterMs: 60_000,
  silenceMs: 60_000,
  requestMs: 300_000,
};

const findingsMost = 8;
const findingsKept = 3;

/** @throws what is no error of the source: those are told in the answer. */
export async function probe(options: ProbeOptions): Promise<Probe> {
  const wanted = wantedCollections(options);
  const folder = await mkdtemp(join(tmpdir(), "rollcall-probe-"));
  let api: OneRosterApi | null = null;
  try {
    api = await connect({ ...options, wanted, patience: options.patience ?? probePatience });
    const pulled = await pullCollections(api, {
      ...options,
      patience: options.patience ?? probePatience,
      wanted,
      counts: null,
      folder,
    });
    return await judgedProbe(options, api, pulled);
  } catch (error) {
    if (!isAppError(error) || !error.code.startsWith("api.")) throw error;
    return await failedProbe({ options, wanted, api, error });
  } finally {
    await api?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function judgedProbe(options: ProbeOptions, api: OneRosterApi, pulled: Pulled): Promise<Probe> {
  const { settings, policy, before, today } = options;
  const { collections, missing, seen } = pulled;
  const now = { baseUrl: api.baseUrl, collections: collections.map(listed), missing, seen };
  const causes = causesOf({ before, now, today });
  const record: PullRecord = { ...now, version: settings.version, causes };
  const set = pulledSet(
    collections.map(({ name, path }) => ({ collection: name, path })),
    record,
  );
  const sink = new FactSink();
  const judged = await judgeSet({ set, policy, sink, keep: findingsKept });
  set.close();
  const remarks = [
    remarksOnSource({ ...options, record, wanted: wantedCollections(options) }),
    remarksOnRows({ policy, facts: sink, verdict: judged.verdict }),
  ];
  const changes = remarks.flatMap((each) => each.changes);
  return {
    outcome: changes.length > 0 ? "changes" : "well",
    error: null,
    signedIn: true,
    version: settings.version,
    baseUrl: api.baseUrl,
    scopes: api.grantedScopes(),
    requests: api.requests(),
    collections: [
      ...collections.map(({ name, items, pages }) => ({ collection: name, state: "read" as const, items, pages })),
      ...missing.map(({ name, why }) => ({ collection: name, state: why, items: null, pages: null })),
    ],
    causes,
    verdict: judged.verdict.outcome,
    findings: reportOf(judged).groups.slice(0, findingsMost),
    changes,
    notes: remarks.flatMap((each) => each.notes),
  };
}

function listed({ name, items, metadata }: Pulled["collections"][number]): PullRecord["collections"][number] {
  return { name, items, metadata };
}

async function failedProbe(failed: {
  readonly options: ProbeOptions;
  readonly wanted: readonly Collection[];
  readonly api: OneRosterApi | null;
  readonly error: AppError;
}): Promise<Probe> {
  const { options, wanted, api, error } = failed;
  const { code, message, remedy } = error;
  const isSignedIn = api !== null && code !== "api.unauthorised";
  const isThere = isSignedIn && code !== "api.unreachable";
  const collections = await lookedAt(options, wanted, isThere ? api : null);
  const refused = collections.filter(({ state }) => state === "forbidden" || state === "unknown");
  return {
    outcome: "failed",
    error: { code, message, remedy },
    signedIn: isSignedIn,
    version: options.settings.version,
    baseUrl: api?.baseUrl ?? null,
    scopes: api?.grantedScopes() ?? null,
    requests: api?.requests() ?? 0,
    collections,
    causes: [],
    verdict: null,
    findings: [],
    changes: [
      `${message}. ${remedy}`,
      ...refused.map(({ collection, state }) =>
        state === "forbidden"
          ? `Share ${collection} with us: they are refused.`
          : `The source has no ${collection} at the base URL: check the base URL and the version.`,
      ),
    ],
    notes: [],
  };
}

/** The first item of each collection, asked for one after the other until the source itself fails. */
async function lookedAt(
  { settings, signal }: ProbeOptions,
  wanted: readonly Collection[],
  api: OneRosterApi | null,
): Promise<readonly ProbedCollection[]> {
  const looked: ProbedCollection[] = [];
  let isDown = api === null;
  for (const collection of wanted) {
    const state: ProbedState =
      api === null || isDown || signal.aborted ? "not-tried" : await firstItem(api, { collection, settings });
    isDown ||= state === "failed";
    looked.push({ collection, state, items: null, pages: null });
  }
  return looked;
}

async function firstItem(
  api: OneRosterApi,
  { collection, settings }: { readonly collection: Collection; readonly settings: ApiSettings },
): Promise<ProbedState> {
  const url = collectionUrl(api.baseUrl, collection, settings.version);
  url.search = "limit=1&offset=0";
  try {
    return (await api.get(url)).status === 404 ? "unknown" : "answers";
  } catch (error) {
    if (isAppError(error, "api.forbidden")) return "forbidden";
    if (isAppError(error)) return "failed";
    throw error;
  }
}
