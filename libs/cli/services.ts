// The services in this process: what `rollcall up` runs, and what a command runs beside itself when no `up` does.

import { setTimeout as sleep } from "node:timers/promises";

import { runDiff } from "../../services/diff/service.ts";
import { pullsFromEnv } from "../../services/ingest-api/config.ts";
import { runIngestApi } from "../../services/ingest-api/service.ts";
import { runRegistration } from "../../services/registration/service.ts";
import { runIngestAndDrops } from "../../services/ingest-sftp/run.ts";
import { runRosters } from "../../services/rosters/service.ts";
import { databaseFailure } from "../adapters/postgres/database.ts";
import { AppError } from "../errors.ts";
import { keepHouse } from "../runtime/housekeeping.ts";
import type { Service } from "../runtime/run.ts";
import { supervise } from "../runtime/run.ts";

import { isUpRunning, type System } from "./system.ts";

const upPollMs = 1000;
const pollIntervalMs = 1000;
const stoppedPauseMs = 30_000;
const unreadAfterMs = 20_000;

/**
 * Every service, in the order of the pipeline.
 * @param options.onlyByHand whether a source is pulled only when somebody asks: beside a command that ends soon.
 * @throws AppError `config.invalid`.
 */
export function services(
  system: System,
  { onlyByHand = false }: { readonly onlyByHand?: boolean } = {},
): readonly Service[] {
  const { proxy, pullsAtOnce } = pullsFromEnv();
  const all: readonly Service[] = [
    {
      name: "ingest-sftp",
      start: ({ signal, logger }) => {
        const times = { pollIntervalMs, unreadAfterMs };
        return runIngestAndDrops({ ...system, logger }, { times, drops: { root: system.dropsFolder } }, signal);
      },
    },
    {
      name: "ingest-api",
      start: ({ signal, logger }) => {
        const times = { pollIntervalMs, pullsAtOnce };
        return runIngestApi({ ...system, logger }, { times, proxy, onlyByHand }, signal);
      },
    },
    {
      name: "diff",
      start: ({ signal, logger }) => runDiff({ ...system, logger }, { pollIntervalMs, stoppedPauseMs }, signal),
    },
    {
      name: "rosters",
      start: ({ signal, logger }) => runRosters({ ...system, logger }, { pollIntervalMs, stoppedPauseMs }, signal),
    },
    {
      name: "registration",
      start: ({ signal, logger }) => runRegistration({ ...system, logger }, { pollIntervalMs }, signal),
    },
    { name: "housekeeping", start: ({ signal }) => keepHouse(system, signal) },
  ];
  return all.map(startedAgain);
}

/** The service, told to start again when its database went away under it. */
function startedAgain(service: Service): Service {
  return {
    name: service.name,
    start: async (context) => {
      try {
        await service.start(context);
      } catch (error) {
        throw databaseFailure(error);
      }
    },
  };
}

/** Runs work with the services beside it, unless they run in another process; stops them when the work is done. */
export async function withServices<T>(system: System, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const { signal } = stop;
  const background = system.isUp
    ? [untilUpEnds(system, signal)]
    : services(system, { onlyByHand: true }).map((service) => supervise(service, { signal, logger: system.logger }));
  try {
    return await Promise.race([work(signal), ...background.map((each) => each.then(neverEndsByItself))]);
  } finally {
    stop.abort();
    await Promise.allSettled(background);
  }
}

/** Waiting for services that are gone would never end. @throws AppError `services.gone` when `rollcall up` ended. */
async function untilUpEnds(system: System, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(upPollMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted && !(await isUpRunning(system))) throw new AppError("services.gone");
  }
}

function neverEndsByItself(): Promise<never> {
  return new Promise(() => {});
}
