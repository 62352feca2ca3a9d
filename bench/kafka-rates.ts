// How fast our adapter writes to Kafka and reads from it, beside kafkajs' own producer and consumer and the Java tools
// that come with the broker.
// It keeps true that all of them write the same bytes to one broker in one run, taking turns, to topics with the same
// settings, each new; that every one is acknowledged by all replicas and idempotent; and that all is counted that was
// written. The Java tools are processes of their own: they say their rate themselves, without the start of Java.
//
//   BENCH_RECORDS   records of one round, 200,000 unless given
//   BENCH_ROUNDS    rounds, 3 unless given; one more comes first, to warm up
//   BENCH_FOLDER    where the temporary folder is made

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";

import kafkajs from "kafkajs";

import { holdLease } from "../libs/adapters/postgres/leases.ts";
import type { System } from "../libs/cli/system.ts";
import type { NewRecord } from "../libs/ports.ts";
import { kafkaJars } from "../libs/stack/artifacts.ts";
import { districtTopic } from "../libs/topics.ts";
import { countFromEnv, machine, namesOf, onGround, optionsFromEnv, say, withSystem } from "./ground.ts";
import { markdown, quantile, ratio, report } from "./table.ts";

const perBatch = 1_000;
const keyBytes = 20;
const valueBytes = 230;
const smallReads = 40;

type Bench = { readonly system: System; readonly brokers: readonly string[]; readonly records: number };
/** Records a second, or milliseconds; one of each round. */
type Series = { readonly what: string; readonly unit: "records/s" | "ms"; readonly values: number[] };
type Contender = { readonly what: string; readonly run: (round: number) => Promise<number> };

async function main(): Promise<void> {
  const { parent, rounds } = optionsFromEnv();
  const records = countFromEnv("BENCH_RECORDS", 200_000);
  await onGround(parent, async ({ kafka }) => {
    if (kafka === null || !kafka.settings.kafka) return;
    const { brokers } = kafka.settings.kafka.connection;
    await withSystem(kafka.settings, async (system) => {
      const bench = { system, brokers, records };
      const groups = [await inTurns(writers(bench), rounds, "records/s")];
      const topic = topicOf("read");
      await withAdapter(bench, topic, records);
      groups.push(await inTurns(readers(bench, topic), rounds, "records/s"));
      groups.push(await inTurns(smallReaders(bench, topic), smallReads, "ms"));
      await tell(groups, { records, rounds });
    });
  });
}

function topicOf(name: string): string {
  return districtTopic("entities", namesOf(name).district);
}

/** Each in its turn, round after round; the first round warms up and is not counted. */
async function inTurns(
  contenders: readonly Contender[],
  rounds: number,
  unit: Series["unit"],
): Promise<readonly Series[]> {
  const all = contenders.map(({ what }): Series => ({ what, unit, values: [] }));
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { what, run }] of contenders.entries()) {
      const value = await run(round);
      if (unit === "records/s") say(`${what}: ${Math.round(value).toLocaleString("en")} ${unit}`);
      if (round > 0) all[index]?.values.push(value);
    }
  }
  return all;
}

function recordsOf(count: number): readonly NewRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: String(index).padStart(keyBytes, "0"),
    value: Buffer.alloc(valueBytes, index % 251),
  }));
}

function perSecond(count: number, ms: number): number {
  return (count / ms) * 1000;
}

function writers(bench: Bench): readonly Contender[] {
  const { records } = bench;
  return [
    {
      what: `write: the adapter, ${perBatch} an append`,
      run: (round) => withAdapter(bench, topicOf(`a-${round}`), perBatch),
    },
    {
      what: `write: the adapter, ${4 * perBatch} an append`,
      run: (round) => withAdapter(bench, topicOf(`b-${round}`), 4 * perBatch),
    },
    { what: `write: kafkajs' producer, ${perBatch} a send`, run: (round) => withKafkajs(bench, topicOf(`k-${round}`)) },
    {
      what: "write: Kafka's ProducerPerformance",
      run: async (round) => {
        const topic = topicOf(`j-${round}`);
        await bench.system.log.createTopic(topic);
        const bytes = keyBytes + valueBytes;
        const said = await javaTool(
          bench,
          `ProducerPerformance --topic ${topic} --num-records ${records} --throughput -1 --record-size ${bytes} ` +
            `--warmup-records ${Math.floor(records / 5)} ` +
            `--command-property acks=all linger.ms=5 batch.size=${256 * 1024}`,
        );
        return figureIn(said, /([\d.]+) records\/sec[^\n]*99\.9th\.?\s*$/u);
      },
    },
  ];
}

async function withAdapter({ system, records }: Bench, topic: string, perAppend: number): Promise<number> {
  const { generation } = await system.log.createTopic(topic);
  const held = await holdLease(system.sql, { name: topic, holder: randomUUID(), ttlMs: 60_000 });
  if (held === null) throw new Error("the lease is held");
  const writer = await system.log.openWriter(topic, held.lease);
  const some = recordsOf(perAppend);
  const begin = performance.now();
  for (let sent = 0; sent < records; sent += perAppend) await writer.append(some.slice(0, records - sent));
  const rate = perSecond(records, performance.now() - begin);
  await held.release();
  // One more than was appended: the record by which the writer was opened.
  const end = (await system.log.extent(topic))?.end;
  if (end !== records + 1) throw new Error(`${generation} ends at ${String(end)}`);
  return rate;
}

