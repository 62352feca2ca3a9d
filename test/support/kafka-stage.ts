// The services as processes of their own over one database, one registry and topics of this test's own, each of which a
// test may kill, stop and continue. The test itself stands beside them and only reads, so that all work is theirs.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { registerSchemas } from "../../libs/adapters/registry/confluent.ts";
import { openSystem, type System } from "../../libs/cli/system.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import { stackServices } from "../../libs/stack/stack.ts";
import { createToken } from "../../services/ops/tokens.ts";
import { type Child, type Ended, start } from "./child.ts";
import { kafkaBrokers, registryUrl, type SkippableTest, spaciousFolder } from "./kafka.ts";
import { freshDatabase } from "./postgres.ts";
import type { TestSystem } from "./system.ts";

export type ServiceName = (typeof stackServices)[number];
export const serviceNames: readonly ServiceName[] = stackServices;

/** One process of a service, by its number among those of the same service. */
export type Instance = { readonly service: ServiceName; readonly number: number };

/** What a process answers when it is asked how it is; status 0: nothing. */
export type Told = {
  readonly status: number;
  readonly state?: string;
  readonly reason?: { readonly code: string; readonly remedy: string } | null;
  readonly topics?: Readonly<Record<string, string>>;
};

type Running = { readonly child: Child; readonly healthPort: number; readonly apiPort: number };
type Place = {
  readonly brokers: string;
  readonly registryUrl: string;
  readonly databaseUrl: string;
  /** Copies of each record; 1 unless given. */
  readonly replicas: number;
};

const root = join(import.meta.dirname, "..", "..");
const readyMs = 120_000;
/** Longer than several servers are away one after the other, with the pauses of who waits for them. */
const callerMs = 400_000;
const answerMs = 3_000;
/** Longer than ops tries to reach a broker before it says that it cannot. */
const askMs = 30_000;

export class KafkaStage {
  /** The system as this process sees it. Nothing is appended through it. */
  readonly system: TestSystem;
  readonly prefix: string;
  /** A token that may do everything. */
  readonly token: string;
  readonly #place: Place;
  readonly #running = new Map<string, Running>();
  readonly #logs = new Map<string, string>();

  constructor(about: {
    readonly system: TestSystem;
    readonly prefix: string;
    readonly token: string;
    readonly place: Place;
  }) {
    this.system = about.system;
    this.prefix = about.prefix;
    this.token = about.token;
    this.#place = about.place;
  }

