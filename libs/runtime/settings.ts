// What every process of the system stands on, read from its environment: the data folder, PostgreSQL, and Kafka with its
// schema registry where KAFKA_BROKERS is set. Without it the log is in PostgreSQL.

import { resolve } from "node:path";

import type { KafkaConnection } from "../adapters/kafka/shim.ts";
import type { RegistryServer } from "../adapters/registry/confluent.ts";
import type { EnvReader } from "./env.ts";

export type KafkaSettings = {
  readonly connection: KafkaConnection;
  /** Before the name of every topic, for clusters that others use too; may be empty. */
  readonly prefix: string;
  /** Copies of each record. */
  readonly replicas: number;
  readonly registry: RegistryServer;
};

export type Settings = {
  /** Folder of landing, and of the embedded database. */
  readonly dataDir: string;
  /** A PostgreSQL of one's own; null: an embedded one. */
  readonly databaseUrl: string | null;
  /** null, or not given: the log is in PostgreSQL. */
  readonly kafka?: KafkaSettings | null;
  /** For how many days landing keeps files that nothing needs; 30 unless given. */
  readonly landingDays?: number;
  /** How long to wait for the turn of this command, milliseconds; a minute unless given. */
  readonly busyLimitMs?: number;
};

export const defaultLandingDays = 30;

const mechanisms = ["none", "plain", "scram-sha-256", "scram-sha-512"] as const;

/** Reads them all; what is wrong is told by `env.finish()`. */
export function readSettings(env: EnvReader): Settings {
  return {
    dataDir: resolve(env.text("ROLLCALL_DATA", ".rollcall")),
    databaseUrl: env.optional("DATABASE_URL"),
    kafka: readKafka(env),
    landingDays: env.integer("ROLLCALL_LANDING_DAYS", { fallback: defaultLandingDays, min: 1, max: 36_500 }),
  };
}

/** @returns null where KAFKA_BROKERS is not set. */
function readKafka(env: EnvReader): KafkaSettings | null {
  const brokers = env.optional("KAFKA_BROKERS");
  if (brokers === null) return null;
  return {
    connection: {
      brokers: brokers.split(",").map((broker) => broker.trim()),
      clientId: "rollcall",
      ...(env.flag("KAFKA_TLS", false) ? { ssl: true } : {}),
      ...readSasl(env),
    },
    prefix: env.text("KAFKA_TOPIC_PREFIX", ""),
    replicas: env.integer("KAFKA_REPLICAS", { fallback: 1, min: 1, max: 9 }),
    registry: { url: env.text("SCHEMA_REGISTRY_URL").replace(/\/+$/u, ""), ...readRegistryAuth(env) },
  };
}

function readSasl(env: EnvReader): Pick<KafkaConnection, "sasl"> {
  const mechanism = env.oneOf("KAFKA_SASL_MECHANISM", mechanisms, "none");
  if (mechanism === "none") return {};
  return {
    sasl: { mechanism, username: env.text("KAFKA_SASL_USERNAME"), password: env.text("KAFKA_SASL_PASSWORD") },
  };
}

function readRegistryAuth(env: EnvReader): Pick<RegistryServer, "auth"> {
  const username = env.optional("SCHEMA_REGISTRY_USERNAME");
  return username === null ? {} : { auth: { username, password: env.text("SCHEMA_REGISTRY_PASSWORD") } };
}
