// Topics on the brokers: made with the settings that libs/topics.ts says, described by what can be read of them, removed.
// It keeps true that a topic which was just made can be read and written, and one that was removed is gone for everyone.

import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../errors.ts";
import type { TopicExtent } from "../../ports.ts";
import type { KafkaCluster } from "./cluster.ts";
import { deleteBefore } from "./requests.ts";
import { failureOf } from "./shim.ts";
import { topicSettings } from "./topic-settings.ts";

const settleMs = 15_000;
const lookMs = 20;

export class KafkaTopics {
  readonly #cluster: KafkaCluster;
  readonly #prefix: string;
  readonly #replicas: number;

  constructor(cluster: KafkaCluster, { prefix, replicas }: { readonly prefix: string; readonly replicas: number }) {
    this.#cluster = cluster;
    this.#prefix = prefix;
    this.#replicas = replicas;
  }

  /** The topic's name on the brokers. */
  nameOf(topic: string): string {
    return this.#prefix + topic;
  }

  async create(topic: string): Promise<TopicExtent> {
    const name = this.nameOf(topic);
    const known = await this.extent(topic);
    if (known !== null) return known;
    const settings = topicSettings(topic, { replicas: this.#replicas });
    const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
    const created = { topic: name, numPartitions: 1, replicationFactor: this.#replicas, configEntries };
    await this.#cluster.administer((admin, timeout) =>
      admin.createTopics({ topics: [created], timeout }).catch(unless("TOPIC_ALREADY_EXISTS")),
    );
    return this.#until(topic, () => this.extent(topic));
  }

  async extent(topic: string): Promise<TopicExtent | null> {
    const name = this.nameOf(topic);
    const place = await this.#cluster.place(name);
    if (place === null) return null;
    try {
      const [starts, ends] = await Promise.all([
        this.#cluster.offsets([name], "start"),
        this.#cluster.offsets([name], "end"),
      ]);
      const start = starts.get(name);
      const end = ends.get(name);
      // Made again between the questions: then the answers are of two topics.
      const isSame = (await this.#cluster.place(name))?.id === place.id;
      return start === undefined || end === undefined || !isSame
        ? await this.extent(topic)
        : { generation: place.id, start, end };
    } catch (thrown) {
      if ((await this.#cluster.place(name)) === null) return null;
      throw thrown;
    }
  }

  /** The ends of those of the topics that there are. */
  async ends(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#cluster.offsets(
      topics.map((topic) => this.nameOf(topic)),
      "end",
    );
  }

  async delete(topic: string): Promise<void> {
    const name = this.nameOf(topic);
    const place = await this.#cluster.place(name);
    if (place === null) return;
    await this.#cluster.administer((admin, timeout) =>
      admin.deleteTopics({ topics: [name], timeout }).catch(unless("UNKNOWN_TOPIC_OR_PARTITION")),
    );
    await this.#until(topic, async () => ((await this.#cluster.place(name))?.id === place.id ? null : true));
  }

  /** Moves the topic's start to an offset, at most to its end. @throws AppError `log.unknown-topic`. */
  async deleteBefore(topic: string, offset: number): Promise<void> {
    const extent = await this.extent(topic);
    if (extent === null) throw new AppError("log.unknown-topic", { details: { topic } });
    const name = this.nameOf(topic);
    await this.#cluster.toLeader(name, deleteBefore(name, Math.min(offset, extent.end)));
  }

  async #until<T>(topic: string, look: () => Promise<T | null>): Promise<T> {
    for (const since = performance.now(); performance.now() - since < settleMs; await sleep(lookMs)) {
      const seen = await look();
      if (seen !== null) return seen;
    }
    throw new AppError("kafka.unreachable", { details: { topic } });
  }
}

/** Takes a failure of one type for a success. */
function unless(type: string): (thrown: unknown) => void {
  return (thrown) => {
    // Some calls name one error per topic beneath the one they throw.
    const errors: unknown = thrown instanceof Error && "errors" in thrown ? thrown.errors : [];
    const each: readonly unknown[] = Array.isArray(errors) ? errors : [];
    if (![thrown, ...each].some((error) => failureOf(error)?.type === type)) throw thrown;
  };
}
