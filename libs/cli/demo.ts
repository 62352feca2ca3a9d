// `rollcall demo`: two made-up districts, three nights, one suspicious drop, and teachers who sign in. It shows the
// product's main job on real input, on either log, and holds every night against the ledger that the generator wrote: a
// difference ends the demo with an error.

import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Command, Option } from "commander";

import { registerSchemas } from "../adapters/registry/confluent.ts";
import { assert } from "../domain/assert.ts";
import { type DistrictId, parseDistrictId, parseSourceId } from "../domain/ids.ts";
import { defaultPolicy } from "../domain/policy.ts";
import { AppError } from "../errors.ts";
import { deliver } from "../ingest/deliver.ts";
import { writeOut } from "../runtime/output.ts";
import type { Settings } from "../runtime/settings.ts";
import { writeSample } from "../sample/sample.ts";
import { announceStack } from "../stack/environment.ts";
import { startLogServers } from "../stack/log-servers.ts";
import { schoolYearOf } from "./sets.ts";
import { changesetRanges, changesOf, changeText } from "./changes.ts";
import { commandLogger } from "./command.ts";
import { showTeachers, teacherPolicy } from "./demo-teachers.ts";
import { checkLedger } from "./ledger.ts";
import { countsText, type Outcome, outcomeOf, planText } from "./outcome.ts";
import { decide } from "./plans.ts";
import { withServices } from "./services.ts";
import { holdUp, openSystem, settingsFromEnv, type System } from "./system.ts";

const students = 2000;
const linesShown = 6;
const interruptedExit = 130;
const districts = [
  { id: "springfield", name: "Springfield Public Schools", version: "1.1", seed: 1 },
  { id: "shelbyville", name: "Shelbyville Unified", version: "1.2", seed: 2 },
] as const;
type DistrictSeed = (typeof districts)[number];

export function demoVerb(): Command {
  return new Command("demo")
    .description(
      "show the main job: two districts, three nights, a suspicious drop that is held and approved, teachers who sign in",
    )
    .option("--keep", "stay up afterwards, until Ctrl-C")
    .addOption(new Option("--log <log>", "where the log is; kafka starts a broker").choices(["postgres", "kafka"]))
    .addHelpText("after", "\nExample:\n  $ rollcall demo --keep")
    .action(demo);
}

type DemoOptions = { readonly keep?: boolean; readonly log?: "postgres" | "kafka" };

