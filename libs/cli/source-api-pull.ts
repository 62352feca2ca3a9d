// `rollcall source pull|pulls|shares`: pulls a source now, and tells what pulls there were and which districts share.

import { setTimeout as sleep } from "node:timers/promises";

import { Command, InvalidArgumentError } from "commander";

import { type ApiPull, lastPulls } from "../adapters/postgres/api-pulls.ts";
import { sharesOf } from "../adapters/postgres/api-shares.ts";
import { allApiSources, type ApiSource } from "../adapters/postgres/api-sources.ts";
import { stateOf, wantPull } from "../adapters/postgres/api-states.ts";
import { districtOf } from "../adapters/postgres/districts.ts";
import { AppError } from "../errors.ts";
import { findDelivery } from "../ingest/deliver.ts";
import { answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import { type Outcome, outcomeOf, outcomeText } from "./outcome.ts";
import { withServices } from "./services.ts";
import { itemsText, missingLabels, placeOf, pullText, type PullView, pullView, timeText } from "./source-api-view.ts";
import { namedApiSource, type SourceOption, withSource } from "./source-option.ts";
import { watchStops, type WhyStopped } from "./stops.ts";
import type { System } from "./system.ts";

const pollMs = 100;
/** After somebody took the wish up, so long a pull may take to show itself. */
const begunMs = 5_000;
const shown = 20;
const knownMost = 1_000;

export function pullVerbs(): readonly Command[] {
  return [
    withSource(new Command("pull").argument("<district>"), {
      says: "pull a district's API now, and wait until what it says is published, held or refused",
      example: "rollcall source pull springfield",
    }).action(pull),
    withSource(new Command("pulls").argument("<district>"), {
      says: "the newest pulls of a source: when, how many items, and what came of each",
      example: "rollcall source pulls springfield --limit 5",
    })
      .option("--limit <n>", "how many", count, shown)
      .action(pulls),
    described(new Command("shares"), {
      says: "the districts that share with us through a vendor's proxy, and which source reads each",
      example: "rollcall source shares",
    }).action(shares),
  ];
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/u.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

async function pull(id: string, options: SourceOption): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    await mustBePullable(system, source);
    const whyStopped = await watchStops(system, source.district);
    const known = new Set((await lastPulls(system.sql, placeOf(source), knownMost)).map((each) => each.id));
    await wantPull(system.sql, placeOf(source), system.clock.now());
    await withServices(system, async () => {
      const ended = await endedPull(system, source, known);
      const delivered = ended?.delivery ?? null;
      const outcome =
        ended?.state === "delivered" && delivered !== null
          ? await becameOf(system, source, delivered, whyStopped)
          : null;
      await answer(options, await pullAnswer(system, source, { ended, outcome }));
    });
  });
}

/** @throws AppError `source.disabled`, `api.credentials-missing`; `usage` when the district is leaving. */
async function mustBePullable(system: System, source: ApiSource): Promise<void> {
  const { district, id, isEnabled } = source;
  if (!isEnabled) throw new AppError("source.disabled", { message: `the source ${id} of ${district} is disabled` });
  if ((await districtOf(system.sql, district))?.state === "leaving")
    throw new AppError("usage", { message: `district ${district} is leaving: nothing of it is pulled any more` });
  const missing = await missingLabels(system, source);
  if (missing.length > 0)
    throw new AppError("api.credentials-missing", {
      message: `source ${id} of ${district} lacks ${missing.join(", ")}`,
    });
}

/** The pull that began after it was asked for, once it ended; null: the wish was taken up, and no pull came of it. */
async function endedPull(system: System, source: ApiSource, known: ReadonlySet<string>): Promise<ApiPull | null> {
  const place = placeOf(source);
  let taken: number | null = null;
  for (;;) {
    const [newest] = await lastPulls(system.sql, place, 1);
    const isOurs = newest !== undefined && !known.has(newest.id);
    if (isOurs && newest.state !== "running") return newest;
    const isWanted = (await stateOf(system.sql, place)).wantedAt !== null;
    if (isWanted || isOurs) taken = null;
    else taken ??= performance.now();
    if (taken !== null && performance.now() - taken > begunMs) return null;
    await sleep(pollMs);
  }
}