  /** By which a process of ours finds the stage. */
  get environment(): Readonly<Record<string, string>> {
    return {
      ROLLCALL_DATA: this.system.folder,
      DATABASE_URL: this.#place.databaseUrl,
      KAFKA_BROKERS: this.#place.brokers,
      KAFKA_TOPIC_PREFIX: this.prefix,
      KAFKA_REPLICAS: String(this.#place.replicas),
      SCHEMA_REGISTRY_URL: this.#place.registryUrl,
    };
  }

  /** Starts a process; it need not be ready when this resolves. */
  async launch({ service, number }: Instance): Promise<void> {
    const [healthPort = 0, apiPort = 0] = await freePorts(2);
    const child = start(
      [process.execPath, "--disable-warning=ExperimentalWarning", join(root, "services", service, "main.ts")],
      {
        env: {
          ...this.environment,
          ROLLCALL_HEALTH_PORT: String(healthPort),
          ROLLCALL_HTTP_PORT: String(apiPort),
          ROLLCALL_POLL_INTERVAL_MS: "200",
          ROLLCALL_UNREAD_AFTER_MS: "10",
          ROLLCALL_STOPPED_PAUSE_MS: "1000",
        },
      },
    );
    this.#running.set(nameOf({ service, number }), { child, healthPort, apiPort });
  }

  /** Starts processes and waits until each works. */
  async start(...instances: readonly Instance[]): Promise<void> {
    await Promise.all(instances.map((each) => this.launch(each)));
    for (const each of instances) await this.untilHealth(each, ({ status }) => status === 200);
  }

  /** Ends a process as a crash would. @throws Error when it had ended by itself. */
  async kill(instance: Instance): Promise<void> {
    const { child } = this.#of(instance);
    child.kill("SIGKILL");
    const ended = await child.ended;
    this.#running.delete(nameOf(instance));
    this.#keep(nameOf(instance), ended);
    if (ended.signal !== "SIGKILL")
      throw new Error(`${nameOf(instance)} had ended by itself: ${ended.stderr.slice(-2000)}`);
  }

  signal(instance: Instance, name: "SIGSTOP" | "SIGCONT"): void {
    this.#of(instance).child.kill(name);
  }

  async health(instance: Instance): Promise<Told> {
    try {
      const url = `http://127.0.0.1:${this.#of(instance).healthPort}/`;
      const answer = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
      const told: Omit<Told, "status"> = JSON.parse(await answer.text());
      return { status: answer.status, ...told };
    } catch {
      return { status: 0 };
    }
  }

  /** The first answer that is as wanted, or the last one when it never is. */
  async untilHealth(instance: Instance, isWanted: (told: Told) => boolean, limitMs = readyMs): Promise<Told> {
    for (const deadline = performance.now() + limitMs; ; await sleep(100)) {
      const told = await this.health(instance);
      if (isWanted(told) || performance.now() > deadline) return told;
    }
  }

  /** Asks any process of ops, again and again until one answers: what a caller does who was not answered. */
  async ask(method: "GET" | "PUT" | "POST", path: string, body?: unknown): Promise<void> {
    let last = "no process of ops runs";
    for (const deadline = performance.now() + callerMs; performance.now() < deadline; await sleep(100)) {
      for (const { apiPort } of this.#instancesOf("ops")) {
        const said = await this.#askOnce(`http://127.0.0.1:${apiPort}${path}`, { method, body });
        if (said === "") return;
        last = said;
      }
    }
    throw new Error(`${method} ${path}: ${last}`);
  }

  /** @returns what went wrong; empty when it was taken. @throws Error when it is refused for good. */
  async #askOnce(url: string, { method, body }: { readonly method: string; readonly body: unknown }): Promise<string> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const signal = AbortSignal.timeout(askMs);
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body), signal }).catch(String);
    if (typeof answer === "string") return answer;
    const text = await answer.text();
    if (answer.ok) return "";
    if (answer.status < 500) throw new Error(`${method} ${url}: ${answer.status} ${text}`);
    return `${answer.status} ${text}`;
  }

  #instancesOf(service: ServiceName): readonly Running[] {
    return [...this.#running].filter(([name]) => name.startsWith(`${service}-`)).map(([, each]) => each);
  }

  #of(instance: Instance): Running {
    const running = this.#running.get(nameOf(instance));
    if (running === undefined) throw new Error(`${nameOf(instance)} does not run`);
    return running;
  }

  /** Ends all of them, as a crash would. @returns what each process ever logged, by its name. */
  async end(): Promise<ReadonlyMap<string, string>> {
    for (const { child } of this.#running.values()) child.kill("SIGKILL");
    for (const [name, { child }] of this.#running) this.#keep(name, await child.ended);
    this.#running.clear();
    return this.#logs;
  }

  #keep(name: string, { stderr }: Ended): void {
    this.#logs.set(name, (this.#logs.get(name) ?? "") + stderr);
  }
}

export function nameOf({ service, number }: Instance): string {
  return `${service}-${number}`;
}

/** Servers of a test's own in place of the shared ones. */
export type OwnServers = Partial<Place>;

/** A stage on which nothing runs yet; null when the test was skipped. */
export async function kafkaStage(t: SkippableTest, own: OwnServers = {}): Promise<KafkaStage | null> {
  const brokers = own.brokers ?? (await kafkaBrokers(t));
  const registry = own.registryUrl ?? (await registryUrl(t));
  if (brokers === null || registry === null) return null;
  const { replicas = 1 } = own;
  const databaseUrl = own.databaseUrl ?? (await freshDatabase(t)).url;
  const folder = mkdtempSync(join(spaciousFolder(), "rollcall-stage-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  await registerSchemas({ url: registry });
  const prefix = `stage-${randomBytes(6).toString("hex")}.`;
  const opened = await openSystem(
    {
      dataDir: folder,
      databaseUrl,
      kafka: {
        connection: { brokers: brokers.split(","), clientId: "rollcall-test" },
        prefix,
        replicas,
        registry: { url: registry },
      },
    },
    createLogger({ name: "test", level: "silent" }),
  );
  const token = await createToken(opened.sql, { name: "test", role: "operator", districts: null });
  const system = observer(opened, folder);
  const stage = new KafkaStage({
    system,
    prefix,
    token,
    place: { brokers, registryUrl: registry, databaseUrl, replicas },
  });
  t.teardown(async () => {
    await stage.end();
    await opened.close();
  });
  return stage;
}

/** In the form that the helpers of tests take. */
function observer(system: System, folder: string): TestSystem {
  return { ...system, folder, logged: () => "", sleepDays: () => {} };
}
