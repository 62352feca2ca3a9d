// Opens what the services stand on over a database that is there: the log, codecs, the inbox and landing.
// It keeps true that nothing is opened on another log than the installation began on.

import { join } from "node:path";

import { kafkaLog } from "../adapters/kafka/log.ts";
import { FolderLanding } from "../adapters/landing/folder.ts";
import type { Database } from "../adapters/postgres/database.ts";
import { type Inbox, openInbox } from "../adapters/postgres/inbox.ts";
import { type PostgresLog, postgresLog } from "../adapters/postgres/log.ts";
import { ChangeCodec } from "../adapters/registry/change-codec.ts";
import { type Codec, openCodec } from "../adapters/registry/codec.ts";
import { confluentRegistry, type RegistryServer } from "../adapters/registry/confluent.ts";
import { keepIds } from "../adapters/registry/known-ids.ts";
import { recordCodec, type RecordCodec } from "../adapters/registry/record-codec.ts";
import { repositoryRegistry } from "../adapters/registry/repository.ts";
import type { SecretKey } from "../adapters/sealed.ts";
import type { AppError } from "../errors.ts";
import type { IngestContext } from "../ingest/deliver.ts";
import type { Clock, EventLog, SchemaRegistry } from "../ports.ts";
import { controlTopics } from "../topics.ts";
import { keepToCluster, keepToLog } from "./keep-to-log.ts";
import { type LogState, LogWatch } from "./log-state.ts";
import type { Logger } from "./logger.ts";
import { defaultLandingDays, type KafkaSettings, type Settings } from "./settings.ts";
import { TopicWatch } from "./topic-watch.ts";

/** A log that this process opened. `deleteBefore` forgets the records before an offset. */
export type SystemLog = EventLog & Pick<PostgresLog, "deleteBefore" | "close">;

export type Ports = IngestContext & {
  readonly log: SystemLog;
  /** The log where it is the one in PostgreSQL, which we keep ourselves; on Kafka the brokers keep it: null. */
  readonly postgresLog: PostgresLog | null;
  readonly database: Database;
  readonly inbox: Inbox;
  readonly records: RecordCodec;
  readonly changes: ChangeCodec;
  /** What districts uploaded lies below it, by district and source. */
  readonly dropsFolder: string;
  /** Where the pages of a pull lie until they have landed, in a folder of its own each. */
  readonly pullsFolder: string;
  /** What credentials of sources are sealed with; null: ROLLCALL_SECRET_KEY is not set. */
  readonly secretKey: SecretKey | null;
  /** For how many days landing keeps files that nothing needs. */
  readonly landingDays: number;
  /** What the log cannot do just now, by the topic, which goes on by itself; and topics that others have changed. */
  readonly problems: () => ReadonlyMap<string, AppError>;
  /** Asks how the log is; within two seconds. */
  readonly logState: () => Promise<LogState>;
  /** Asks whether the brokers keep the topics as they shall be; those that they do not are problems from then on. */
  readonly lookAtTopics: () => Promise<void>;
};

const clock: Clock = { now: () => Date.now() };

/**
 * @param about.database open and migrated; closing the log does not close it.
 * @throws AppError `log.other`; on Kafka also `kafka.unreachable`, `registry.unreachable`, `registry.unregistered`,
 * `registry.ids-changed`.
 */
export async function openPorts(about: {
  readonly settings: Settings;
  readonly database: Database;
  readonly logger: Logger;
}): Promise<Ports> {
  const { settings, database, logger } = about;
  const { kafka = null } = settings;
  await keepToLog(database, kafka === null ? "postgres" : "kafka");
  const registry = kafka === null ? repositoryRegistry() : await keptRegistry(kafka.registry, database);
  const codec = await openCodec(registry);
  const changes = await ChangeCodec.open(registry);
  const { log, own, problems } = openLog({ kafka, database, codec });
  const watch = kafka === null ? null : new TopicWatch({ kafka, sql: database.sql, logger });
  try {
    if (kafka !== null) await keepToCluster(database, { kafka, log });
    for (const topic of Object.values(controlTopics)) await log.createTopic(topic.name);
  } catch (error) {
    await log.close();
    throw error;
  }
  const allProblems = (): ReadonlyMap<string, AppError> => new Map([...(watch?.changed ?? []), ...problems()]);
  const away = kafka === null ? "database.unreachable" : "kafka.unreachable";
  const logWatch = new LogWatch({ log, sql: database.sql, problems: allProblems, away });
  return {
    log,
    postgresLog: own,
    problems: allProblems,
    logState: () => logWatch.look(),
    lookAtTopics: async () => watch?.look(),
    database,
    sql: database.sql,
    codec,
    records: recordCodec(codec),
    changes,
    inbox: openInbox({ log, sql: database.sql, tell: tellRestart(logger) }),
    landing: new FolderLanding(join(settings.dataDir, "landing")),
    dropsFolder: join(settings.dataDir, "drops"),
    pullsFolder: join(settings.dataDir, "pulls"),
    secretKey: settings.secretKey ?? null,
    landingDays: settings.landingDays ?? defaultLandingDays,
    clock,
    logger,
  };
}

/** The registry with the ids of now, asked for once. @throws AppError `registry.ids-changed`. */
async function keptRegistry(server: RegistryServer, { sql }: Database): Promise<SchemaRegistry> {
  const asked = confluentRegistry(server);
  const ids = await asked.ids();
  const registry: SchemaRegistry = { ...asked, ids: () => Promise.resolve(ids) };
  await keepIds(sql, registry);
  return registry;
}

function tellRestart(logger: Logger): (restarted: AppError) => void {
  return (err) => logger.error({ err, remedy: err.remedy }, "a topic is read again from its beginning");
}

function openLog(about: { readonly kafka: KafkaSettings | null; readonly database: Database; readonly codec: Codec }): {
  readonly log: SystemLog;
  readonly own: PostgresLog | null;
  readonly problems: Ports["problems"];
} {
  const { kafka, ...rest } = about;
  if (kafka !== null) {
    const { connection, prefix, replicas } = kafka;
    const log = kafkaLog({ ...connection, ...rest, prefix, replicas });
    // Also who appends nothing sends what a process left that is gone.
    log.startSending();
    return { log, own: null, problems: () => log.failures() };
  }
  const own = postgresLog(rest);
  return { log: own, own, problems: () => new Map() };
}
