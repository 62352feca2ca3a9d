// A source that is pulled, as `rollcall source` shows it: settings, state, pulls, and which credentials are set.
// It keeps true that no credential is shown: its name, and since when it is set.

import { credentialNames } from "../adapters/postgres/api-credentials.ts";
import { type ApiPull, lastPulls } from "../adapters/postgres/api-pulls.ts";
import type { ApiPlace, ApiSource } from "../adapters/postgres/api-sources.ts";
import { type ApiState, stateOf } from "../adapters/postgres/api-states.ts";
import { districtOf } from "../adapters/postgres/districts.ts";
import { nextMoment } from "../adapters/schedule.ts";
import { fieldsOf, missingFields } from "../domain/api/credentials.ts";
import { expiryStep } from "../domain/api/expiry.ts";
import type { ApiSettings } from "../domain/api/settings.ts";
import { tooOld } from "../domain/api/versions.ts";
import { localDate } from "../domain/dates.ts";
import { defaultPolicy, type Policy } from "../domain/policy.ts";
import { apiLetter, authNames } from "./source-api-letter.ts";
import { knownProfile } from "./source-api-settings.ts";
import type { System } from "./system.ts";

/** Times are ISO 8601, UTC. */
export type PullView = Omit<ApiPull, "startedAt" | "endedAt"> & {
  readonly startedAt: string;
  readonly endedAt: string | null;
};

export type StateView = Pick<ApiState, "state" | "reason" | "failures"> & { readonly since: string | null };

export type ApiCredentialView = {
  readonly name: string;
  readonly label: string;
  readonly required: boolean;
  /** null: it is not set. */
  readonly setAt: string | null;
};

export type ApiSourceView = {
  readonly district: string;
  readonly source: string;
  readonly kind: "api";
  readonly enabled: boolean;
  readonly settings: ApiSettings;
  readonly credentials: readonly ApiCredentialView[];
  readonly state: StateView;
  /** The newest first. */
  readonly pulls: readonly PullView[];
  readonly nextPull: string | null;
  readonly warnings: readonly string[];
};

const pullsShown = 3;

export function placeOf({ district, id }: Pick<ApiSource, "district" | "id">): ApiPlace {
  return { district, source: id };
}

export async function policyOf(system: System, { district }: Pick<ApiSource, "district">): Promise<Policy> {
  return (await districtOf(system.sql, district))?.policy ?? defaultPolicy;
}

export async function apiSourceView(system: System, source: ApiSource): Promise<ApiSourceView> {
  const { district, id, isEnabled, settings } = source;
  const { timeZone } = await policyOf(system, source);
  const credentials = await credentialViews(system, source);
  const state = await stateOf(system.sql, placeOf(source));
  const isComplete = credentials.every(({ required, setAt }) => !required || setAt !== null);
  const now = system.clock.now();
  return {
    district,
    source: id,
    kind: "api",
    enabled: isEnabled,
    settings,
    credentials,
    state: {
      state: state.state,
      since: timeText(state.since),
      reason: state.reason,
      failures: state.failures,
    },
    pulls: (await lastPulls(system.sql, placeOf(source), pullsShown)).map(pullView),
    nextPull: isEnabled && isComplete ? timeText(nextPull(state, { settings, timeZone, now })) : null,
    warnings: apiWarnings(settings, localDate(now, timeZone)),
  };
}

async function credentialViews(system: System, source: ApiSource): Promise<readonly ApiCredentialView[]> {
  const { profile, auth } = source.settings;
  const set = new Map((await credentialNames(system.sql, placeOf(source))).map(({ name, setAt }) => [name, setAt]));
  const fields = fieldsOf(knownProfile(profile), auth);
  const others = [...set.keys()].filter((name) => !fields.some((field) => field.name === name));
  return [
    ...fields.map(({ name, label, isRequired }) => ({
      name,
      label,
      required: isRequired,
      setAt: timeText(set.get(name)),
    })),
    // Of a profile or a way to sign in that was set before.
    ...others.map((name) => ({ name, label: name, required: false, setAt: timeText(set.get(name)) })),
  ];
}

