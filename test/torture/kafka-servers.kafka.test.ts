// Takes away, while sets are delivered and teachers sign in, the servers that the services stand on: the broker is killed
// and stopped, PostgreSQL is killed, the registry is not there. What cannot go on says why and goes on by itself, and the
// end is that of a clean run. `TORTURE=1` keeps them away for longer than anybody waits, three times over.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { startPostgres } from "../../libs/adapters/postgres/embedded.ts";
import { registerSchemas } from "../../libs/adapters/registry/confluent.ts";
import { startBroker } from "../../libs/stack/broker.ts";
import { freePorts } from "../../libs/stack/free-ports.ts";
import { endAtOnce, type RunningServer, signal, startTime } from "../../libs/stack/process.ts";
import { confluentUrl, startRegistry } from "../../libs/stack/registry-server.ts";
import { isSaidOnce, same } from "../support/kafka-audit.ts";
import { isWhole, stateInTime, storyIn, tell } from "../support/kafka-people.ts";
import { type Instance, kafkaStage, type KafkaStage, serviceNames } from "../support/kafka-stage.ts";
import { type OwnBroker, ownBroker, spaciousFolder } from "../support/kafka.ts";
import { Random } from "../support/seeded.ts";
import type { Teardown } from "../support/teardown.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const rounds = isTorture ? 2 : 1;
const stoppedMs = isTorture ? 40_000 : 6_000;
const limitMs = isTorture ? 1_700_000 : 300_000;
t.setTimeout(limitMs);

const instances: readonly Instance[] = serviceNames.map((service) => ({ service, number: 1 }));

/** The servers of this test alone, and what may become of them. */
class Servers {
  readonly databaseUrl: string;
  readonly registryUrl: string;
  readonly #folder: string;
  readonly #registryPort: number;
  readonly #broker: OwnBroker;
  #runningBroker: RunningServer;
  #runningRegistry: RunningServer;
  #postgresPid: number;

  constructor(about: {
    readonly folder: string;
    readonly broker: OwnBroker;
    readonly registry: RunningServer;
    readonly registryPort: number;
    readonly postgres: { readonly url: string; readonly pid: number | null };
  }) {
    this.#folder = about.folder;
    this.#broker = about.broker;
    this.#runningBroker = about.broker.server;
    this.#runningRegistry = about.registry;
    this.#registryPort = about.registryPort;
    this.registryUrl = confluentUrl(about.registry.address);
    this.databaseUrl = about.postgres.url;
    this.#postgresPid = about.postgres.pid ?? 0;
  }

  static async start(t: Teardown, broker: OwnBroker): Promise<Servers> {
    const folder = mkdtempSync(join(spaciousFolder(), "rollcall-servers-"));
    // The database server's own user may enter it.
    chmodSync(folder, 0o755);
    t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
    const [registryPort = 0] = await freePorts(1);
    const [registry, postgres] = await Promise.all([
      startRegistry({ folder: join(folder, "registry"), port: registryPort, isBound: true }),
      startPostgres({ dataDir: join(folder, "postgres") }),
    ]);
    const servers = new Servers({ folder, broker, registry, registryPort, postgres });
    t.teardown(() => servers.end());
    await registerSchemas({ url: servers.registryUrl });
    return servers;
  }

  killRegistry(): Promise<void> {
    return this.#runningRegistry.kill();
  }

