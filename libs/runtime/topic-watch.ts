// Whether the topics on Kafka are kept as libs/topics.ts says, and who is told when they are not.
// It keeps true that a topic which others have changed is not accepted in silence, and that looking changes nothing.

import type { Knex } from "knex";

import { topicDifferences } from "../adapters/kafka/admin.ts";
import type { TopicDifference } from "../adapters/kafka/topic-difference.ts";
import { AppError } from "../errors.ts";
import type { Logger } from "./logger.ts";
import type { KafkaSettings } from "./settings.ts";
import { wantedTopics } from "./topics.ts";

export class TopicWatch {
  readonly #kafka: KafkaSettings;
  readonly #sql: Knex;
  readonly #logger: Logger;
  #changed: ReadonlyMap<string, AppError> = new Map();

  constructor(about: { readonly kafka: KafkaSettings; readonly sql: Knex; readonly logger: Logger }) {
    this.#kafka = about.kafka;
    this.#sql = about.sql;
    this.#logger = about.logger;
  }

  /** Topics that were not as they shall be when they were last looked at, by their names without the prefix. */
  get changed(): ReadonlyMap<string, AppError> {
    return this.#changed;
  }

  /** A topic that is not there yet is made when it is first needed: that is no fault. @throws AppError `kafka.unreachable`. */
  async look(): Promise<void> {
    const { connection, prefix } = this.#kafka;
    const found = await topicDifferences(connection, await wantedTopics(this.#sql, this.#kafka));
    const changed = new Map<string, AppError>();
    for (const difference of found) {
      const what = inWords(difference);
      if (what !== null) changed.set(difference.topic.slice(prefix.length), topicsChanged(difference.topic, what));
    }
    for (const [topic, err] of changed) this.#logger.error({ topic, err, remedy: err.remedy }, "a topic was changed");
    this.#changed = changed;
  }
}

function topicsChanged(topic: string, what: string): AppError {
  return new AppError("topics.changed", { message: `the topic ${topic} is not kept as it shall be: ${what}` });
}

/** null: it is as it shall be, or not there. */
function inWords(difference: TopicDifference): string | null {
  if (difference.outcome === "refuse") return difference.reasons.join("; ");
  if (difference.outcome !== "change") return null;
  return difference.changes
    .map(({ setting, is, shall }) => `${setting} is ${is}, not ${shall ?? "its default"}`)
    .join("; ");
}
