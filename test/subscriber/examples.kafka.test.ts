// The examples of docs/subscribing.md in other languages, each against a real broker and registry: what they keep is what a
// naive fold of the topic comes to, when they start, when they go on, and when they must start over.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

import type { DistrictId } from "../../libs/domain/ids.ts";
import { districtTopic } from "../../libs/topics.ts";
import { type KafkaStage, kafkaStage } from "../support/kafka-stage.ts";
import { kafkaBrokers, registryUrl, type SkippableTest } from "../support/kafka.ts";
import { TestDistrict, topicRecords } from "../support/pipeline.ts";
import { addDistrict } from "../support/system.ts";
import { textOf } from "./publisher.ts";

const root = join(import.meta.dirname, "..", "..");
const examples = join(root, "docs", "examples");
const students = 60;
const dayMs = 24 * 60 * 60 * 1000;
const longestAwayDays = 36;

type Place = {
  readonly brokers: string;
  readonly registry: string;
  readonly topic: string;
  /** A folder that goes with the test. */
  readonly folder: string;
};

type Example = {
  readonly name: string;
  /** The commands that must be there, and the packages that have them. */
  readonly needs: { readonly commands: readonly string[]; readonly packages: string };
  readonly command: (place: Place) => readonly string[];
  /** What it keeps of a key, by the key's last record. */
  readonly valueOf: (record: { readonly offset: number; readonly value: unknown }) => string;
};

const kept: readonly Example[] = [
  {
    name: "the Java client",
    needs: { commands: ["javac", "mvn"], packages: "openjdk-17-jdk-headless maven" },
    command: ({ brokers, registry, topic, folder }) => {
      const jars = join(clientJars(), "*");
      // Compiled once instead of at every start.
      const compiled = spawnSync("javac", ["-cp", jars, "-d", folder, join(examples, "Follow.java")]);
      if (compiled.status !== 0) throw new Error(`javac failed: ${String(compiled.stderr)}`);
      const machine = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", `${jars}:${folder}`];
      return ["java", ...machine, "Follow", brokers, registry, topic];
    },
    valueOf: ({ value }) => textOf(afterOf(value)),
  },
  {
    name: "kcat",
    needs: { commands: ["kcat"], packages: "kcat" },
    command: ({ brokers, topic }) => [join(examples, "follow.sh"), brokers, topic],
    valueOf: ({ offset }) => textOf(offset),
  },
];

/** The jars of the example's own pom.xml, fetched once. */
function clientJars(): string {
  const folder = join(root, ".tools", "follow-example");
  if (existsSync(folder)) return folder;
  const half = `${folder}.new-${process.pid}`;
  mkdirSync(half, { recursive: true });
  const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${half}`];
  const { status, stdout } = spawnSync("mvn", ["-q", "-B", "-f", join(examples, "pom.xml"), ...goal]);
  if (status !== 0) throw new Error(`mvn failed: ${String(stdout).slice(-1000)}`);
  renameSync(half, folder);
  return folder;
}

/** @returns whether the test was skipped. @throws Error instead, under CI. */
function isMissing(t: SkippableTest, { commands, packages }: Example["needs"]): boolean {
  if (commands.every((command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0)) return false;
  const what = `not all of ${commands.join(", ")} are here: apt-get install ${packages}`;
  if (process.env["CI"] === "true") throw new Error(`the examples must run under CI: ${what}`);
  t.pass("skipped", { skip: what });
  return true;
}

function afterOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "after" in value ? value.after : null;
}

/** Every entity of the topic by its key, and how many nulls there were. */
async function naiveFold(stage: KafkaStage, topic: string, { valueOf }: Example) {
  const held = new Map<string, string>();
  let nulls = 0;
  for (const record of await topicRecords(stage.system, topic)) {
    if (!/^\["\w+",/u.test(record.key)) continue;
    if (record.value === null) nulls++;
    if (record.value === null) held.delete(record.key);
    else held.set(record.key, valueOf(record));
  }
  return { nulls, lines: [...held].map(([key, value]) => `${key}\t${value}`).toSorted() };
}

/** The lines of a state file but the first, which is the position, in the form of the naive fold. */
function linesIn(file: string): readonly string[] {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(1);
  return lines.map((line) => line.replace(/\t(.*)$/u, (_, json: string) => `\t${textOf(JSON.parse(json))}`)).toSorted();
}

/** Replaces a field of the position in a state file, and adds a line that the topic does not say. */
function spoil(file: string, field: 0 | 1 | 2, to: string): void {
  const [position = "", ...lines] = readFileSync(file, "utf8").split("\n");
  const fields = position.split("\t").map((value, index) => (index === field ? to : value));
  writeFileSync(file, [fields.join("\t"), '["user","ghost"]\t1', ...lines].join("\n"));
}

async function run([program = "", ...args]: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [said, complained] = ["", ""];
  child.stdout.on("data", (part: Buffer) => (said += part.toString()));
  child.stderr.on("data", (part: Buffer) => (complained += part.toString()));
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) throw new Error(`${program} ended with ${String(status)}: ${complained.slice(-2000)}`);
  return said.trim();
}

const brokers = await kafkaBrokers(t);
const registry = await registryUrl(t);
const stage = brokers === null ? null : await kafkaStage(t);

if (brokers !== null && registry !== null && stage !== null) {
  let now = Date.UTC(2025, 9, 1, 6);
  const sleepDays = (days: number): void => void (now += days * dayMs);
  const system = { ...stage.system, clock: { now: () => now }, sleepDays };
  const id: DistrictId = await addDistrict(system, "springfield");
  const district = new TestDistrict(system, id);
  const topic = districtTopic("roster", id);
  let night = 0;
  const publish = async (): Promise<void> => {
    const { directory } = await district.sample({ students, night: ++night });
    await district.deliver(directory);
  };

  for (const example of kept) {
    void t.test(`${example.name} follows a district, goes on where it was, and starts over when it must`, async (t) => {
      if (isMissing(t, example.needs)) return;
      const { folder } = system;
      const file = join(folder, `${example.name}.tsv`);
      const command = [...example.command({ brokers, registry, topic: stage.prefix + topic, folder }), file];
      const same = async (what: string): Promise<void> =>
        void t.same(linesIn(file), (await naiveFold(stage, topic, example)).lines, what);
      for (const _ of [1, 2]) await publish();
      t.equal(await run(command), "starting over: nothing was read yet");
      await same("at first");
      const { nulls } = await naiveFold(stage, topic, example);
      await publish();
      t.ok((await naiveFold(stage, topic, example)).nulls > nulls, "something was deleted");
      t.equal(await run(command), "");
      await same("having gone on");
      spoil(file, 2, String(Math.floor(Date.now() / 1000) - (longestAwayDays * 24 * 60 * 60 + 60)));
      t.equal(await run(command), "starting over: away for too long");
      await same("without what it had and the topic does not say");
      spoil(file, 0, "another");
      t.equal(await run(command), "starting over: the topic was made again");
      spoil(file, 1, "1000000");
      t.equal(await run(command), "starting over: the position is outside the log");
      await same("in the end");
    });
  }
}