  async startRegistry(): Promise<void> {
    const folder = join(this.#folder, "registry");
    this.#runningRegistry = await startRegistry({ folder, port: this.#registryPort, isBound: true });
  }

  async killBroker(away: () => Promise<unknown>): Promise<void> {
    await this.#runningBroker.kill();
    await away();
    this.#runningBroker = await startBroker(this.#broker.settings);
  }

  async stopBroker(away: () => Promise<unknown>): Promise<void> {
    signal(this.#runningBroker, "SIGSTOP");
    await away();
    signal(this.#runningBroker, "SIGCONT");
  }

  async killPostgres(away: () => Promise<unknown>): Promise<void> {
    await this.#endPostgres();
    await away();
    this.#postgresPid = (await startPostgres({ dataDir: join(this.#folder, "postgres") })).pid ?? 0;
  }

  #endPostgres(): Promise<void> {
    return endAtOnce({ pid: this.#postgresPid, startedAt: startTime(this.#postgresPid) ?? "" });
  }

  async end(): Promise<void> {
    await Promise.all([this.#runningBroker.kill(), this.#runningRegistry.kill(), this.#endPostgres()]);
  }
}

type Test = Pick<typeof t, "match" | "ok" | "comment">;

/** Until each service says that it cannot go on, and why. Without a broker ops takes in what it is told all the same. */
async function untilAllSay(t: Test, stage: KafkaStage, ...codes: readonly string[]): Promise<void> {
  for (const instance of instances) {
    if (instance.service === "ops" && codes.includes("kafka.unreachable")) continue;
    const told = await stage.untilHealth(instance, ({ reason }) => codes.includes(reason?.code ?? ""));
    const what = `${instance.service} says ${codes.join(" or ")}`;
    t.match(told, { status: 503, reason: { remedy: /./u } }, what);
    t.ok(codes.includes(told.reason?.code ?? ""), what, { told });
  }
}

async function untilAllWork(t: Test, stage: KafkaStage): Promise<void> {
  for (const instance of instances)
    t.match(await stage.untilHealth(instance, ({ status }) => status === 200), { status: 200, reason: null });
}

/** One after the other, each at some moment of the story. */
async function torment(
  t: Test,
  stage: KafkaStage,
  { servers, random }: { readonly servers: Servers; readonly random: Random },
): Promise<void> {
  const afterMs = (): number => random.below(1_500);
  await sleep(afterMs());
  await servers.killRegistry();
  await sleep(afterMs());
  // Who starts again meanwhile asks the registry first, which is away as well.
  const unreachable = ["kafka.unreachable", "registry.unreachable"];
  await servers.killBroker(async () => (isTorture ? untilAllSay(t, stage, ...unreachable) : undefined));
  t.comment("the broker was killed");
  await sleep(afterMs());
  await servers.killPostgres(() => untilAllSay(t, stage, "database.unreachable"));
  t.comment("PostgreSQL was killed");
  await sleep(afterMs());
  await servers.stopBroker(() => sleep(stoppedMs));
  const continuedAt = performance.now();
  t.comment(`the broker was stopped for ${stoppedMs} ms`);
  await servers.startRegistry();
  await untilAllWork(t, stage);
  t.comment(`all work ${Math.round(performance.now() - continuedAt)} ms after the last server is back`);
}

void t.test(
  "I20 whatever server goes away for a while, the services say why they wait, go on by themselves, and end in what a clean run ends in",
  { timeout: limitMs, skip: isTorture ? false : "it takes its time: make torture" },
  async (t) => {
    const broker = await ownBroker(t);
    if (broker === null) return;
    const servers = await Servers.start(t, broker);
    const { databaseUrl, registryUrl } = servers;
    const stage = await kafkaStage(t, { brokers: broker.server.address, databaseUrl, registryUrl });
    if (stage === null) return;

    await servers.killRegistry();
    for (const instance of instances) await stage.launch(instance);
    await untilAllSay(t, stage, "registry.unreachable");
    await servers.startRegistry();
    await untilAllWork(t, stage);

    const calm = await storyIn(stage, "calm", 1);
    await tell(calm);
    const wanted = await stateInTime(calm, isWhole);
    t.ok(typeof wanted !== "string" && isWhole(wanted), "a clean run ends well", { wanted });
    await same(t, calm);

    const random = new Random(seed, rounds);
    for (let round = 1; round <= rounds; round++) {
      const run = await storyIn(stage, `storm${round}`, 1 + round);
      await Promise.all([torment(t, stage, { servers, random }), tell(run, () => random.below(800))]);
      const found = await stateInTime(run, (state) => JSON.stringify(state) === JSON.stringify(wanted));
      t.strictSame(found, wanted, `SEED=${seed}, round ${round}`);
      await same(t, run);
      await isSaidOnce(t, run);
    }
  },
);
