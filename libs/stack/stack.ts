// The local stack without Docker: PostgreSQL, the broker, the registry and one process per service, each started in the
// background and written down with its process id and start time.
// It keeps true that `up` starts only what does not run, that what runs is ready before it says so, that `down` ends what
// `up` started and nothing else, the last first, and that a stack is announced to commands only while all of it is ready.

import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { migrate, openDatabase } from "../adapters/postgres/database.ts";
import { reachableDataDir } from "../adapters/postgres/embedded-files.ts";
import { startPostgres } from "../adapters/postgres/embedded.ts";
import { applyTopics } from "../adapters/kafka/admin.ts";
import { confluentRegistry, registerSchemas } from "../adapters/registry/confluent.ts";
import { refuseOtherIds } from "../adapters/registry/known-ids.ts";
import { AppError } from "../errors.ts";
import { EnvReader, processEnv } from "../runtime/env.ts";
import { readSettings } from "../runtime/settings.ts";
import { wantedTopics } from "../runtime/topics.ts";
import { stackObstacle } from "./artifacts.ts";
import { brokerAnswers, startBroker } from "./broker.ts";
import { announceStack, withdrawStack } from "./environment.ts";
import { freePorts } from "./free-ports.ts";
import { portNear } from "./log-servers.ts";
import { end, launch, privateFolder, type ProcessMark, runs, startTime, whenReady } from "./process.ts";
import { confluentUrl, registryAnswers, startRegistry } from "./registry-server.ts";

/** The services, in the order of the pipeline; each is a folder of services/ with a main.ts. */
export const stackServices = ["ingest-sftp", "ingest-api", "diff", "rosters", "registration", "ops"] as const;

/** Where a part of the stack listens. */
export type StackPart = { readonly name: string; readonly address: string; readonly pid: number };

/** `variables` lead commands to it. */
export type RunningStack = {
  readonly parts: readonly StackPart[];
  readonly variables: Readonly<Record<string, string>>;
};

type Recorded = ProcessMark & { readonly name: string; readonly address: string; readonly led?: string };
type Ports = Readonly<Record<string, number>>;

const root = join(import.meta.dirname, "..", "..");
const wantedPorts = { broker: 9092, controller: 9093, registry: 8081, api: 8640, sftp: 2222 };
const serviceLimitMs = 90_000;
const answerLimitMs = 2_000;
// Longer than services take at most to finish the work in hand.
const stopLimitMs = 30_000;