async function demo(options: DemoOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rollcall-demo-"));
  // Where this is root, the server runs as another user, who must be able to pass through.
  await chmod(folder, 0o711);
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  try {
    await onLog(options.log ?? "postgres", folder, async (system) => {
      await Promise.race([nights({ system, folder, signal: stop.signal }), ended(stop.signal)]);
      if (options.keep !== true || stop.signal.aborted) return;
      await say(
        `Still up: export ROLLCALL_DATA=${join(folder, "data")} and use bin/rollcall beside it. Ctrl-C ends it.`,
      );
      await ended(stop.signal);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (stop.signal.aborted && options.keep !== true) process.exitCode = interruptedExit;
  await say("Stopped; nothing is left behind.");
}

type Work = (system: System) => Promise<void>;

/** On Kafka the demo brings a broker and a registry, which end with it. */
async function onLog(log: "postgres" | "kafka", folder: string, work: Work): Promise<void> {
  const dataDir = join(folder, "data");
  if (log === "postgres") return onSystem({ dataDir, databaseUrl: null }, work);
  await mkdir(dataDir);
  const servers = await startLogServers({ folder: join(folder, "log"), isBound: true });
  try {
    await announceStack(dataDir, { KAFKA_BROKERS: servers.brokers, SCHEMA_REGISTRY_URL: servers.registryUrl });
    const settings = settingsFromEnv({ ROLLCALL_DATA: dataDir });
    if (settings.kafka) await registerSchemas(settings.kafka.registry);
    await onSystem(settings, work);
  } finally {
    await servers.stop();
  }
}

async function onSystem(settings: Settings, work: Work): Promise<void> {
  const system = await openSystem(settings, commandLogger());
  try {
    const held = await holdUp(system);
    await say(`Rollcall is up: ${system.log.description}, on ${system.databaseDescription}`);
    await withServices(system, () => work(system));
    await held.release();
  } finally {
    await system.close();
  }
}

async function ended(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

type Stage = { readonly system: System; readonly folder: string; readonly signal: AbortSignal };
type Place = Stage & { readonly seed: DistrictSeed; readonly district: DistrictId };

async function nights(stage: Stage): Promise<void> {
  const places = await Promise.all(districts.map((seed) => addDistrict(stage, seed)));
  await say(
    `\nTwo districts of ${students} students each, made up: ${districts.map((d) => `${d.id} (OneRoster ${d.version})`).join(", ")}`,
  );
  await say("\nNight one: everything is new");
  for (const place of places) await ordinaryNight(place, 1);
  await say("\nNight two: a little changes; exactly that goes out");
  for (const place of places) await ordinaryNight(place, 2);
  const [place] = places;
  if (place === undefined) return;
  await dropNight(place);
  await showTeachers(place.system, place.district);
}

async function addDistrict(stage: Stage, seed: DistrictSeed): Promise<Place> {
  const district = parseDistrictId(seed.id);
  assert(district !== null, "the demo's districts have good ids");
  const policy = JSON.stringify({ ...defaultPolicy, ...teacherPolicy(seed.id) });
  await stage.system.sql("districts").insert({ id: district, name: seed.name, policy });
  return { ...stage, seed, district };
}

async function ordinaryNight(place: Place, night: number): Promise<void> {
  const { outcome, ledger } = await deliverNight(place, night, "normal");
  const { changeset } = outcome;
  assert(outcome.outcome === "published" && changeset !== null, "an ordinary night is published");
  await say(`${outcome.delivery}: changeset ${changeset.number}\n${countsText(changeset.counts)}`);
  if (night > 1) await showSome(place, changeset.number);
  await agree(place, { ledger, changesets: [changeset.number], withHeld: true });
}

async function dropNight(place: Place): Promise<void> {
  await say(`\nNight three: the source of ${place.district} loses much of its data by mistake`);
  const { outcome, ledger } = await deliverNight(place, 3, "drop");
  const { plan, changeset } = outcome;
  assert(
    outcome.outcome === "held" && plan !== null && changeset !== null,
    "a suspicious drop is held, the rest published",
  );
  await say(
    `${outcome.delivery}: changeset ${changeset.number}, what is not in doubt\n${countsText(changeset.counts)}`,
  );
  await agree(place, { ledger, changesets: [changeset.number], withHeld: false });
  await say(planText(plan));
  await say(`\nSomeone looks, and approves: rollcall approve ${place.district} ${plan.version}`);
  const approval = { verdict: "approve", version: plan.version, types: [], cause: null, by: "demo" } as const;
  const decided = await decide(place.system, place.district, approval);
  assert(decided.outcome === "applied" && decided.changeset !== null, "an approval of an open plan is applied");
  await say(`changeset ${decided.changeset.number}\n${countsText(decided.changeset.counts)}`);
  await agree(place, { ledger, changesets: [changeset.number, decided.changeset.number], withHeld: true });
}

async function deliverNight(
  place: Place,
  night: number,
  scenario: "normal" | "drop",
): Promise<{ readonly outcome: Outcome; readonly ledger: string }> {
  const { system, district, seed, signal } = place;
  const directory = join(place.folder, `${seed.id}-${night}`);
  const { ledger } = await writeSample({
    directory,
    students,
    night,
    seed: seed.seed,
    version: seed.version,
    scenario,
    schoolYear: schoolYearOf(new Date()),
  });
  const source = parseSourceId("files");
  assert(source !== null, "the demo's source has a good id");
  const { id, verdict } = await deliver(system, { district, source, path: directory, signal });
  assert(verdict.outcome === "accepted", "a sample set is accepted");
  return { outcome: await outcomeOf(system, { district, delivery: id }), ledger };
}

async function showSome({ system, district }: Place, changeset: number): Promise<void> {
  let shown = 0;
  for (const range of await changesetRanges(system, { district, from: changeset })) {
    for await (const line of changesOf(system, { district, range, values: false })) {
      if (shown++ === linesShown) return say("    ...");
      await say(`    ${changeText(line)}`);
    }
  }
}

/** @throws AppError `demo.differs`. */
async function agree(
  { system, district }: Place,
  account: { readonly ledger: string; readonly changesets: readonly number[]; readonly withHeld: boolean },
): Promise<void> {
  const check = await checkLedger(system, { district, ...account });
  if (check.differences.length > 0)
    throw new AppError("demo.differs", {
      message: `the published changes differ from the ledger:\n${check.differences.join("\n")}`,
    });
  await say(`  agrees with the generator's own ledger: ${check.published} of ${check.expected} changes`);
}

async function say(text: string): Promise<void> {
  await writeOut(`${text}\n`);
}