/** The earliest of what is asked for, what is tried again, and the next moment of the schedule. */
function nextPull(
  state: ApiState,
  about: { readonly settings: ApiSettings; readonly timeZone: string; readonly now: number },
): number | null {
  const { settings, timeZone, now } = about;
  const { schedule: pattern } = settings;
  if (state.wantedAt !== null) return now;
  const scheduled = pattern === null ? null : nextMoment({ pattern, timeZone }, now);
  const due = [state.retryAt, scheduled].filter((at) => at !== null);
  return due.length === 0 ? null : Math.min(...due);
}

/** What is most likely not meant, or will not last. */
export function apiWarnings(settings: ApiSettings, today: string): readonly string[] {
  const profile = knownProfile(settings.profile);
  const { baseUrl, tokenUrl, expires, auth } = settings;
  const old = tooOld(profile, settings.sourceVersion);
  const isHttp = [baseUrl, tokenUrl ?? ""].some(isOpenHttp);
  const isExpiring = profile.credentialDays?.[auth] !== undefined;
  return [
    ...(old === null ? [] : [old]),
    ...(isExpiring && expires === null
      ? [
          `credentials of ${profile.name} with ${authNames[auth]} expire: say when with --expires or \`rollcall source renew\``,
        ]
      : []),
    ...(expiryStep(expires, today) === 0 ? [`the credentials have expired on ${expires ?? ""}`] : []),
    ...(isHttp ? ["the base URL or the token URL is http: credentials and rosters can be read on the way"] : []),
  ];
}

/** On this machine nobody is on the way. */
function isOpenHttp(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "http:" && !/^(?:localhost|127\.[\d.]+|\[::1\])$/u.test(url.hostname);
}

/** What is still to be entered, by its vendor's names. */
export async function missingLabels(system: System, source: ApiSource): Promise<readonly string[]> {
  const names = (await credentialNames(system.sql, placeOf(source))).map(({ name }) => name);
  const { profile, auth } = source.settings;
  return missingFields(knownProfile(profile), auth, names).map(({ label }) => label);
}

export async function letterLines(system: System, source: ApiSource): Promise<readonly string[]> {
  const { settings } = source;
  const { timeZone } = await policyOf(system, source);
  return ["", ...apiLetter({ settings, profile: knownProfile(settings.profile), timeZone })];
}

export function pullView({ startedAt, endedAt, ...pull }: ApiPull): PullView {
  return { ...pull, startedAt: new Date(startedAt).toISOString(), endedAt: timeText(endedAt) };
}

export function timeText(at: number | null | undefined): string | null {
  return at === null || at === undefined ? null : new Date(at).toISOString();
}

export function shownText(view: ApiSourceView): readonly string[] {
  const { state, credentials, pulls, nextPull: next } = view;
  const since = state.since === null ? "" : ` since ${state.since}`;
  const why = state.reason === null ? "" : `: ${state.reason}`;
  return [
    `${view.source} of ${view.district}: ${view.kind}, ${view.enabled ? "enabled" : "disabled"}`,
    `  state: ${state.state}${since}${why}`,
    ...credentials.map(({ label, setAt, required }) => `  ${label}: ${credentialText(setAt, required)}`),
    ...pulls.map((pull) => `  pull ${pullText(pull)}`),
    `  next pull: ${next ?? "none by itself"}`,
    JSON.stringify(view.settings, null, 2),
  ];
}

function credentialText(setAt: string | null, isRequired: boolean): string {
  if (setAt !== null) return `set ${setAt}`;
  return isRequired ? "missing" : "not set, and not needed";
}

export function itemsText(items: number, pages: number): string {
  return `${items} in ${pages} ${pages === 1 ? "page" : "pages"}`;
}

/** A pull in one line. */
export function pullText({ startedAt, state, delivery, reason, collections, requests }: PullView): string {
  const items = collections.reduce((sum, each) => sum + each.items, 0);
  const read = collections.length === 0 ? [] : [`${items} items`];
  return [
    `${startedAt}\t${state}`,
    ...(delivery === null ? [] : [delivery]),
    ...read,
    `${requests} requests`,
    ...(reason === null ? [] : [reason]),
  ].join("\t");
}
