// An installation stays with the log it began on, whichever that was.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";

import { openSystem } from "../../libs/cli/system.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { EnvReader } from "../../libs/runtime/env.ts";
import { readSettings, type Settings } from "../../libs/runtime/settings.ts";
import { freshDatabase } from "../support/postgres.ts";

const logger = createLogger({ name: "test", level: "silent" });
// Nothing listens there: a refusal must come before anybody is asked.
const kafka = { KAFKA_BROKERS: "127.0.0.1:1", SCHEMA_REGISTRY_URL: "http://127.0.0.1:1" };

function settings(env: Readonly<Record<string, string>>): Settings {
  const reader = new EnvReader(env);
  const read = readSettings(reader);
  reader.finish();
  return read;
}

t.test("what began in PostgreSQL is refused on Kafka, and the other way round", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rollcall-open-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const database = await freshDatabase(t);
  const env = { ROLLCALL_DATA: folder, DATABASE_URL: database.url };
  const system = await openSystem(settings(env), logger);
  await system.close();
  await t.rejects(openSystem(settings({ ...env, ...kafka }), logger), { code: "log.other", message: /not on Kafka/u });
  const again = await openSystem(settings(env), logger);
  await again.close();

  await database.sql("installation").update({ log: "kafka" });
  await t.rejects(openSystem(settings(env), logger), { code: "log.other", message: /not on PostgreSQL/u });
});

t.test("settings of Kafka are told all at once when they are wrong", async (t) => {
  const env = { KAFKA_BROKERS: "a:1", KAFKA_TLS: "yes", KAFKA_SASL_MECHANISM: "plain", KAFKA_REPLICAS: "0" };
  try {
    settings(env);
    t.fail("they were taken");
  } catch (error) {
    const names = ["KAFKA_TLS", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_REPLICAS", "SCHEMA_REGISTRY_URL"];
    for (const name of names) t.match(String(error), name);
  }
});

t.test("settings of Kafka, all of them", async (t) => {
  const read = settings({
    KAFKA_BROKERS: "a:1, b:2",
    KAFKA_TLS: "true",
    KAFKA_SASL_MECHANISM: "scram-sha-512",
    KAFKA_SASL_USERNAME: "u",
    KAFKA_SASL_PASSWORD: "p",
    KAFKA_TOPIC_PREFIX: "x.",
    KAFKA_REPLICAS: "3",
    SCHEMA_REGISTRY_URL: "http://r/",
    SCHEMA_REGISTRY_USERNAME: "ru",
    SCHEMA_REGISTRY_PASSWORD: "rp",
  });
  t.strictSame(read.kafka, {
    connection: {
      brokers: ["a:1", "b:2"],
      clientId: "rollcall",
      ssl: true,
      sasl: { mechanism: "scram-sha-512", username: "u", password: "p" },
    },
    prefix: "x.",
    replicas: 3,
    registry: { url: "http://r", auth: { username: "ru", password: "rp" } },
  });
});
