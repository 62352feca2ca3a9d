// Two Kafka logs over one fresh database, with topics of their own on the brokers that the test files share.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { kafkaLog } from "../../../libs/adapters/kafka/log.ts";
import type { KafkaLog, KafkaLogOptions } from "../../../libs/adapters/kafka/log.ts";
import { topicSettings } from "../../../libs/adapters/kafka/topic-settings.ts";
import { openCodec } from "../../../libs/adapters/registry/codec.ts";
import { repositoryRegistry } from "../../../libs/adapters/registry/repository.ts";
import type { LogUnderTest } from "../../contract/log-under-test.ts";
import { freshDatabase } from "../../support/postgres.ts";
import type { Teardown } from "../../support/teardown.ts";

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

export type KafkaLogs = LogUnderTest & {
  readonly log: KafkaLog;
  readonly other: KafkaLog;
  /** Put before the names of the test's topics. */
  readonly prefix: string;
  /** Another log over the same topics and database, as a third process would have; closed at the end of the test. */
  readonly another: (options?: Partial<KafkaLogOptions>) => KafkaLog;
};

/** @param brokers where they are: host:port, several with commas between them. */
export async function freshKafkaLogs(t: Teardown, brokers: string): Promise<KafkaLogs> {
  const database = await freshDatabase(t);
  const codec = await openCodec(repositoryRegistry());
  const prefix = `test-${randomBytes(6).toString("hex")}.`;
  const another = (options: Partial<KafkaLogOptions> = {}): KafkaLog => {
    const opened = kafkaLog({
      database,
      codec,
      brokers: brokers.split(","),
      clientId: "rollcall-test",
      prefix,
      stallMs: 3_000,
      ...options,
    });
    t.teardown(() => opened.close());
    return opened;
  };
  const log = another();
  return {
    log,
    other: another(),
    another,
    database,
    codec,
    prefix,
    showsParts: true,
    compact: async (topic) => {
      await alterTopic(brokers, { name: prefix + topic, settings: eagerCompaction });
      await compacted(log, topic);
    },
    environment: { CRASH_BROKERS: brokers, CRASH_PREFIX: prefix },
    expire: async (topic, before) => {
      // What compaction keeps can be dropped only where age may drop it too.
      await alterTopic(brokers, {
        name: prefix + topic,
        settings: { ...topicSettings(topic), "cleanup.policy": "compact,delete" },
      });
      await log.deleteBefore(topic, before);
    },
  };
}

/** Compacts whatever it can, at once. */
export const eagerCompaction = {
  "cleanup.policy": "compact",
  "segment.ms": "500",
  "segment.bytes": "1048576",
  "min.cleanable.dirty.ratio": "0.01",
  "delete.retention.ms": "200",
  "max.compaction.lag.ms": "500",
} as const;

/** Waits until nothing of what stands in the topic now can be compacted away; appends, since what is written to stays. */
async function compacted(log: KafkaLog, topic: string): Promise<void> {
  const { generation, end } = await log.createTopic(topic);
  for (let look = 0; look < 80; look++) {
    await log.transaction(async (tx) => tx.append(topic, [{ key: "roll", value: Buffer.from(String(look)) }]));
    const keys: string[] = [];
    let nulls = 0;
    for await (const records of log.scan({ topic, generation, from: 0, to: end })) {
      for (const { key, value } of records) {
        keys.push(Buffer.from(key).toString("latin1"));
        if (value === null) nulls++;
      }
    }
    if (nulls === 0 && new Set(keys).size === keys.length) return;
    await sleep(400);
  }
  throw new Error("the brokers did not compact");
}

/** Gives a topic on the brokers these settings, and the default of every other. */
export async function alterTopic(
  brokers: string,
  { name, settings }: { readonly name: string; readonly settings: Readonly<Record<string, string>> },
): Promise<void> {
  const client = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries }],
  });
  await admin.disconnect();
}