function clientOf({ brokers }: Bench): kafkajs.Kafka {
  return new kafkajs.Kafka({ brokers: [...brokers], logLevel: kafkajs.logLevel.NOTHING });
}

async function withKafkajs(bench: Bench, topic: string): Promise<number> {
  await bench.system.log.createTopic(topic);
  const producer = clientOf(bench).producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const messages = recordsOf(perBatch).map(({ key, value }) => ({
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    partition: 0,
  }));
  const begin = performance.now();
  for (let sent = 0; sent < bench.records; sent += perBatch)
    await producer.send({ topic, acks: -1, messages: messages.slice(0, bench.records - sent) });
  const rate = perSecond(bench.records, performance.now() - begin);
  await producer.disconnect();
  return rate;
}

function readers(bench: Bench, topic: string): readonly Contender[] {
  const { records } = bench;
  return [
    {
      what: "read: the adapter",
      run: async () => perSecond(records, await scanned(bench, topic, records)),
    },
    {
      what: "read: kafkajs' consumer, once it reads",
      run: async () => perSecond(records, (await consumed(bench, topic, records)).readMs),
    },
    {
      what: "read: kafkajs' consumer, a group that joins and leaves",
      run: async () => perSecond(records, (await consumed(bench, topic, records)).wholeMs),
    },
    {
      what: "read: Kafka's ConsumerPerformance, once it reads",
      run: async () => {
        const said = await javaTool(
          bench,
          `ConsumerPerformance --topic ${topic} --num-records ${records} --hide-header`,
        );
        return figureIn(said, /([\d.]+)\s*$/u);
      },
    },
  ];
}

function smallReaders(bench: Bench, topic: string): readonly Contender[] {
  return [
    { what: `read ${perBatch} records: the adapter`, run: () => scanned(bench, topic, perBatch) },
    {
      what: `read ${perBatch} records: kafkajs' consumer, a group that joins and leaves`,
      run: async () => (await consumed(bench, topic, perBatch)).wholeMs,
    },
  ];
}

/** Milliseconds until the records were read, from the topic's beginning. */
async function scanned({ system }: Bench, topic: string, records: number): Promise<number> {
  const begin = performance.now();
  const extent = await system.log.extent(topic);
  if (extent === null) throw new Error("the topic is gone");
  let bytes = 0;
  for await (const batch of system.log.scan({ topic, generation: extent.generation, from: 0, to: records }))
    for (const { key, value } of batch) bytes += key.length + (value?.length ?? 0);
  if (bytes < (records - 1) * (keyBytes + valueBytes)) throw new Error("less was read than was written");
  return performance.now() - begin;
}

/** The same by a group of its own: from the first batch on, and with what the group takes to join and to leave. */
async function consumed(
  bench: Bench,
  topic: string,
  records: number,
): Promise<{ readonly readMs: number; readonly wholeMs: number }> {
  const begin = performance.now();
  const consumer = clientOf(bench).consumer({ groupId: randomUUID(), maxWaitTimeInMs: 250 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let firstAt: number | null = null;
  let bytes = 0;
  consumer.on("consumer.group_join", () => (firstAt ??= performance.now()));
  await new Promise<void>((resolve, reject) => {
    const eachBatch = async ({ batch }: kafkajs.EachBatchPayload): Promise<void> => {
      for (const { key, value } of batch.messages) bytes += (key?.length ?? 0) + (value?.length ?? 0);
      if (Number(batch.lastOffset()) >= records - 1) resolve();
      await Promise.resolve();
    };
    consumer.run({ autoCommit: false, eachBatch }).catch(reject);
  });
  const readMs = performance.now() - (firstAt ?? begin);
  await consumer.disconnect();
  if (bytes < (records - 1) * (keyBytes + valueBytes)) throw new Error("less was read than was written");
  return { readMs, wholeMs: performance.now() - begin };
}

const execute = promisify(execFile);

async function javaTool({ brokers }: Bench, command: string): Promise<string> {
  const classpath = join(await kafkaJars(), "*");
  const args = `org.apache.kafka.tools.${command} --bootstrap-server ${brokers.join(",")}`.split(" ");
  const { stdout } = await execute("java", ["-Xmx512m", "-cp", classpath, ...args]);
  return stdout.trim();
}

function figureIn(said: string, pattern: RegExp): number {
  const figure = Number(pattern.exec(said)?.[1]);
  if (!(figure > 0)) throw new Error(`the tool said no rate: ${said.slice(-300)}`);
  return figure;
}

async function tell(
  groups: readonly (readonly Series[])[],
  { records, rounds }: { readonly records: number; readonly rounds: number },
): Promise<void> {
  const rows = groups.flatMap((group) => {
    const ours = quantile(0.5, group[0]?.values ?? []);
    return group.map(({ what, unit, values }) => {
      const middle = quantile(0.5, values);
      // More is better of a rate, less of a time.
      const times = unit === "ms" ? ratio(middle, ours) : ratio(ours, middle);
      return [
        what,
        unit === "ms" ? `${middle.toFixed(1)} ms` : `${Math.round(middle).toLocaleString("en")} records/s`,
        times,
      ];
    });
  });
  const size = `${records.toLocaleString("en")} records of ${keyBytes + valueBytes} bytes, medians of ${rounds}`;
  const table = markdown(["what", "median", "the adapter, times as fast"], rows);
  await report({ name: "kafka", title: `Kafka: ${size}; ${machine()}`, table, figures: groups.flat() });
}

if (import.meta.main) await main();
