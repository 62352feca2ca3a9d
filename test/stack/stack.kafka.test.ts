// The local stack: started once, found by commands, ended by its own records alone.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

import { brokerAnswers } from "../../libs/stack/broker.ts";
import { withStack } from "../../libs/stack/environment.ts";
import { startTime } from "../../libs/stack/process.ts";
import { LocalStack, type RunningStack, stackServices } from "../../libs/stack/stack.ts";
import { finish } from "../support/child.ts";
import { kafkaBrokers, spaciousFolder } from "../support/kafka.ts";

t.setTimeout(300_000);

const root = join(import.meta.dirname, "..", "..");
const silent = (): Promise<void> => Promise.resolve();
const pidsOf = ({ parts }: RunningStack): readonly number[] => parts.map(({ pid }) => pid);
const runningOf = (pids: readonly number[]): readonly number[] => pids.filter((pid) => startTime(pid) !== null);

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

  // A process that has the id of one of ours, after ours ended: known by its start time, and none of ours.
  const stranger = spawn("sleep", ["600"], { stdio: "ignore" });
  t.teardown(() => void stranger.kill());
  const file = join(dataDir, "stack", "processes.json");
  const records: unknown[] = JSON.parse(readFileSync(file, "utf8"));
  const planted = { name: "planted", pid: stranger.pid, startedAt: "1", address: "nowhere" };
  writeFileSync(file, JSON.stringify([...records, planted]));
  const ended = await stack.down();
  t.strictSame(ended.toSorted(), ["postgres", "broker", "registry", ...stackServices].toSorted());
  t.strictSame(runningOf(pidsOf(second)), []);
  t.not(startTime(stranger.pid ?? 0), null, "the stranger lives");
  t.strictSame(await stack.down(), [], "twice is harmless");
  t.strictSame(withStack(env)["KAFKA_BROKERS"], undefined, "and no command looks for it");
});
