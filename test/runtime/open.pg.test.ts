// An installation stays with the log it began on, whichever that was.

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";

import { confluentRegistry } from "../../libs/adapters/registry/confluent.ts";
import { openSystem } from "../../libs/cli/system.ts";
import { describeError } from "../../libs/runtime/describe-error.ts";
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

t.test("brokers are told by host and port, and a comma too many is none's", async (t) => {
  const of = (text: string) => settings({ KAFKA_BROKERS: text, SCHEMA_REGISTRY_URL: "http://r" }).kafka?.connection;
  for (const wrong of ["foo", "foo:bar", ",", "http://a:1", "a:0", "a:65536", "a:1,b", "u:s3cret@a:1"]) {
    const thrown = t.throws(() => of(wrong), { code: "config.invalid", message: /KAFKA_BROKERS/u }, wrong);
    t.notMatch(String(thrown instanceof Error && thrown.message), "s3cret");
  }
  t.strictSame(of("127.0.0.1:9092,")?.brokers, ["127.0.0.1:9092"]);
});

t.test("what belongs together is asked for together, and a password is not sent for all to read", async (t) => {
  const base = { KAFKA_BROKERS: "a:1", SCHEMA_REGISTRY_URL: "http://r" };
  const plain = { KAFKA_SASL_MECHANISM: "plain", KAFKA_SASL_USERNAME: "u", KAFKA_SASL_PASSWORD: "s3cret" };
  for (const [env, message] of [
    [plain, /KAFKA_SASL_WITHOUT_TLS/u],
    [{ KAFKA_TLS_CA: "s3cret" }, /KAFKA_TLS=true/u],
    [{ KAFKA_TLS: "true", KAFKA_TLS_CERT: "s3cret" }, /KAFKA_TLS_KEY/u],
    [{ SCHEMA_REGISTRY_URL: "r:s3cret@host" }, /SCHEMA_REGISTRY_URL/u],
  ] as const) {
    const thrown = t.throws(() => settings({ ...base, ...env }), { code: "config.invalid", message });
    t.notMatch(String(thrown instanceof Error && thrown.message), "s3cret");
  }
  t.equal(settings({ ...base, ...plain, KAFKA_SASL_WITHOUT_TLS: "true" }).kafka?.connection.ssl, undefined);
  t.match(settings({ ...base, KAFKA_TLS: "true", KAFKA_TLS_CA: "c", KAFKA_TLS_CERT: "d", KAFKA_TLS_KEY: "e" }).kafka, {
    connection: { ssl: { ca: ["c"], cert: "d", key: "e" } },
  });
});

t.test("the key of credentials is read, and one that is none is refused without being repeated", async (t) => {
  const [one, other] = [Buffer.alloc(32, 1).toString("base64"), Buffer.alloc(32, 2).toString("base64")];
  t.equal(settings({}).secretKey, null);
  t.equal(settings({ ROLLCALL_SECRET_KEY: one }).secretKey?.former.length, 0);
  t.equal(settings({ ROLLCALL_SECRET_KEY: `${other},${one}` }).secretKey?.former.length, 1);
  const folder = mkdtempSync(join(tmpdir(), "rollcall-open-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "key"), `${one}\n`);
  t.ok(settings({ ROLLCALL_SECRET_KEY_FILE: join(folder, "key") }).secretKey);
  const wrong = { code: "config.invalid", message: /ROLLCALL_SECRET_KEY must be 32 bytes in base64/u };
  const thrown = t.throws(() => settings({ ROLLCALL_SECRET_KEY: "s3cret" }), wrong);
  t.notMatch(String(thrown instanceof Error && thrown.message), "s3cret");
});

t.test("a password in the registry's URL is kept out of it, and out of what is told", async (t) => {
  const { kafka } = settings({ KAFKA_BROKERS: "a:1", SCHEMA_REGISTRY_URL: "http://u:p%40ss@127.0.0.1:1/apis/" });
  t.strictSame(kafka?.registry, { url: "http://127.0.0.1:1/apis", auth: { username: "u", password: "p@ss" } });
  // Also where it got past the settings.
  const failed: unknown = await confluentRegistry({ url: "http://u:s3cret@127.0.0.1:1" })
    .idOf("rollcall.log.Writer")
    .catch((error: unknown) => error);
  t.match(describeError(failed), { code: "registry.unreachable" });
  t.notMatch(JSON.stringify(describeError(failed)), "s3cret");
});

t.test("a registry that answers something else is not there yet, and that may pass", async (t) => {
  const wrongPath = '{"error_code":404,"message":"HTTP 404 Not Found"}';
  for (const [status, text] of [
    [200, "<html>"],
    [404, "<html>"],
    [404, wrongPath],
  ] as const) {
    const server = createServer((_request, response) => response.writeHead(status).end(text)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    const failure = { code: "registry.unreachable", retryable: true };
    await t.rejects(confluentRegistry({ url }).idOf("rollcall.log.Writer"), failure, `${status} ${text}`);
    server.close();
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
