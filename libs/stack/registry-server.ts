// The schema registry of the local stack: Apicurio Registry, which speaks the Confluent interface, as a local process.
// It keeps true that ids outlive a restart: its tables are in a file. Kept in memory, the same schemas may get other ids
// after a restart, and every stored record would become unreadable.

import { join } from "node:path";

import { processEnv } from "../runtime/env.ts";
import { registryPrograms, registryVersion } from "./artifacts.ts";
import { launch, privateFolder, runningServer, whenReady } from "./process.ts";
import type { RunningServer } from "./process.ts";

export type RegistrySettings = {
  /** A folder for this registry alone; made if it does not exist. */
  readonly folder: string;
  readonly port: number;
  /** Whether it ends with this process. */
  readonly isBound: boolean;
};

const startLimitMs = 60_000;
const answerLimitMs = 2_000;

/** @throws AppError `stack.start` saying what failed. */
export async function startRegistry({ folder, port, isBound }: RegistrySettings): Promise<RunningServer> {
  const programs = await registryPrograms();
  await privateFolder(folder);
  const logFile = join(folder, "registry.log");
  const quarkus = { "http.host": "127.0.0.1", "http.port": port, "datasource.jdbc.min-size": 1 };
  const settings = Object.entries({ ...quarkus, "datasource.jdbc.initial-size": 1, "log.level": "WARN" });
  const memory = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
  const flags = settings.map(([name, value]) => `-Dquarkus.${name}=${value}`);
  const mark = await launch({
    command: ["java", ...memory, ...flags, "-jar", `apicurio-registry-app-${registryVersion}-runner.jar`],
    // It finds its libraries beside itself.
    cwd: programs,
    logFile,
    env: { PATH: processEnv()["PATH"] ?? "", REGISTRY_DATASOURCE_URL: databaseUrl(folder) },
    isBound,
  });
  const isReady = (): Promise<boolean> => registryAnswers(port);
  await whenReady({ name: "the schema registry", mark, logFile, limitMs: startLimitMs, isReady });
  return runningServer(mark, `127.0.0.1:${port}`);
}

/** Without the delay of half a second that H2 has otherwise, a killed registry would have lost ids that it gave. */
function databaseUrl(folder: string): string {
  return `jdbc:h2:file:${join(folder, "registry")};WRITE_DELAY=0`;
}

/** The Confluent interface of a registry that listens at an address. */
export function confluentUrl(address: string): string {
  return `http://${address}/apis/ccompat/v7`;
}

/** Whether it answers as ready. */
export async function registryAnswers(port: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(answerLimitMs);
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
