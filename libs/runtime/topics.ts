// All topics of an installation as Kafka shall have them: those of libs/topics.ts, and of every district its own.

import type { Knex } from "knex";

import { topicSettings } from "../adapters/kafka/topic-settings.ts";
import type { WantedTopic } from "../adapters/kafka/topic-difference.ts";
import { parseDistrictId } from "../domain/ids.ts";
import { controlTopics, districtTopic, districtTopicKinds } from "../topics.ts";
import type { KafkaSettings } from "./settings.ts";

/** Control topics, then the topics of each district that has not left. One partition each: the order that is promised. */
export async function wantedTopics(sql: Knex, { prefix, replicas }: KafkaSettings): Promise<readonly WantedTopic[]> {
  const rows: readonly { readonly id: string }[] = await sql("districts")
    .whereNot({ state: "leaving" })
    .orderBy("id")
    .select("id");
  const districts = rows.flatMap(({ id }) => parseDistrictId(id) ?? []);
  const names = [
    ...Object.values(controlTopics).map(({ name }) => name),
    ...districts.flatMap((district) => districtTopicKinds.map((kind) => districtTopic(kind, district))),
  ];
  return names.map((name) => ({
    name: `${prefix}${name}`,
    partitions: 1,
    replication: replicas,
    settings: topicSettings(name, { replicas }),
  }));
}
