// The broker and the schema registry that all test files of a run share, started once and ended when nobody uses them.
// KAFKA_BROKERS and SCHEMA_REGISTRY_URL name others to use instead, KAFKA_VERSION another version of the broker. Where
// neither can be had, the tests that need them are skipped and say which command would help; under CI they fail.
// The first file that needs them starts a keeper (kafka-keeper.ts); a connection to it is what being in use means.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { brokerVersion, stackObstacle } from "../../libs/stack/artifacts.ts";
import { startBroker } from "../../libs/stack/broker.ts";
import type { BrokerSettings } from "../../libs/stack/broker.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import type { RunningServer } from "../../libs/stack/process.ts";
import type { Teardown } from "./teardown.ts";

/** Whole systems on real servers take most of a minute each: they run where CI runs, and in `make torture`. */
export const skipWholeSystems: false | string =
  process.env["CI"] === "true" || process.env["TORTURE"] === "1"
    ? false
    : "it takes most of a minute: CI=true make test, or make torture";

export type SkippableTest = Teardown & { pass(message: string, extra: { readonly skip: string }): unknown };

const root = join(import.meta.dirname, "..", "..");
const enoughBytes = 2 * 1024 ** 3;
const startLimitMs = 240_000;

/** Brokers as KAFKA_BROKERS has them; null when the test was skipped. Topics are shared: use names of your own. */
export async function kafkaBrokers(t: SkippableTest): Promise<string | null> {
  return process.env["KAFKA_BROKERS"] ?? (await shared(t, "broker"));
}

/** The URL of a Confluent-compatible registry; null when the test was skipped. Its subjects are shared. */
export async function registryUrl(t: SkippableTest): Promise<string | null> {
  return process.env["SCHEMA_REGISTRY_URL"] ?? (await shared(t, "registry"));
}

/** Settings of a broker that compacts within seconds, for one test alone or for the keeper. */
export const testProperties: Readonly<Record<string, string>> = {
  "log.cleaner.backoff.ms": "200",
  "log.retention.check.interval.ms": "1000",
  "log.segment.delete.delay.ms": "1000",
  "log.initial.task.delay.ms": "200",
};

/** A broker of a test's own, whose process may be stopped, killed and started again in the same place. */
export type OwnBroker = { readonly settings: BrokerSettings; readonly server: RunningServer };

/** @returns null when the test was skipped. Start it again with `startBroker(settings)`; the teardown ends it. */
export async function ownBroker(
  t: SkippableTest,
  properties: Readonly<Record<string, string>> = {},
): Promise<OwnBroker | null> {
  if (isSkipped(t)) return null;
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const folder = mkdtempSync(join(spaciousFolder(), "rollcall-broker-"));
  const settings = { folder, port, controllerPort, isBound: true, properties: { ...testProperties, ...properties } };
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const server = await startBroker(settings);
  t.teardown(() => server.kill());
  return { settings, server };
}

/** Where test servers keep their data: in memory where there is room, since nothing of it must last. */
export function spaciousFolder(): string {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize > enoughBytes ? "/dev/shm" : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** The folder of this project's and user's keeper, for one version of the broker. */
export function keeperFolder(): string {
  const digest = createHash("sha256").update(`${root} ${brokerVersion()}`).digest("hex").slice(0, 12);
  const folder = join(spaciousFolder(), `rollcall-kafka-${process.getuid?.() ?? 0}-${digest}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** The keeper's socket. */
export function keeperSocket(): string {
  return join(keeperFolder(), "keeper.sock");
}

export type KeptServer = "broker" | "registry";

const found = new Map<KeptServer, Promise<string>>();
let keeper: Promise<Socket> | undefined;
let users = 0;

async function shared(t: SkippableTest, server: KeptServer): Promise<string | null> {
  if (isSkipped(t)) return null;
  users++;
  t.teardown(leave);
  const address = found.get(server) ?? ask(server);
  found.set(server, address);
  return address;
}

/** An open connection would keep the test file from ending, so the last test closes it; the next opens another. */
async function leave(): Promise<void> {
  users--;
  if (users > 0 || keeper === undefined) return;
  const leaving = keeper;
  keeper = undefined;
  found.clear();
  (await leaving).destroy();
}

/** @returns whether the test was skipped. @throws Error instead, under CI. */
function isSkipped(t: SkippableTest): boolean {
  const obstacle = stackObstacle();
  if (obstacle === null) return false;
  if (process.env["CI"] === "true") throw new Error(`the tests on Kafka must run under CI: ${obstacle}`);
  t.pass("skipped", { skip: obstacle });
  return true;
}

async function ask(server: KeptServer): Promise<string> {
  const socket = await (keeper ??= findKeeper());
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: socket });
    lines.on("line", (line) => {
      const [name, state, text = ""] = line.split("\t");
      if (name !== server) return;
      if (state === "ready") resolve(text);
      else reject(new Error(`the ${server} of the tests did not start: ${text}`));
    });
    lines.on("close", () => reject(new Error(`the keeper of the ${server} ended`)));
    socket.write(`${server}\n`);
  });
}

async function findKeeper(): Promise<Socket> {
  const deadline = Date.now() + startLimitMs;
  for (let attempt = 0; ; attempt++) {
    const socket = await connected();
    if (socket !== null) return socket;
    if (Date.now() > deadline) throw new Error("the keeper of the test broker did not start");
    // Each keeper that finds another at work ends by itself.
    if (attempt % 50 === 0) startKeeper();
    await sleep(40);
  }
}

/** A connection that the keeper has greeted: one that is just leaving does not. */
export function connected(): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(keeperSocket());
    socket.once("data", () => resolve(socket));
    socket.on("error", () => resolve(null));
    socket.on("close", () => resolve(null));
  });
}

function startKeeper(): void {
  const child = spawn(process.execPath, [join(import.meta.dirname, "kafka-keeper.ts")], {
    cwd: "/",
    detached: true,
    stdio: "ignore",
  });
  child.unref();
}
