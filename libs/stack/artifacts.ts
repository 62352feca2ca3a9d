// The programs of the local stack: the broker's jars and the registry, brought once from Maven Central into .tools/.
// It keeps true that a folder there is whole or absent: it is filled beside its place and moved there by one rename.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

import { AppError } from "../errors.ts";
import { processEnv } from "../runtime/env.ts";

const root = join(import.meta.dirname, "..", "..");
const pom = join(import.meta.dirname, "pom.xml");

/** Exact versions; the broker's also stands in pom.xml, and both in docker-compose.yml. */
export const kafkaVersion = "4.3.1";
export const registryVersion = "2.6.13.Final";

/** Tests may run on another broker than the one that is pinned. */
export function brokerVersion(): string {
  return processEnv()["KAFKA_VERSION"] ?? kafkaVersion;
}

const installHint = "install a Java runtime (17 or later) and Maven: apt-get install openjdk-17-jre-headless maven";

/** What keeps the local stack from running on this machine, and the command that helps; null when nothing does. */
export function stackObstacle(): string | null {
  if (!answers("java", "-version")) return `there is no java here: ${installHint}`;
  const isFetched = existsSync(kafkaFolder()) && existsSync(registryFolder());
  return isFetched || answers("mvn", "-version") ? null : `there is no mvn here: ${installHint}`;
}

function answers(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, [...args], { stdio: "ignore" }).status === 0;
}

function kafkaFolder(): string {
  return join(root, ".tools", `kafka-${brokerVersion()}`);
}

function registryFolder(): string {
  return join(root, ".tools", `registry-${registryVersion}`);
}

/** The folder of the broker's jars, fetched unless it is there. @throws AppError `stack.start`. */
export async function kafkaJars(): Promise<string> {
  return fetched(kafkaFolder(), (folder) =>
    maven(
      "-f",
      pom,
      `-Dkafka.version=${brokerVersion()}`,
      "dependency:copy-dependencies",
      "-DincludeScope=runtime",
      `-DoutputDirectory=${folder}`,
    ),
  );
}

/** The folder of the unpacked registry, fetched unless it is there. @throws AppError `stack.start`. */
export async function registryPrograms(): Promise<string> {
  return fetched(registryFolder(), async (folder) => {
    const artifact = `io.apicurio:apicurio-registry-app:${registryVersion}:tar.gz:all`;
    await maven("-f", pom, "dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`);
    const [archive] = await readdir(folder);
    await done("tar", ["-xzf", join(folder, archive ?? ""), "-C", folder]);
    await rm(join(folder, archive ?? ""), { force: true });
  });
}

async function fetched(folder: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const half = `${folder}.new-${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    await mkdir(half);
    await fill(half);
    await rename(half, folder);
  } catch (cause) {
    await rm(half, { recursive: true, force: true });
    // Another process was faster.
    if (!existsSync(folder)) throw cause;
  }
  return folder;
}

function maven(...args: readonly string[]): Promise<void> {
  return done("mvn", ["-q", "-B", ...args]);
}

async function done(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, [...args], { stdio: ["ignore", "pipe", "pipe"], cwd: root });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
  const status = await new Promise<number | null>((resolve) => {
    child.on("error", () => resolve(null));
    child.on("close", resolve);
  });
  if (status === 0) return;
  const words = said.trim().split("\n").slice(-3).join(" ");
  throw new AppError("stack.start", {
    message: `${program} failed: ${words || `it could not be run; ${installHint}`}`,
  });
}

/** Fetches both, or says why not: an error only under CI, where the tests that need them must run. */
async function fetchAll(): Promise<void> {
  const obstacle = stackObstacle();
  if (obstacle === null) {
    await kafkaJars();
    await registryPrograms();
    return;
  }
  process.stderr.write(`tests on Kafka will be skipped: ${obstacle}\n`);
  if (processEnv()["CI"] === "true") process.exitCode = 1;
}

if (import.meta.main) void fetchAll();
