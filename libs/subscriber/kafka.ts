// Topics as a product reads them that has nothing of ours but the brokers and the schema registry: no database, no group,
// no right to write.

import { KafkaCluster } from "../adapters/kafka/cluster.ts";
import { EndWatch } from "../adapters/kafka/end-watch.ts";
import { readRange } from "../adapters/kafka/reader.ts";
import type { KafkaConnection } from "../adapters/kafka/shim.ts";
import { KafkaTopics } from "../adapters/kafka/topics.ts";
import { ChangeCodec } from "../adapters/registry/change-codec.ts";
import { openCodec } from "../adapters/registry/codec.ts";
import { confluentRegistry, type RegistryServer } from "../adapters/registry/confluent.ts";
import type { Source } from "./follow.ts";

export type KafkaSource = Source & {
  /** Ends all connections; what still reads fails as `kafka.unreachable`. */
  readonly close: () => Promise<void>;
};

/**
 * @param about.prefix what stands before the names of our topics on shared brokers.
 * @throws AppError `registry.unreachable`, `registry.unregistered`.
 */
export async function openKafkaSource(about: {
  readonly connection: KafkaConnection;
  readonly registry: RegistryServer;
  readonly prefix?: string;
}): Promise<KafkaSource> {
  const registry = confluentRegistry(about.registry);
  const [codec, changes] = [await openCodec(registry), await ChangeCodec.open(registry)];
  const cluster = new KafkaCluster(about.connection);
  // It makes no topic, so that the number of copies does not matter.
  const topics = new KafkaTopics(cluster, { prefix: about.prefix ?? "", replicas: 1 });
  const ends = new EndWatch(topics);
  return {
    log: {
      extent: (topic) => topics.extent(topic),
      scan: (range) => readRange(cluster, { ...range, name: topics.nameOf(range.topic) }),
      waitForAppend: (names, timeoutMs, signal) => ends.wait(names, timeoutMs, signal),
    },
    codec,
    changes,
    close: () => cluster.close(),
  };
}
