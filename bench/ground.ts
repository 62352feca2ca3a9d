// What the measurements stand on: a folder, a PostgreSQL, and where they can be had a broker and a registry, all of them
// started for one run and gone after it.
// It keeps true that both logs are measured in the same run, on the same disk, with databases of one server.

import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";

import pg from "pg";

import { startPostgres } from "../libs/adapters/postgres/embedded.ts";
import { registerSchemas } from "../libs/adapters/registry/confluent.ts";
import { type System, openSystem } from "../libs/cli/system.ts";
import { type DistrictId, parseDistrictId, type SourceId, parseSourceId } from "../libs/domain/ids.ts";
import { EnvReader, processEnv } from "../libs/runtime/env.ts";
import { createLogger } from "../libs/runtime/logger.ts";
import { readSettings, type Settings } from "../libs/runtime/settings.ts";
import { stackObstacle } from "../libs/stack/artifacts.ts";
import { startLogServers } from "../libs/stack/log-servers.ts";

export type Options = {
  readonly rounds: number;
  /** Where the temporary folder is made. */
  readonly parent: string;
  /** Folder for CPU profiles. */
  readonly profile: string | null;
};

/** A way to run: by the log it has. */
export type Way = { readonly log: "PostgreSQL" | "Kafka"; readonly settings: Settings };

export type Ground = { readonly folder: string; readonly postgres: Way; readonly kafka: Way | null };

/** What every measurement can be told by variables. */
export function optionsFromEnv(): Options {
  const env = new EnvReader(processEnv());
  const options = {
    rounds: env.integer("BENCH_ROUNDS", { fallback: 3, min: 1, max: 99 }),
    profile: env.optional("BENCH_PROFILE"),
    parent: env.text("BENCH_FOLDER", tmpdir()),
  };
  env.finish();
  return options;
}

/** A count that one measurement alone has. */
export function countFromEnv(name: string, fallback: number): number {
  const env = new EnvReader(processEnv());
  const count = env.integer(name, { fallback, min: 1, max: 5_000_000 });
  env.finish();
  return count;
}

export async function inFolder(parent: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(parent, "rollcall-bench-"));
  // Under root the server runs as another user, who must be able to pass.
  await chmod(folder, 0o711);
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function onGround(parent: string, work: (ground: Ground) => Promise<void>): Promise<void> {
  return inFolder(parent, async (folder) => {
    const server = await startPostgres({ dataDir: join(folder, "database") });
    try {
      await onLogServers({ folder, databaseUrl: server.url }, work);
    } finally {
      await server.stop();
    }
  });
}

type Place = { readonly folder: string; readonly databaseUrl: string };

async function onLogServers({ folder, databaseUrl }: Place, work: (ground: Ground) => Promise<void>): Promise<void> {
  const postgres: Way = { log: "PostgreSQL", settings: await settingsOf({ folder, databaseUrl }, "postgres") };
  const obstacle = stackObstacle();
  if (obstacle !== null) {
    say(`the figures on Kafka are left out: ${obstacle}`);
    return work({ folder, postgres, kafka: null });
  }
  const servers = await startLogServers({ folder: join(folder, "servers"), isBound: true });
  try {
    const variables = { KAFKA_BROKERS: servers.brokers, SCHEMA_REGISTRY_URL: servers.registryUrl };
    const settings = await settingsOf({ folder, databaseUrl }, "kafka", variables);
    if (settings.kafka) await registerSchemas(settings.kafka.registry);
    await work({ folder, postgres, kafka: { log: "Kafka", settings } });
  } finally {
    await servers.stop();
  }
}

/** A data folder and a database of its own: an installation stays with the log that it began on. */
async function settingsOf(
  { folder, databaseUrl }: Place,
  name: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<Settings> {
  const url = new URL(databaseUrl);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`create database ${pg.escapeIdentifier(`bench_${name}`)}`);
  await client.end();
  url.pathname = `/bench_${name}`;
  const dataDir = join(folder, name);
  await mkdir(dataDir);
  return readSettings(new EnvReader({ ROLLCALL_DATA: dataDir, DATABASE_URL: url.href, ...variables }));
}

/** Opens the system as a command does, and closes it after the work. */
export async function withSystem<T>(settings: Settings, work: (system: System) => Promise<T>): Promise<T> {
  const system = await openSystem(settings, createLogger({ name: "bench", level: "warn" }));
  try {
    return await work(system);
  } finally {
    await system.close();
  }
}

/** A district and its source, both of this name. */
export function namesOf(name: string): { readonly district: DistrictId; readonly source: SourceId } {
  const district = parseDistrictId(name);
  const source = parseSourceId(name);
  if (district === null || source === null) throw new Error(`${name} is no id`);
  return { district, source };
}

export function machine(): string {
  return `${availableParallelism()} cores, ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
}

export function say(text: string): void {
  console.error(text);
}
