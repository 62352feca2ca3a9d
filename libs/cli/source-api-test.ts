// `rollcall source test`: tries an API as a pull would, delivers nothing, and says what the district has to change.

import { Command } from "commander";

import { pullsFromEnv } from "../../services/ingest-api/config.ts";
import { proxyKeyFor } from "../../services/ingest-api/context.ts";
import { timeOfDay } from "../../services/ingest-api/due.ts";
import { credentialsOf } from "../adapters/postgres/api-credentials.ts";
import type { ApiSource } from "../adapters/postgres/api-sources.ts";
import { atOnceAt } from "../domain/api/pace.ts";
import { localDate } from "../domain/dates.ts";
import type { Probe, ProbedCollection, ProbeProgress } from "../ingest/probe.ts";
import { AppError } from "../errors.ts";
import { answer, exitCodes, withSystem } from "./command.ts";
import { itemsText, missingLabels, placeOf, policyOf } from "./source-api-view.ts";
import { knownProfile } from "./source-api-settings.ts";
import { namedApiSource, type SourceOption, withSource } from "./source-option.ts";
import type { System } from "./system.ts";

export function testVerb(): Command {
  return withSource(new Command("test").argument("<district>"), {
    says: "sign in at a district's API, read and judge everything, deliver nothing, and say what has to change",
    example: "rollcall source test springfield",
  }).action(test);
}

async function test(id: string, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    const probed = await probeOf(system, source);
    const about = { district: source.district, source: source.id };
    const exitCode = { well: exitCodes.done, changes: exitCodes.refused, failed: exitCodes.failed }[probed.outcome];
    await answer(options, { text: probeText(source, probed).join("\n"), json: { ...about, ...probed }, exitCode });
  });
}

async function probeOf(system: System, source: ApiSource): Promise<Probe> {
  // Loaded when it is needed: most commands do without.
  const { probe } = await import("../ingest/probe.ts");
  const { lastPulled } = await import("../ingest/pulled-set.ts");
  const { settings } = source;
  const profile = knownProfile(settings.profile);
  const policy = await policyOf(system, source);
  const credentials = await signingIn(system, source);
  const time = (): string => timeOfDay({ now: system.clock.now(), timeZone: policy.timeZone });
  const stop = new AbortController();
  const end = (): void => stop.abort();
  const shown = progressLine();
  process.once("SIGINT", end);
  try {
    return await probe({
      settings,
      profile,
      credentials,
      policy,
      before: await lastPulled(system.sql, placeOf(source)),
      today: localDate(system.clock.now(), policy.timeZone),
      time: time(),
      atOnce: () => atOnceAt(profile, time()),
      signal: stop.signal,
      progress: shown.show,
    });
  } finally {
    process.off("SIGINT", end);
    shown.clear();
  }
}

/** @throws AppError `api.credentials-missing` that names what is missing. */
async function signingIn(system: System, source: ApiSource): Promise<Readonly<Record<string, string>>> {
  if (source.settings.auth === "proxy") return { secret: proxyKeyFor(pullsFromEnv().proxy, source.settings) };
  const missing = await missingLabels(system, source);
  if (missing.length > 0)
    throw new AppError("api.credentials-missing", {
      message: `source ${source.id} of ${source.district} lacks ${missing.join(", ")}`,
    });
  return credentialsOf(system.sql, system.secretKey, placeOf(source));
}

/** One line on a terminal, drawn again as counts grow; nothing where nobody watches. */
function progressLine(): { readonly show: (at: ProbeProgress) => void; readonly clear: () => void } {
  if (process.stderr.isTTY !== true) return { show: () => {}, clear: () => {} };
  const counts = new Map<string, string>();
  const clear = (): void => void process.stderr.write("\r\u001B[K");
  const show = ({ collection, items, total }: ProbeProgress): void => {
    counts.set(collection, `${collection} ${items}${total === null ? "" : ` of ${total}`}`);
    const line = [...counts.values()].join(", ");
    // A terminal may say that it has no width.
    const width = (process.stderr.columns ?? 0) > 1 ? process.stderr.columns - 1 : line.length;
    clear();
    process.stderr.write(line.length > width ? line.slice(line.length - width) : line);
  };
  return { show, clear };
}

function probeText({ id, district, settings }: ApiSource, probed: Probe): readonly string[] {
  const { error, baseUrl, scopes, collections, verdict, findings, changes, notes, requests } = probed;
  return [
    `${id} of ${district}: OneRoster ${settings.version} at ${baseUrl ?? settings.baseUrl}`,
    probed.signedIn ? `  signed in, ${requests} requests` : "  not signed in",
    ...(scopes === null ? [] : [`  scopes granted: ${scopes.length === 0 ? "none named" : scopes.join(" ")}`]),
    ...collections.map(collectionText),
    ...(verdict === null ? [] : [`  judged as a delivery: ${verdict}`]),
    ...findings.map(
      ({ severity, code, file, field, count }) =>
        `    ${severity} ${code}${file === null ? "" : ` in ${[file, field].filter((part) => part !== null).join(" ")}`}, ${count} times`,
    ),
    ...listed("To know", notes),
    ...listed(error === null ? "The district has to change" : "Not all could be read", changes),
    ...(probed.outcome === "well" ? ["", "All is well: the district has nothing to change."] : []),
  ];
}

const stateTexts: Readonly<Record<Exclude<ProbedCollection["state"], "read">, string>> = {
  answers: "can be read",
  forbidden: "refused",
  unknown: "not there",
  failed: "failed",
  "not-tried": "not tried",
};

function collectionText({ collection, state, items, pages }: ProbedCollection): string {
  const text = state === "read" ? itemsText(items ?? 0, pages ?? 0) : stateTexts[state];
  return `  ${`${collection}:`.padEnd(18)} ${state === "read" && items === 0 ? "empty" : text}`;
}

function listed(title: string, sentences: readonly string[]): readonly string[] {
  return sentences.length === 0 ? [] : ["", `${title}:`, ...sentences.map((sentence) => `  * ${sentence}`)];
}
