// What pulling stands on, and what is known of a source that is pulled.

import type { Patience } from "../../libs/adapters/oneroster-api/api.ts";
import { type ApiPlace, type ApiSource, allApiSources, apiSourceOf } from "../../libs/adapters/postgres/api-sources.ts";
import { type ApiState, allStates, stateOf, unknownState } from "../../libs/adapters/postgres/api-states.ts";
import { runningPlaces } from "../../libs/adapters/postgres/api-pulls.ts";
import { districtOf } from "../../libs/adapters/postgres/districts.ts";
import type { SecretKey } from "../../libs/adapters/sealed.ts";
import type { ApiProfile } from "../../libs/domain/api/profile.ts";
import type { ApiSettings } from "../../libs/domain/api/settings.ts";
import { profileOf } from "../../libs/domain/api/profiles.ts";
import { defaultPolicy, type Policy } from "../../libs/domain/policy.ts";
import { AppError, isAppError } from "../../libs/errors.ts";
import type { IngestContext } from "../../libs/ingest/deliver.ts";
import { type DueFacts, type LocalTime, retryPauseMs } from "./due.ts";

export type ApiContext = IngestContext & {
  /** null: none is set, and no credentials can be read. */
  readonly secretKey: SecretKey | null;
  /** What is pulled lies below it until it has landed: a folder per pull. */
  readonly pullsFolder: string;
};

/** The vendor's proxy where districts share with us, and our key for it (C014). */
export type ProxyAccess = { readonly url: string; readonly key: string };

/**
 * The partner's key is ours, one for all districts that share with us (C014), and opens each of them: it goes to the proxy
 * and nowhere else, whatever the base URL of a source says.
 * @throws AppError `api.credentials-missing`, `api.share`.
 */
export function proxyKeyFor(proxy: ProxyAccess | null, { baseUrl }: Pick<ApiSettings, "baseUrl">): string {
  if (proxy === null)
    throw new AppError("api.credentials-missing", {
      message: "ROLLCALL_CLASSLINK_KEY, our key as a partner, is not set",
    });
  if (URL.parse(baseUrl)?.origin === URL.parse(proxy.url)?.origin) return proxy.key;
  throw new AppError("api.share", { message: "the base URL is not on the proxy that ROLLCALL_CLASSLINK_URL names" });
}

export type ApiWork = ApiContext & {
  readonly proxy: ProxyAccess | null;
  /** How long requests are tried; as the client has it unless said. */
  readonly patience: Patience | undefined;
  /** In [0, 1): spreads tries. */
  readonly chance: () => number;
};

/** A source as one look sees it. */
export type Known = {
  readonly place: ApiPlace;
  readonly source: ApiSource;
  readonly profile: ApiProfile;
  readonly state: ApiState;
  readonly timeZone: string;
  /** Whether a pull of it has begun and not ended, here or elsewhere. */
  readonly isRunning: boolean;
};

export type Broken = { readonly district: string; readonly id: string; readonly error: AppError };

/** Every source that is pulled, of districts that are not leaving. @param broken hears of one whose settings are no good. */
export async function allKnown({ sql }: ApiContext, broken: (source: Broken) => void): Promise<readonly Known[]> {
  const sources = await allApiSources(sql, undefined, broken);
  if (sources.length === 0) return [];
  const zones = await zonesOf(sql, [...new Set(sources.map(({ district }) => district))]);
  const states = new Map((await allStates(sql)).map((state) => [textOf(state), state]));
  const running = new Set((await runningPlaces(sql)).map(textOf));
  return sources.flatMap((source) => {
    const place = { district: source.district, source: source.id };
    const profile = profileOf(source.settings.profile);
    const timeZone = zones.get(source.district);
    if (profile === null || timeZone === undefined) return [];
    const state = states.get(textOf(place)) ?? unknownState;
    return [{ place, source, profile, state, timeZone, isRunning: running.has(textOf(place)) }];
  });
}

/** One source as it is now, with its district's policy; null when it went, or its district is leaving. */
export async function knownOf(
  { sql }: ApiContext,
  place: ApiPlace,
): Promise<(Known & { readonly policy: Policy }) | null> {
  const district = await districtOf(sql, place.district);
  if (district === null || district.state === "leaving") return null;
  try {
    const source = await apiSourceOf(sql, place.district, place.source);
    const profile = profileOf(source.settings.profile);
    if (profile === null) return null;
    const { policy } = district;
    const state = await stateOf(sql, place);
    return { place, source, profile, state, policy, timeZone: policy.timeZone, isRunning: false };
  } catch (error) {
    if (isAppError(error, "source.unknown", "config.invalid")) return null;
    throw error;
  }
}

/** What decides whether it is due. */
export function factsOf({ source, profile, state, isRunning }: Known): DueFacts {
  const { isEnabled, createdAt, settings } = source;
  const { pulledAt, wantedAt, retryAt } = state;
  const { schedule } = settings;
  return {
    isEnabled,
    createdAt,
    schedule,
    refresh: profile.refresh,
    pulledAt,
    wantedAt,
    retryAt,
    isAbandoned: isRunning,
  };
}

export function timeOf({ clock }: ApiContext, { timeZone }: Pick<Known, "timeZone">): LocalTime {
  return { now: clock.now(), timeZone };
}

export function textOf({ district, source }: { readonly district: string; readonly source: string }): string {
  return `${district}.${source}`;
}

/** At once after the first failure of the process itself; later ones may be its own doing. */
export function restartAt({ clock, chance }: ApiWork, { failures }: ApiState): number {
  return failures === 0 ? clock.now() : clock.now() + retryPauseMs(failures, chance());
}

async function zonesOf(sql: ApiContext["sql"], districts: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows: readonly { readonly id: string; readonly zone: string | null }[] = await sql("districts")
    .whereRaw("id = any(?)", [[...districts]])
    .whereNot({ state: "leaving" })
    .select("id", sql.raw("policy->>'timeZone' as zone"));
  return new Map(rows.map(({ id, zone }) => [id, zone ?? defaultPolicy.timeZone]));
}
