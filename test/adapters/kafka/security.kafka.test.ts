// The log over TLS with a password: every connection shows who it is, and a wrong password is told at once.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { kafkaLog } from "../../../libs/adapters/kafka/log.ts";
import { openCodec } from "../../../libs/adapters/registry/codec.ts";
import { repositoryRegistry } from "../../../libs/adapters/registry/repository.ts";
import { EnvReader } from "../../../libs/runtime/env.ts";
import { readSettings } from "../../../libs/runtime/settings.ts";
import { freePorts } from "../../../libs/stack/free-ports.ts";
import { startBroker } from "../../../libs/stack/broker.ts";
import { codeOf, keysOf, leaseOf, numbered, readAll, topic } from "../../contract/log-under-test.ts";
import { kafkaBrokers } from "../../support/kafka.ts";
import { freshDatabase } from "../../support/postgres.ts";

const storePassword = "for-this-test";

function keytool(...args: readonly string[]): string {
  const said = spawnSync("keytool", [...args], { encoding: "utf8" });
  if (said.status !== 0) throw new Error(`keytool: ${said.stdout}${said.stderr}`);
  return said.stdout;
}

/** A broker's listener with TLS and passwords, beside the plain one that says when it is ready. */
function secured(folder: string, ports: { readonly plain: number; readonly secure: number; readonly control: number }) {
  const login = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  const listener = "listener.name.sasl_ssl";
  return {
    listeners: `PLAINTEXT://127.0.0.1:${ports.plain},SASL_SSL://127.0.0.1:${ports.secure},CONTROLLER://127.0.0.1:${ports.control}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${ports.plain},SASL_SSL://127.0.0.1:${ports.secure}`,
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
    "sasl.enabled.mechanisms": "PLAIN",
    [`${listener}.plain.sasl.jaas.config`]: `${login} user_rollcall="right";`,
    [`${listener}.ssl.keystore.type`]: "PKCS12",
    [`${listener}.ssl.keystore.location`]: join(folder, "keys.p12"),
    [`${listener}.ssl.keystore.password`]: storePassword,
    [`${listener}.ssl.key.password`]: storePassword,
  };
}

t.test("the log works over TLS and SASL, and a wrong password is refused and not tried again", async (t) => {
  if ((await kafkaBrokers(t)) === null) return;
  const folder = mkdtempSync(join(tmpdir(), "rollcall-tls-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const store = ["-storetype", "PKCS12", "-keystore", join(folder, "keys.p12"), "-storepass", storePassword];
  const names = ["-dname", "CN=localhost", "-ext", "SAN=IP:127.0.0.1,DNS:localhost"];
  keytool("-genkeypair", "-alias", "broker", "-keyalg", "RSA", "-validity", "2", ...names, ...store);
  const ca = keytool("-exportcert", "-rfc", "-alias", "broker", ...store);
  const [secure = 0, plain = 0, control = 0] = await freePorts(3);
  const properties = secured(folder, { plain, secure, control });
  const server = await startBroker({ folder, port: plain, controllerPort: control, isBound: true, properties });
  t.teardown(() => server.kill());

  const database = await freshDatabase(t);
  const codec = await openCodec(repositoryRegistry());
  writeFileSync(join(folder, "ca.pem"), ca);
  const open = (password: string, trust: object = { KAFKA_TLS_CA_FILE: join(folder, "ca.pem") }) => {
    const env = new EnvReader({
      KAFKA_BROKERS: `127.0.0.1:${secure}`,
      KAFKA_TLS: "true",
      ...trust,
      KAFKA_SASL_MECHANISM: "plain",
      KAFKA_SASL_USERNAME: "rollcall",
      KAFKA_SASL_PASSWORD: password,
      SCHEMA_REGISTRY_URL: "http://127.0.0.1:1",
    });
    const { kafka } = readSettings(env);
    env.finish();
    if (kafka === null || kafka === undefined) throw new Error("Kafka is set");
    const log = kafkaLog({ database, codec, ...kafka.connection, patienceMs: 2_000 });
    t.teardown(() => log.close());
    return log;
  };
  const log = open("right");
  await log.createTopic(topic);
  await log.createTopic("deliveries");
  const writer = await log.openWriter(topic, await leaseOf(database));
  await writer.append(numbered(3_000));
  await log.transaction(async (tx) => tx.append("deliveries", numbered(10)));
  t.equal((await readAll(log, topic)).length, 3_001);
  t.equal(keysOf(await readAll(log, "deliveries")).length, 10);
  const start = performance.now();
  t.equal(await codeOf(open("wrong").extent(topic)), "kafka.refused");
  t.ok(performance.now() - start < 5_000);
  t.notMatch(log.description, /right/u);
  t.equal(
    await codeOf(open("right", {}).extent(topic)),
    "kafka.unreachable",
    "who signed the certificate must be known",
  );
});
