// One service as a process of its own: opens what it stands on, runs it, says how it is, and starts it again when the
// world failed. It keeps true that a server which is down, also at the start, is waited for and said so in the health
// answer, and that commands know from the lease `up` that services run.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { type Database, databaseFailure, migrate, openDatabase } from "../adapters/postgres/database.ts";
import { type HeldLease, holdLease } from "../adapters/postgres/leases.ts";
import { AppError } from "../errors.ts";
import { type Health, serveHealth } from "./health.ts";
import { createLogger, type Logger } from "./logger.ts";
import { openPorts, type Ports } from "./open.ts";
import type { ProcessSettings } from "./process-settings.ts";
import { run, type RunContext, type Service } from "./run.ts";

const upLease = "up";
const upLeaseMs = 15_000;
const upPollMs = 5_000;
const usageExit = 2;

export type ServiceProcess<Config extends ProcessSettings> = {
  readonly name: string;
  /** @throws AppError `config.invalid`. */
  readonly config: () => Config;
  /** Runs until the signal of the context is aborted. */
  readonly start: (ports: Ports, config: Config, context: RunContext) => Promise<void>;
  /** Opens what goes on while the log is away, on the database alone; it is closed at the end. */
  readonly onDatabase?: (database: Database, config: Config, context: RunContext) => Promise<Open>;
};

type Open = { close(): Promise<void> };

/** Never resolves: exits as {@link run} does, with 2 when the configuration is wrong. */
export async function runServiceProcess<Config extends ProcessSettings>(
  service: ServiceProcess<Config>,
): Promise<never> {
  const logger = createLogger({ name: service.name });
  const config = configOf(service, logger);
  const state = new State(service.name);
  const health = await serveHealth(config.health, () => state.health());
  return run({
    name: service.name,
    logger,
    services: [
      { name: service.name, start: (context) => startOnce(service, { config, state, context }) },
      ...onDatabase(service, { config, state }),
    ],
    close: () => health.close(),
  });
}

function configOf<Config extends ProcessSettings>({ config }: ServiceProcess<Config>, logger: Logger): Config {
  try {
    return config();
  } catch (err) {
    logger.fatal({ err }, "the configuration is wrong");
    return process.exit(usageExit);
  }
}

function onDatabase<Config extends ProcessSettings>(
  { name, onDatabase: open }: ServiceProcess<Config>,
  { config, state }: { readonly config: Config; readonly state: State },
): readonly Service[] {
  if (open === undefined) return [];
  state.opens(null);
  const start = async (context: RunContext): Promise<void> => {
    const database = openDatabase(config.settings.databaseUrl);
    try {
      await migrate(database);
      const opened = await open(database, config, context);
      state.opened();
      await aborted(context.signal);
      await opened.close();
    } catch (error) {
      const failure = databaseFailure(error);
      state.opens(failure);
      throw failure;
    } finally {
      await database.close();
    }
  };
  return [{ name: `${name} on the database`, start }];
}

async function startOnce<Config extends ProcessSettings>(
  service: ServiceProcess<Config>,
  about: { readonly config: Config; readonly state: State; readonly context: RunContext },
): Promise<void> {
  const { config, state, context } = about;
  const { settings } = config;
  const database = openDatabase(settings.databaseUrl);
  const end = new AbortController();
  const background: Promise<void>[] = [];
  let ports: Ports | undefined;
  try {
    await migrate(database);
    const opened = await openPorts({ settings, database, logger: context.logger });
    ports = opened;
    const running = AbortSignal.any([end.signal, context.signal]);
    background.push(sayUp(opened, { state, signal: running }));
    state.runs(() => opened.logState());
    await service.start(opened, config, context);
  } catch (error) {
    const failure = databaseFailure(error);
    state.fails(failure);
    throw failure;
  } finally {
    end.abort();
    await Promise.allSettled([...background, ports?.log.close()]);
    await database.close();
  }
}

/**
 * Of all processes one at a time holds the lease that tells commands of services which run. Each asks for it again and
 * again, and so notices that the database is away also where the service itself has nothing to ask.
 */
async function sayUp(
  ports: Ports,
  { state, signal }: { readonly state: State; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const held = await askToBeUp(ports, { state, signal });
    if (held === null) {
      await sleep(upPollMs, undefined, { signal, ref: false }).catch(() => {});
      continue;
    }
    await aborted(AbortSignal.any([signal, held.signal]));
    await held.release().catch(() => {});
  }
}

/** @returns null when another process has the lease, or the database does not answer. */
async function askToBeUp(
  ports: Ports,
  { state, signal }: { readonly state: State; readonly signal: AbortSignal },
): Promise<HeldLease | null> {
  try {
    const held = await holdLease(ports.sql, { name: upLease, holder: randomUUID(), ttlMs: upLeaseMs });
    // Once the service has ended, what is known of it is known better elsewhere.
    if (!signal.aborted) state.runs(() => ports.logState());
    return held;
  } catch (error) {
    if (!signal.aborted) state.fails(databaseFailure(error));
    return null;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function reasonOf(error: unknown): NonNullable<Health["reason"]> {
  return error instanceof AppError
    ? { code: error.code, remedy: error.remedy }
    : { code: "bug", remedy: "This is a fault of Rollcall: look at the log." };
}

/** How the process is, as it last changed. */
class State {
  readonly #service: string;
  #state: Health["state"] = "starting";
  #since = Date.now();
  #reason: Health["reason"] = null;
  #logState: Ports["logState"] | null = null;
  #awaySince: number | null = null;
  /** What is beside the service and not open: since when, and why. */
  #unopened: { readonly since: number; readonly reason: Health["reason"] } | null = null;

  constructor(service: string) {
    this.#service = service;
  }

  runs(logState: Ports["logState"]): void {
    this.#become("running", null);
    this.#logState = logState;
  }

  fails(error: unknown): void {
    this.#become(this.#state === "starting" ? "starting" : "failing", reasonOf(error));
    this.#logState = null;
  }

  /** @param failure why it is not open yet; null: nothing hinders it. */
  opens(failure: unknown): void {
    const reason = failure === null ? null : reasonOf(failure);
    this.#unopened = { since: this.#unopened?.since ?? Date.now(), reason };
  }

  opened(): void {
    this.#unopened = null;
  }

  async health(): Promise<Health> {
    const { away = null, unsentMs = null, topics = {} } = (await this.#logState?.()) ?? {};
    // The service itself may have nothing to ask of the log just now.
    if (away !== null) this.#awaySince ??= Date.now();
    else this.#awaySince = null;
    const isAway = away !== null && this.#state === "running";
    if (this.#state === "running" && !isAway && this.#unopened !== null) {
      const { since, reason } = this.#unopened;
      const about = { state: reason === null ? "starting" : "failing", since: new Date(since).toISOString() } as const;
      return { service: this.#service, ...about, reason, unsentMs, topics };
    }
    return {
      service: this.#service,
      state: isAway ? "failing" : this.#state,
      since: new Date((isAway ? this.#awaySince : null) ?? this.#since).toISOString(),
      reason: isAway ? { code: away, remedy: new AppError(away).remedy } : this.#reason,
      unsentMs,
      topics,
    };
  }

  #become(state: Health["state"], reason: Health["reason"]): void {
    if (state !== this.#state) this.#since = Date.now();
    this.#state = state;
    this.#reason = reason;
  }
}
