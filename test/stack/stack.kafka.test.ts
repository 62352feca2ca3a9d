// The local stack: started once, found by commands, ended by its own records alone.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";

import { brokerAnswers } from "../../libs/stack/broker.ts";
import { withStack } from "../../libs/stack/environment.ts";
import { startTime } from "../../libs/stack/process.ts";
import { LocalStack, type RunningStack, stackServices } from "../../libs/stack/stack.ts";
import { finish } from "../support/child.ts";
import { kafkaBrokers, skipWholeSystems, spaciousFolder } from "../support/kafka.ts";

t.setTimeout(300_000);

const root = join(import.meta.dirname, "..", "..");
const silent = (): Promise<void> => Promise.resolve();
const pidsOf = ({ parts }: RunningStack): readonly number[] => parts.map(({ pid }) => pid);
const runningOf = (pids: readonly number[]): readonly number[] => pids.filter((pid) => startTime(pid) !== null);

/** The broker's port is taken while it is down. */
async function takePort(t: Test, stack: LocalStack, before: RunningStack): Promise<void> {
  const [, , registry] = before.parts;
  const place = Number(before.variables["KAFKA_BROKERS"]?.split(":").at(-1));
  process.kill(before.parts[1]?.pid ?? 0, "SIGKILL");
  while (await brokerAnswers(place)) await sleep(50);
  const taker = createServer().listen(place, "127.0.0.1");
  await once(taker, "listening");
  const lines: string[] = [];
  const moved = await stack.up(async (line) => void lines.push(line));
  t.not(moved.variables["KAFKA_BROKERS"], before.variables["KAFKA_BROKERS"]);
  t.match(lines.join("\n"), new RegExp(`^broker .*moved from port ${place}`, "mu"));
  t.equal(moved.parts[2]?.pid, registry?.pid);
  t.strictSame(
    moved.parts.slice(3).filter(({ pid }) => pidsOf(before).includes(pid)),
    [],
    "no service looks where the broker was",
  );
  t.strictSame(pidsOf(await stack.up(silent)), pidsOf(moved), "and all of them are ready");
  taker.close();
  await stack.down();
  const back = await stack.up(silent);
  // Where others have the well-known port all the time, it is none to go back to.
  if (place === 9092) t.strictSame(back.variables, before.variables, "a port is not given up for ever");
}

t.test("the stack starts once, is found by commands, mends what is missing, and ends alone", async (t) => {
  if ((await kafkaBrokers(t)) === null) return;
  const dataDir = mkdtempSync(join(spaciousFolder(), "rollcall-stack-"));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const stack = new LocalStack(dataDir);
  t.teardown(() => stack.reset().then(() => {}));
  const first = await stack.up(silent);
  t.strictSame(
    first.parts.map(({ name }) => name),
    ["postgres", "broker", "registry", ...stackServices],
  );
  t.ok(await brokerAnswers(Number(first.variables["KAFKA_BROKERS"]?.split(":").at(-1))));

  const env = { ROLLCALL_DATA: dataDir, DATABASE_URL: undefined, KAFKA_BROKERS: undefined };
  t.match(withStack(env), first.variables, "commands find it");
  t.strictSame(
    withStack({ ...env, DATABASE_URL: "postgres://x" })["KAFKA_BROKERS"],
    undefined,
    "a user's own goes first",
  );
  const listed = await finish([join(root, "bin/rollcall"), "topics", "apply", "--json"], { env });
  t.match(JSON.parse(listed.stdout), { topics: [], schemas: [], unguarded: [] }, "topics and schemas are applied");

  t.strictSame(pidsOf(await stack.up(silent)), pidsOf(first), "what runs is left alone");
  const [, broker = 0] = pidsOf(first);
  process.kill(broker, "SIGKILL");
  const second = await stack.up(silent);
  t.strictSame(
    second.parts.filter(({ pid }) => !pidsOf(first).includes(pid)).map(({ name }) => name),
    ["broker"],
    "only what ended is started, where it was",
  );
  t.strictSame(second.variables, first.variables);

  for (const name of ["broker", "registry", "logs", "landing"])
    t.equal(statSync(join(dataDir, "stack", name)).mode & 0o777, 0o700, `${name} is nobody else's`);

  await t.test(
    "a broker whose port was taken meanwhile moves, the services follow, and go back with it",
    { skip: skipWholeSystems },
    (t) => takePort(t, stack, second),
  );
  const last = await stack.up(silent);

  // A process that has the id of one of ours, after ours ended: known by its start time, and none of ours.
  const stranger = spawn("sleep", ["600"], { stdio: "ignore" });
  t.teardown(() => void stranger.kill());
  const file = join(dataDir, "stack", "processes.json");
  const records: unknown[] = JSON.parse(readFileSync(file, "utf8"));
  const planted = { name: "planted", pid: stranger.pid, startedAt: "1", address: "nowhere" };
  writeFileSync(file, JSON.stringify([...records, planted]));
  const ended = await stack.down();
  t.strictSame(ended.toSorted(), ["postgres", "broker", "registry", ...stackServices].toSorted());
  t.strictSame(runningOf([...pidsOf(second), ...pidsOf(last)]), []);
  t.not(startTime(stranger.pid ?? 0), null, "the stranger lives");
  t.strictSame(await stack.down(), [], "twice is harmless");
  t.strictSame(withStack(env)["KAFKA_BROKERS"], undefined, "and no command looks for it");
});