async function becameOf(
  system: System,
  { district }: ApiSource,
  delivery: string,
  whyStopped: WhyStopped,
): Promise<Outcome | { readonly delivery: string; readonly outcome: "refused"; readonly reason: string | null }> {
  for (;;) {
    const row = await findDelivery(system.sql, delivery);
    if (row.state === "accepted") return outcomeOf(system, { district, delivery, whyStopped });
    if (row.state === "refused") return { delivery, outcome: "refused", reason: row.refusal };
    await sleep(pollMs);
  }
}

type Became = Awaited<ReturnType<typeof becameOf>>;

async function pullAnswer(
  system: System,
  source: ApiSource,
  { ended, outcome }: { readonly ended: ApiPull | null; readonly outcome: Became | null },
): Promise<Parameters<typeof answer>[1]> {
  const state = await stateOf(system.sql, placeOf(source));
  const pulled = ended === null ? null : pullView(ended);
  const json = {
    district: source.district,
    source: source.id,
    pull: pulled,
    state: { state: state.state, since: timeText(state.since), reason: state.reason },
    nextTry: timeText(state.retryAt),
    outcome,
  };
  const isWhole = ended?.state === "delivered" || ended?.state === "same";
  const failed = !isWhole || outcome?.outcome === "stopped";
  const exitCode = failed ? exitCodes.failed : outcome?.outcome === "refused" ? exitCodes.refused : exitCodes.done;
  return { text: [...pulledText(source, pulled, state), ...becameText(outcome)].join("\n"), json, exitCode };
}

function pulledText(
  { id, district }: ApiSource,
  pulled: PullView | null,
  state: Awaited<ReturnType<typeof stateOf>>,
): readonly string[] {
  const again = state.retryAt === null ? [] : [`it is tried again at ${timeText(state.retryAt) ?? ""}`];
  if (pulled === null) return [`source ${id} of ${district} was not pulled: ${state.reason ?? state.state}`, ...again];
  const read = pulled.collections.map(({ name, items, pages }) => `  ${name}: ${itemsText(items, pages)}`);
  if (pulled.state === "same")
    return [...read, "the source says what it said the last time: there is nothing to deliver"];
  if (pulled.state === "delivered") return [...read, `delivered as ${pulled.delivery ?? ""}`];
  const why = pulled.reason ?? pulled.code ?? "no reason is known";
  return [...read, `${pulled.state}: ${why}`, "nothing was delivered, and nothing is deleted", ...again];
}

function becameText(outcome: Became | null): readonly string[] {
  if (outcome === null) return [];
  if (outcome.outcome !== "refused") return [outcomeText(outcome)];
  return [`${outcome.delivery}: refused: ${outcome.reason ?? ""}`, `rollcall report ${outcome.delivery} says more`];
}

async function pulls(id: string, options: SourceOption & { readonly limit: number }): Promise<void> {
  await withSystem(async (system) => {
    const source = await namedApiSource(system, id, options);
    const json = (await lastPulls(system.sql, placeOf(source), options.limit)).map(pullView);
    await answer(options, { text: json.length === 0 ? "no pulls yet" : json.map(pullText).join("\n"), json });
  });
}

async function shares(options: JsonOption): Promise<void> {
  await withSystem(async (system) => {
    const sources = (await allApiSources(system.sql)).filter(({ settings }) => settings.auth === "proxy");
    const json = (await sharesOf(system.sql)).map(({ told: _told, since, seenAt, ...share }) => ({
      ...share,
      since: timeText(since),
      seenAt: timeText(seenAt),
      readBy: sources
        .filter(({ settings: { tenant } }) => tenant === share.tenant || tenant === share.application)
        .map(({ district, id }) => ({ district, source: id })),
    }));
    const text = json.map(({ tenant, name, state, since, readBy }) => {
      const readers = readBy.map(({ district, source }) => `${district}.${source}`).join(", ");
      return [
        tenant,
        name,
        `${state} since ${since ?? ""}`,
        readers === "" ? "no source reads it" : `read by ${readers}`,
      ].join("\t");
    });
    await answer(options, { text: text.length === 0 ? noShares : text.join("\n"), json });
  });
}

const noShares =
  "no shares are known: ingest-api (or rollcall up) lists them every hour where ROLLCALL_CLASSLINK_KEY is set";