/** A stack over one data folder, for commands that run on `dataDir`. */
export class LocalStack {
  readonly #dataDir: string;
  readonly #folder: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#folder = join(dataDir, "stack");
  }

  /**
   * Starts what does not run and waits until all of it is ready.
   * @param say told of each part as it is ready.
   * @throws AppError `stack.start`, `kafka.unreachable` and others; what runs stays up for {@link LocalStack.down}.
   */
  async up(say: (line: string) => Promise<void>): Promise<RunningStack> {
    const obstacle = stackObstacle();
    if (obstacle !== null) throw new AppError("stack.start", { message: obstacle });
    await this.#folders();
    const { ports, moved } = await this.#ports();
    const told = async (part: Recorded): Promise<Recorded> => {
      const from = moved.get(part.name);
      const note = from === undefined ? "" : ` (moved from port ${from})`;
      await say(`${part.name.padEnd(13)} ${part.address}${note}`);
      return part;
    };
    const postgres = await told(await this.#ensure("postgres", () => this.#postgres()));
    const [broker, registry] = await Promise.all([
      this.#ensure("broker", () => this.#broker(ports), { isReady: () => brokerAnswers(ports["broker"] ?? 0) }),
      this.#ensure("registry", () => this.#registry(ports), {
        isReady: () => registryAnswers(ports["registry"] ?? 0),
      }),
    ]);
    await told(broker);
    await told(registry);
    const variables = {
      ROLLCALL_DATA: this.#folder,
      DATABASE_URL: postgres.address,
      KAFKA_BROKERS: broker.address,
      SCHEMA_REGISTRY_URL: registry.address,
      ROLLCALL_SFTP_PORT: String(ports["sftp"] ?? 0),
    };
    await applyAll(variables);
    const services = await Promise.all(
      stackServices.map((name) =>
        this.#ensure(name, () => this.#service(name, ports, variables), {
          isReady: () => answersWell(ports[name] ?? 0),
          led: JSON.stringify(variables),
        }),
      ),
    );
    for (const service of services) await told(service);
    await announceStack(this.#dataDir, variables);
    return { parts: [postgres, broker, registry, ...services], variables };
  }

  /** @returns names of what was ended, the last started first. Nothing runs: none. */
  async down(): Promise<readonly string[]> {
    await withdrawStack(this.#dataDir);
    const ended: string[] = [];
    for (const part of (await this.#recorded()).toSorted((a, b) => placeOf(b) - placeOf(a))) {
      if (runs(part)) {
        // SIGTERM waits for PostgreSQL's clients, of which there may be others; the broker and the services drain.
        await end(part, { name: part.name === "postgres" ? "SIGINT" : "SIGTERM", limitMs: stopLimitMs });
        ended.push(part.name);
      }
      await this.#forget(part.name);
    }
    return ended;
  }

  /** Ends it and removes all its data. */
  async reset(): Promise<readonly string[]> {
    const ended = await this.down();
    for (const folder of [await this.#postgresDir(), this.#folder]) await rm(folder, { recursive: true, force: true });
    return ended;
  }

  /**
   * The part as it runs and is ready, or started and written down. What runs with other variables is started anew.
   * @param how.led what leads it to the others.
   */
  async #ensure(
    name: string,
    start: () => Promise<Omit<Recorded, "name">>,
    { isReady, led = "" }: { readonly isReady?: (known: Recorded) => Promise<boolean>; readonly led?: string } = {},
  ): Promise<Recorded> {
    const known = (await this.#recorded()).find((part) => part.name === name);
    if (known !== undefined && runs(known) && (known.led ?? "") === led) {
      const logFile = this.#logFile(name);
      const answers = async (): Promise<boolean> => (await isReady?.(known)) ?? true;
      await whenReady({ name, mark: known, logFile, limitMs: serviceLimitMs, isReady: answers, stays: true });
      return known;
    }
    if (known !== undefined) await end(known, { limitMs: stopLimitMs });
    const { pid, startedAt, address } = await start();
    const part = { name, pid, startedAt, address, led };
    await this.#write((parts) => [...parts.filter((each) => each.name !== name), part]);
    return part;
  }

  /** PostgreSQL may run as another user, who has to pass to its folder. */
  async #folders(): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await chmod(this.#folder, 0o711);
    for (const name of ["broker", "registry", "logs", "landing"]) await privateFolder(join(this.#folder, name));
  }

  #logFile(name: string): string {
    const folder = name === "broker" || name === "registry" ? name : "logs";
    return join(this.#folder, folder, `${name}.log`);
  }

  #postgresDir(): Promise<string> {
    return reachableDataDir(join(this.#folder, "postgres"));
  }

  async #postgres(): Promise<Omit<Recorded, "name">> {
    const { pid, url } = await startPostgres({ dataDir: await this.#postgresDir(), outlives: true });
    if (pid === null)
      throw new AppError("stack.start", { message: "another process runs the stack's PostgreSQL: end it first" });
    return { pid, startedAt: startTime(pid) ?? "", address: url };
  }

  #broker({ broker = 0, controller = 0 }: Ports): Promise<Omit<Recorded, "name">> {
    const folder = join(this.#folder, "broker");
    return startBroker({ folder, port: broker, controllerPort: controller, isBound: false });
  }

  async #registry({ registry = 0 }: Ports): Promise<Omit<Recorded, "name">> {
    const server = await startRegistry({ folder: join(this.#folder, "registry"), port: registry, isBound: false });
    return { ...server, address: confluentUrl(server.address) };
  }

  async #service(
    name: string,
    ports: Ports,
    variables: Readonly<Record<string, string>>,
  ): Promise<Omit<Recorded, "name">> {
    const logFile = this.#logFile(name);
    const health = ports[name] ?? 0;
    const env = {
      ...textsOf(processEnv()),
      ...variables,
      ROLLCALL_HEALTH_PORT: String(health),
      ROLLCALL_HTTP_PORT: String(ports["api"] ?? 0),
    };
    const main = join(root, "services", name, "main.ts");
    const command = [process.execPath, "--disable-warning=ExperimentalWarning", main] as const;
    const mark = await launch({ command, cwd: root, logFile, env, isBound: false });
    const isReady = (): Promise<boolean> => answersWell(health);
    await whenReady({ name, mark, logFile, limitMs: serviceLimitMs, isReady });
    const serves: Readonly<Record<string, string>> = {
      ops: `http://127.0.0.1:${ports["api"]}`,
      "ingest-sftp": `sftp://127.0.0.1:${ports["sftp"]}`,
    };
    return { ...mark, address: serves[name] ?? healthAddress(health) };
  }

  /**
   * The same at every start, as far as nobody else has taken them: subscribers keep where they look. Where nothing runs
   * the well-known ones come first, so that one which was taken once is not given up for ever.
   * @returns with the former port of each part that moved.
   */
  async #ports(): Promise<{ readonly ports: Ports; readonly moved: ReadonlyMap<string, number> }> {
    const file = join(this.#folder, "ports.json");
    const before = numbersOf(await readJson(file));
    const running = new Set((await this.#recorded()).filter(runs).map(({ name }) => name));
    const free = await freePorts(stackServices.length);
    const known: Ports = {
      ...Object.fromEntries(stackServices.map((name, at) => [name, free[at] ?? 0])),
      ...wantedPorts,
    };
    const owner: Readonly<Record<string, string>> = { controller: "broker", api: "ops", sftp: "ingest-sftp" };
    const moved = new Map<string, number>();
    const ports: Record<string, number> = {};
    for (const [name, wanted] of Object.entries(known)) {
      const part = owner[name] ?? name;
      const was = before[name] ?? wanted;
      const isWellKnown = name in wantedPorts && running.size === 0;
      const port = running.has(part) ? was : await portNear(isWellKnown ? [wanted, was] : [was, wanted]);
      if (port !== was && name in wantedPorts && name !== "controller") moved.set(part, was);
      ports[name] = port;
    }
    await writeFile(file, JSON.stringify(ports));
    return { ports, moved };
  }

  async #recorded(): Promise<readonly Recorded[]> {
    const found = await readJson(this.#file());
    return Array.isArray(found) ? found.filter(isRecorded) : [];
  }

  async #forget(name: string): Promise<void> {
    await this.#write((parts) => parts.filter((part) => part.name !== name));
  }

  /** One change after the other, also where parts start side by side. */
  async #write(change: (parts: readonly Recorded[]) => readonly Recorded[]): Promise<void> {
    const before = this.#writing;
    const done = (async () => {
      await before;
      const parts = change(await this.#recorded());
      const unfinished = `${this.#file()}.${process.pid}`;
      await mkdir(this.#folder, { recursive: true });
      // With addresses and ids only; the database has no password on its socket.
      await writeFile(unfinished, `${JSON.stringify(parts, null, 2)}\n`, { mode: 0o600 });
      await rename(unfinished, this.#file());
    })();
    this.#writing = done.catch(() => {});
    await done;
  }

  #writing: Promise<void> = Promise.resolve();

  #file(): string {
    return join(this.#folder, "processes.json");
  }
}

/** A part's place in the order of starting. */
function placeOf({ name }: Recorded): number {
  return ["postgres", "broker", "registry", ...stackServices].indexOf(name);
}

/** Topics and schemas, so that no service waits for them. @throws AppError `registry.ids-changed` and others. */
async function applyAll(variables: Readonly<Record<string, string>>): Promise<void> {
  const env = new EnvReader(variables);
  const { kafka = null, databaseUrl } = readSettings(env);
  env.finish();
  if (kafka === null || databaseUrl === null) return;
  const database = openDatabase(databaseUrl);
  try {
    await migrate(database);
    await refuseOtherIds(database.sql, confluentRegistry(kafka.registry));
    await registerSchemas(kafka.registry);
    await applyTopics(kafka.connection, await wantedTopics(database.sql, kafka));
  } finally {
    await database.close();
  }
}

function healthAddress(port: number): string {
  return `http://127.0.0.1:${port}/health`;
}

async function answersWell(port: number): Promise<boolean> {
  try {
    const answer = await fetch(healthAddress(port), { signal: AbortSignal.timeout(answerLimitMs) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    const found: unknown = JSON.parse(await readFile(path, "utf8"));
    return found;
  } catch {
    return null;
  }
}

function isRecorded(found: unknown): found is Recorded {
  if (typeof found !== "object" || found === null) return false;
  const { name, pid, startedAt, address, led }: Partial<Record<keyof Recorded, unknown>> = found;
  return (
    (led === undefined || typeof led === "string") &&
    typeof name === "string" &&
    typeof address === "string" &&
    typeof startedAt === "string" &&
    startedAt !== "" &&
    Number.isSafeInteger(pid)
  );
}

function numbersOf(found: unknown): Ports {
  if (typeof found !== "object" || found === null) return {};
  return Object.fromEntries(
    Object.entries(found).flatMap(([name, value]) => (typeof value === "number" ? [[name, value]] : [])),
  );
}

function textsOf(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
