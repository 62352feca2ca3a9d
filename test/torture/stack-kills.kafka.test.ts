// Kills services, the broker, the registry and PostgreSQL of the local stack at random moments while nights are delivered,
// starts again what ended, and holds every night against the generator's ledger. `TORTURE=1` kills sixty times.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { databaseFailure } from "../../libs/adapters/postgres/database.ts";
import { checkLedger } from "../../libs/cli/ledger.ts";
import { outcomeOf } from "../../libs/cli/outcome.ts";
import { openSystem, settingsFromEnv, type System } from "../../libs/cli/system.ts";
import { parseSourceId } from "../../libs/domain/ids.ts";
import { isAppError } from "../../libs/errors.ts";
import { deliver } from "../../libs/ingest/deliver.ts";
import { createLogger } from "../../libs/runtime/logger.ts";
import { writeSample } from "../../libs/sample/sample.ts";
import { endAtOnce, startTime } from "../../libs/stack/process.ts";
import { LocalStack, stackServices } from "../../libs/stack/stack.ts";
import { kafkaBrokers, spaciousFolder, skipWholeSystems } from "../support/kafka.ts";
import { Random } from "../support/seeded.ts";
import { addDistrict } from "../support/system.ts";

const isTorture = process.env["TORTURE"] === "1";
const seed = Number(process.env["SEED"] ?? 1);
const nights = isTorture ? 10 : 2;
const killsPerNight = isTorture ? 6 : 1;
const victims = [...stackServices, "broker", "registry", "postgres"];
const timeLimitMs = isTorture ? 1_800_000 : 280_000;
t.setTimeout(timeLimitMs);

const logger = createLogger({ name: "test", level: "silent" });
const silent = (): Promise<void> => Promise.resolve();

/** Kills and mends, until it has been done as often as wanted. */
async function torment(stack: LocalStack, random: Random, told: (line: string) => void): Promise<void> {
  for (let n = 0; n < killsPerNight; n++) {
    await sleep(random.below(2_500));
    const name = random.pick(victims);
    const { parts } = await stack.up(silent);
    const pid = parts.find((part) => part.name === name)?.pid ?? 0;
    told(`kill -9 ${name}`);
    await endAtOnce({ pid, startedAt: startTime(pid) ?? "" });
    await stack.up(silent);
  }
}

/** Work of the test on the stack, done again for as long as the world fails under it. */
async function onStack<T>(dataDir: string, work: (system: System) => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + timeLimitMs / 2; ; await sleep(500)) {
    let system: System | undefined;
    try {
      system = await openSystem(settingsFromEnv({ ROLLCALL_DATA: dataDir }), logger);
      return await work(system);
    } catch (error) {
      const failure = databaseFailure(error);
      if (!isAppError(failure) || !failure.retryable || Date.now() > deadline) throw failure;
    } finally {
      await system?.close().catch(() => {});
    }
  }
}

t.test(
  "whatever is killed on the local stack, every night publishes exactly what changed",
  { skip: skipWholeSystems },
  async (t) => {
    if ((await kafkaBrokers(t)) === null) return;
    const dataDir = mkdtempSync(join(spaciousFolder(), "rollcall-stack-"));
    const folder = mkdtempSync(join(tmpdir(), "rollcall-nights-"));
    t.teardown(() => {
      for (const each of [dataDir, folder]) rmSync(each, { recursive: true, force: true, maxRetries: 5 });
    });
    const stack = new LocalStack(dataDir);
    t.teardown(() => stack.reset().then(() => {}));
    await stack.up(silent);
    const district = await onStack(dataDir, (system) => addDistrict(system, "riverside"));
    const source = parseSourceId("files");
    if (source === null) return t.fail("a good source id");
    const random = new Random(seed, 1);
    let before = 0;
    for (let night = 1; night <= nights; night++) {
      const directory = join(folder, `night-${night}`);
      const { ledger } = await writeSample({ directory, students: 150, night, schoolYear: 2199 });
      const tormented = torment(stack, random, (line) => t.comment(`SEED=${seed} night ${night}: ${line}`));
      // Once it is received, the services finish it whatever becomes of whoever handed it over.
      const id = `riverside.files.${night}`;
      await onStack(dataDir, async (system) => {
        const known: unknown = await system.sql("deliveries").where({ id }).first("id");
        if (known === undefined)
          await deliver(system, { district, source, path: directory, signal: new AbortController().signal });
      });
      await tormented;
      const check = await onStack(dataDir, async (system) => {
        const { outcome } = await outcomeOf(system, { district, delivery: id });
        const rows: readonly { readonly number: number }[] = await system
          .sql("changesets")
          .where({ district })
          .where("number", ">", before)
          .select("number");
        const changesets = rows.map(({ number }) => number);
        return {
          outcome,
          changesets,
          ...(await checkLedger(system, { district, ledger, changesets, withHeld: true })),
        };
      });
      t.match(check, { outcome: "published", differences: [] }, `night ${night}`);
      t.equal(check.published, check.expected);
      before = Math.max(before, ...check.changesets);
    }
  },
);
