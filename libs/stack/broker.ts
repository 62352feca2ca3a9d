// One Kafka broker as a local process: KRaft, broker and controller in one, on ports of its own.
// It keeps true that a data folder is formatted once and belongs to one broker, and that started means: it answers.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";

import { AppError } from "../errors.ts";
import { kafkaJars } from "./artifacts.ts";
import { launch, privateFolder, runningServer, whenReady } from "./process.ts";
import type { RunningServer } from "./process.ts";

export type BrokerSettings = {
  /** A folder for this broker alone; made if it does not exist. */
  readonly folder: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Whether it ends with this process. */
  readonly isBound: boolean;
  /** Properties over the defaults. */
  readonly properties?: Readonly<Record<string, string>>;
};

const startLimitMs = 60_000;
const answerLimitMs = 2_000;
// One broker alone: its identity need not differ from that of another folder's, since nothing joins two.
const clusterId = "cm9sbGNhbGwtc3RhY2stMQ";

/** @throws AppError `stack.start` saying what failed. */
export async function startBroker(settings: BrokerSettings): Promise<RunningServer> {
  const { folder, port } = settings;
  const jars = await kafkaJars();
  await privateFolder(folder);
  await mkdir(join(folder, "data"), { recursive: true });
  const config = join(folder, "broker.properties");
  await writeFile(config, propertiesText(settings));
  const classpath = join(jars, "*");
  if (!existsSync(join(folder, "data", "meta.properties"))) format(classpath, config);
  const logFile = join(folder, "broker.log");
  const memory = ["-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  // Without it only errors.
  const logs = "-Dorg.apache.logging.log4j.level=WARN";
  const mark = await launch({
    command: ["java", ...memory, logs, "-cp", classpath, "kafka.Kafka", config],
    cwd: folder,
    logFile,
    isBound: settings.isBound,
  });
  await whenReady({ name: "the broker", mark, logFile, limitMs: startLimitMs, isReady: () => brokerAnswers(port) });
  return runningServer(mark, `127.0.0.1:${port}`);
}

function propertiesText({ folder, port, controllerPort, properties = {} }: BrokerSettings): string {
  const all: Readonly<Record<string, string>> = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "log.dirs": join(folder, "data"),
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    // The cleaner's memory is taken at the start, and indexes are sparse files of this size: small, for one machine.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.index.size.max.bytes": "1048576",
    ...properties,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

function format(classpath: string, config: string): void {
  const tool = ["-cp", classpath, "kafka.tools.StorageTool", "format", "-g", "-t", clusterId, "-c", config];
  const said = spawnSync("java", ["-Xmx128m", "-XX:TieredStopAtLevel=1", ...tool], { encoding: "utf8" });
  if (said.status === 0) return;
  const words = `${said.stdout ?? ""}${said.stderr ?? ""}`.trim().split("\n").slice(-3).join(" ");
  throw new AppError("stack.start", { message: `the broker's folder cannot be formatted: ${words || "no java here"}` });
}

/** Asks for the cluster's brokers (Metadata, version 1): one that is not yet part of it is not named. */
export function brokerAnswers(port: number): Promise<boolean> {
  // Length, then the header: key 3, version 1, correlation 7, no client id; then an empty list of topics.
  const request = Buffer.from([0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0]);
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    let answer = Buffer.alloc(0);
    const settle = (isReady: boolean): void => {
      socket.destroy();
      resolve(isReady);
    };
    socket.setTimeout(answerLimitMs, () => settle(false));
    socket.on("error", () => settle(false)).on("close", () => settle(false));
    socket.on("connect", () => socket.write(request));
    socket.on("data", (bytes: Buffer) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length >= 12) settle(answer.readInt32BE(4) === 7 && answer.readInt32BE(8) > 0);
    });
  });
}
