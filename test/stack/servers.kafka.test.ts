// The broker and the registry as local processes: they answer, and they end with whoever started them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";

import { brokerAnswers, startBroker } from "../../libs/stack/broker.ts";
import { runs, startTime } from "../../libs/stack/process.ts";
import { kafkaBrokers, ownBroker, registryUrl } from "../support/kafka.ts";

t.test("the shared broker and registry of a test run answer", async (t) => {
  const brokers = await kafkaBrokers(t);
  const registry = await registryUrl(t);
  if (brokers === null || registry === null) return;
  t.ok(await brokerAnswers(Number(brokers.split(":").at(-1))));
  t.strictSame((await fetch(`${registry}/subjects/none-of-this-name/versions`)).status, 404);
});

t.test(
  "a broker that is killed starts again in its place, and a port where nothing listens does not answer",
  async (t) => {
    const own = await ownBroker(t);
    if (own === null) return;
    const { settings, server } = own;
    t.ok(runs(server));
    await server.kill();
    t.notOk(await brokerAnswers(settings.port));
    t.notOk(runs(server));
    const again = await startBroker(settings);
    t.teardown(() => again.kill());
    t.ok(await brokerAnswers(settings.port));
  },
);

t.test("a bound process ends when its starter is killed", async (t) => {
  const library = join(import.meta.dirname, "..", "..", "libs", "stack", "process.ts");
  const script =
    `import { launch } from ${JSON.stringify(library)};` +
    `const mark = await launch({ command: ["sleep", "600"], cwd: "/", logFile: "/dev/null", isBound: true });` +
    `console.log(mark.pid); setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line]: unknown[] = await once(starter.stdout, "data");
  const pid = Number(String(line));
  t.not(startTime(pid), null);
  starter.kill("SIGKILL");
  for (let waited = 0; waited < 5_000 && startTime(pid) !== null; waited += 50) await sleep(50);
  t.equal(startTime(pid), null);
});
