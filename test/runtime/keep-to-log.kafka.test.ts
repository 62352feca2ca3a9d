// An installation on Kafka stays with its cluster and its prefix, and leaves alone the topics of another one.

import { randomBytes } from "node:crypto";

import t from "tap";

import { applyTopics } from "../../libs/adapters/kafka/admin.ts";
import { keepToCluster, keepToLog, refuseOtherCluster } from "../../libs/runtime/keep-to-log.ts";
import { wantedTopics } from "../../libs/runtime/topics.ts";
import { freshKafkaLogs } from "../adapters/kafka/fresh-logs.ts";
import { kafkaBrokers } from "../support/kafka.ts";
import { freshDatabase } from "../support/postgres.ts";

const brokers = await kafkaBrokers(t);
const connection = { brokers: brokers?.split(",") ?? [], clientId: "rollcall-test" };
const settings = (prefix: string) => ({ connection, prefix, replicas: 1, registry: { url: "" } });

if (brokers !== null) {
  t.test("another prefix, another cluster and topics of another installation are refused", async (t) => {
    const { log, database, prefix } = await freshKafkaLogs(t, brokers);
    const kafka = settings(prefix);
    await applyTopics(connection, await wantedTopics(database.sql, kafka));
    await keepToLog(database, "kafka");
    await refuseOtherCluster(database, settings("other."));
    await keepToCluster(database, { kafka, log });
    await refuseOtherCluster(database, kafka);
    const other = settings(`test-${randomBytes(6).toString("hex")}.`);
    const refused = { code: "log.other", message: /KAFKA_TOPIC_PREFIX/u };
    await t.rejects(keepToCluster(database, { kafka: other, log }), refused);
    await t.rejects(refuseOtherCluster(database, other), refused);
    await log.createTopic("notices");
    const record = { key: '["a","b"]', value: Buffer.from("x") };
    await log.transaction(async (tx) => tx.append("notices", [record]));
    await keepToCluster(database, { kafka, log });

    const stranger = await freshDatabase(t);
    await keepToLog(stranger, "kafka");
    await t.rejects(keepToCluster(stranger, { kafka, log }), { code: "log.other", message: /another installation/u });
    await t.rejects(keepToCluster(stranger, { kafka, log }), { code: "log.other" }, "and again");

    await database.sql("installation").update({ cluster: null, prefix: null });
    await keepToCluster(database, { kafka, log });
    await database.sql("installation").update({ cluster: "elsewhere" });
    await t.rejects(keepToCluster(database, { kafka, log }), { code: "log.other", message: /elsewhere/u });
  });
}
