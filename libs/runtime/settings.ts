// What every process of the system stands on, read from its environment: the data folder, PostgreSQL, and Kafka with its
// schema registry where KAFKA_BROKERS is set. Without it the log is in PostgreSQL.
// It keeps true that no password goes over a line that anybody can read unless that is said, and that none is in a URL.

import { resolve } from "node:path";

import type { KafkaConnection } from "../adapters/kafka/shim.ts";
import type { RegistryServer } from "../adapters/registry/confluent.ts";
import { parseSecretKey, type SecretKey } from "../adapters/sealed.ts";
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
  /** What credentials of sources are sealed with; null, or not given: none can be kept or read. */
  readonly secretKey?: SecretKey | null;
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
    secretKey: readSecretKey(env),
  };
}

/** One key, or while it is being changed the new one and the old one. @returns null where none is set. */
function readSecretKey(env: EnvReader): SecretKey | null {
  const text = env.optional("ROLLCALL_SECRET_KEY");
  if (text === null) return null;
  const key = parseSecretKey(text);
  if (key === null)
    env.refuse(
      "ROLLCALL_SECRET_KEY must be 32 bytes in base64 (`openssl rand -base64 32`), or several with commas between",
    );
  return key;
}

/** @returns null where KAFKA_BROKERS is not set. */
function readKafka(env: EnvReader): KafkaSettings | null {
  const brokers = env.optional("KAFKA_BROKERS");
  if (brokers === null) return null;
  const tls = readTls(env);
  return {
    connection: {
      brokers: readBrokers(env, brokers),
      clientId: "rollcall",
      ...tls,
      ...readSasl(env, { isPlain: tls.ssl === undefined }),
    },
    prefix: env.text("KAFKA_TOPIC_PREFIX", ""),
    replicas: env.integer("KAFKA_REPLICAS", { fallback: 1, min: 1, max: 9 }),
    registry: readRegistry(env),
  };
}

const largestPort = 65_535;

/** One at least. A comma too many is none's place. */
function readBrokers(env: EnvReader, text: string): readonly string[] {
  const brokers = text.split(",").flatMap((broker) => (broker.trim() === "" ? [] : [broker.trim()]));
  const isPlace = (broker: string): boolean => {
    const [, port = "0"] = /^[^\s:/@]+:([0-9]{1,5})$/u.exec(broker) ?? [];
    return Number(port) >= 1 && Number(port) <= largestPort;
  };
  if (brokers.length === 0 || !brokers.every(isPlace))
    env.refuse("KAFKA_BROKERS must be host:port, or several with commas between");
  return brokers;
}

const tlsNames = ["KAFKA_TLS_CA", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"] as const;

/** What a certificate is checked with and what is shown: all PEM, as Node's TLS takes them. */
function readTls(env: EnvReader): Pick<KafkaConnection, "ssl"> {
  const isOn = env.flag("KAFKA_TLS", false);
  const [ca = null, cert = null, key = null] = tlsNames.map((name) => env.optional(name));
  if (!isOn && (ca ?? cert ?? key) !== null) env.refuse(`${tlsNames.join(", ")} need KAFKA_TLS=true`);
  if ((cert === null) !== (key === null)) env.refuse("KAFKA_TLS_CERT and KAFKA_TLS_KEY go together");
  if (!isOn) return {};
  if (ca === null && cert === null) return { ssl: true };
  return { ssl: { ...(ca === null ? {} : { ca: [ca] }), ...(cert === null || key === null ? {} : { cert, key }) } };
}

/** @param line.isPlain whether anybody on the way can read what is sent. */
function readSasl(env: EnvReader, line: { readonly isPlain: boolean }): Pick<KafkaConnection, "sasl"> {
  const mechanism = env.oneOf("KAFKA_SASL_MECHANISM", mechanisms, "none");
  const isMeant = env.flag("KAFKA_SASL_WITHOUT_TLS", false);
  if (mechanism === "none") return {};
  if (mechanism === "plain" && line.isPlain && !isMeant)
    env.refuse(
      "KAFKA_SASL_MECHANISM=plain sends the password as it is: set KAFKA_TLS=true, or KAFKA_SASL_WITHOUT_TLS=true if nobody can listen",
    );
  return {
    sasl: { mechanism, username: env.text("KAFKA_SASL_USERNAME"), password: env.text("KAFKA_SASL_PASSWORD") },
  };
}

/** A name and password in the URL count as if they stood in variables of their own, which come first. */
function readRegistry(env: EnvReader): RegistryServer {
  const text = env.text("SCHEMA_REGISTRY_URL");
  const url = URL.parse(text);
  if (text !== "" && !/^https?:$/u.test(url?.protocol ?? ""))
    env.refuse("SCHEMA_REGISTRY_URL is no URL of http or https");
  if (url === null) return { url: "" };
  const own = env.optional("SCHEMA_REGISTRY_USERNAME");
  const username = own ?? decodeURIComponent(url.username);
  const password = own === null ? decodeURIComponent(url.password) : env.text("SCHEMA_REGISTRY_PASSWORD");
  url.username = "";
  url.password = "";
  return { url: url.href.replace(/\/+$/u, ""), ...(username === "" ? {} : { auth: { username, password } }) };
}
