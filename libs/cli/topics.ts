// `rollcall topics apply`: topics and schemas on Kafka and its registry as libs/topics.ts and schemas/ say. The one place
// from which schemas are registered. `rollcall topics skip`: the last resort for a consumer that cannot read on.

import { Command } from "commander";
import type { Knex } from "knex";

import { applyTopics, topicDifferences } from "../adapters/kafka/admin.ts";
import type { SettingChange, TopicDifference } from "../adapters/kafka/topic-difference.ts";
import { confluentRegistry, registerSchemas, registryState } from "../adapters/registry/confluent.ts";
import { refuseOtherIds } from "../adapters/registry/known-ids.ts";
import type { RegistryState } from "../adapters/registry/confluent.ts";
import { AppError } from "../errors.ts";
import { refuseOtherCluster } from "../runtime/keep-to-log.ts";
import { wantedTopics } from "../runtime/topics.ts";
import type { KafkaSettings } from "../runtime/settings.ts";
import { type Answer, answer, described, exitCodes, type JsonOption, withSystem } from "./command.ts";
import { settingsFromEnv, withDatabase } from "./system.ts";

type ApplyOptions = JsonOption & { readonly dryRun?: boolean };

export function topicsVerb(): Command {
  const topics = new Command("topics").description("the topics and schemas on Kafka");
  described(topics.command("apply"), {
    says: "make the topics and schemas on Kafka what this version needs; what would lose records is refused",
    example: "rollcall topics apply --dry-run",
  })
    .option("--dry-run", "show what differs and change nothing")
    .action(apply);
  described(topics.command("skip").argument("<consumer>").argument("<topic>"), {
    says: "move a consumer that is stuck on a control topic; what lies between is never read by it",
    example: "rollcall topics skip diff deliveries --to start",
  })
    .requiredOption("--to <offset>", "an offset, or start or end: where the consumer reads on")
    .action(skip);
  return topics;
}

type SkipOptions = JsonOption & { readonly to: string };

async function skip(consumer: string, topic: string, options: SkipOptions): Promise<void> {
  const to = options.to === "start" || options.to === "end" ? options.to : Number(options.to);
  if (typeof to === "number" && (!/^[0-9]+$/u.test(options.to) || !Number.isSafeInteger(to)))
    throw new AppError("usage", { message: "--to takes start, end, or an offset" });
  await withSystem(async ({ inbox }) => {
    const skipped = await inbox.skip({ consumer, topic, to });
    const text = `${consumer} reads ${topic} on from ${skipped.to}; it stood at ${skipped.from}`;
    await answer(options, { text, json: { consumer, topic, ...skipped } });
  });
}

async function apply(options: ApplyOptions): Promise<void> {
  const settings = settingsFromEnv();
  const { kafka = null } = settings;
  if (kafka === null) {
    const text = "The log is in PostgreSQL: it needs no topics to be made. Set KAFKA_BROKERS for one on Kafka.";
    return answer(options, { text, json: { topics: [], schemas: [] } });
  }
  await withDatabase(settings, async ({ sql }) => {
    await refuseOtherCluster({ sql }, kafka);
    const wanted = await wantedTopics(sql, kafka);
    const found = await topicDifferences(kafka.connection, wanted);
    const schemas = await registryState(kafka.registry);
    const refused = found.some(({ outcome }) => outcome === "refuse");
    if (options.dryRun !== true && !refused) await applyAll(sql, { kafka, wanted });
    await answer(options, differencesAnswer({ found, schemas, isDone: options.dryRun !== true && !refused }));
  });
}

/** Schemas first: whoever finds its topic may write to it. */
async function applyAll(
  sql: Knex,
  { kafka, wanted }: { readonly kafka: KafkaSettings; readonly wanted: Parameters<typeof applyTopics>[1] },
): Promise<void> {
  await refuseOtherIds(sql, confluentRegistry(kafka.registry));
  await registerSchemas(kafka.registry);
  await applyTopics(kafka.connection, wanted);
}

function differencesAnswer(about: {
  readonly found: readonly TopicDifference[];
  readonly schemas: RegistryState;
  readonly isDone: boolean;
}): Answer {
  const { found, isDone } = about;
  const topics = found.filter(({ outcome }) => outcome !== "same");
  const missing = about.schemas.forms.filter(({ id }) => id === null).map(({ name, pin }) => `${name} (form ${pin})`);
  const { unguarded } = about.schemas;
  const isRefused = topics.some(({ outcome }) => outcome === "refuse");
  const lines = [
    ...topics.flatMap(topicLines),
    ...missing.map((form) => `+ schema ${form}`),
    ...unguarded.map((name) => `~ subject ${name}: the rule FULL_TRANSITIVE`),
    closing({ same: found.length - topics.length, count: topics.length + missing.length, isDone, isRefused }),
  ];
  return {
    text: lines.join("\n"),
    json: { topics, schemas: missing, unguarded, applied: isDone },
    exitCode: isRefused ? exitCodes.refused : exitCodes.done,
  };
}

function topicLines(difference: TopicDifference): readonly string[] {
  const { outcome, topic } = difference;
  if (outcome === "create") return [`+ topic ${topic}`];
  if (outcome === "change") return [`~ topic ${topic}`, ...difference.changes.map(changeLine)];
  return outcome === "refuse" ? [`! topic ${topic}`, ...difference.reasons.map((reason) => `    ${reason}`)] : [];
}

function changeLine({ setting, is, shall }: SettingChange): string {
  return `    ${setting}: ${is === "" ? "none" : is} -> ${shall ?? "the default"}`;
}

function closing(about: {
  readonly same: number;
  readonly count: number;
  readonly isDone: boolean;
  readonly isRefused: boolean;
}): string {
  if (about.isRefused)
    return "Nothing was changed: records would be lost. If that is meant, change the topic with Kafka's own tools first.";
  if (about.count === 0) return `Nothing differs: ${about.same} topics are as they shall be.`;
  return about.isDone ? "Applied, and read back." : "Nothing was changed: this was a dry run.";
}
